"""Finds the columns that may be the day of a row: one, a day and a time, or year, month and day. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from forecasting_platform.adapters.feeds.inspection.day_formats import (
    FIRST_YEAR,
    formats_of,
    looks_like_day,
    looks_like_time,
)

MIN_SHARE = 0.6
"""Of the rows a column must name a day in, to be the day's."""
DAY_NAMES = re.compile(
    r"(^|[^a-z])(date|day|dt|ds|datum|tag|dag|data|fecha|jour|dia|giorno|period|time|timestamp|datetime|zeit|stunde)"
    r"([^a-z]|$)|date|datum|fecha|timestamp",
    re.IGNORECASE,
)
SECOND_CHOICES = re.compile(
    r"end|until|updat|modif|creat|publi|issued|insert|load|generat|retriev|extract|snapshot|process|record|bis|fin\b",
    re.IGNORECASE,
)
"""Names of moments at which something was done with a row, and of the end of its interval."""
_HOURS = re.compile(r"hour|^hr$|time|heure|hora|stunde|uhr|zeit|^he$|^h$", re.IGNORECASE)


def day_candidates(columns: Mapping[str, Sequence[str]]) -> Iterable[tuple[tuple[str, ...], list[str]]]:
    """The columns that may be the day together, each with their joined texts."""
    single = [name for name, cells in columns.items() if _share(cells, looks_like_day) >= MIN_SHARE]
    numbered = [
        name
        for name, cells in columns.items()
        if name not in single
        and (DAY_NAMES.search(name) or name.startswith("field"))
        and _share(cells, _has_format) >= MIN_SHARE
    ]
    for name in (*single, *numbered):
        yield (name,), list(columns[name])
    for name in single:
        if any(formats_of(cell) and ":" in cell for cell in _sample(columns[name])):
            continue
        for other in columns:
            is_named = bool(_HOURS.search(other))
            if other != name and _share(columns[other], _is_time if is_named else looks_like_time) >= MIN_SHARE:
                yield (name, other), _joined(columns[name], columns[other])
    yield from _split_days(columns)


def _split_days(columns: Mapping[str, Sequence[str]]) -> Iterable[tuple[tuple[str, ...], list[str]]]:
    """Year, month and day in three columns, by their names or, without names, one after the other."""
    by_name = [
        next((name for name in columns if re.fullmatch(word, name.strip(), re.IGNORECASE)), None)
        for word in (
            "year|yr|yyyy|jahr|année|annee|año|ano",
            "month|mnth|mm|mo|monat|mois|mes",
            "day|dd|dom|tag|jour|dia|día",
        )
    ]
    names = list(columns)
    triples = [tuple(name for name in by_name if name is not None)]
    triples += [tuple(names[at : at + 3]) for at in range(len(names) - 2) if names[at].startswith("field")]
    for triple in triples:
        if len(triple) == 3 and all(
            _share(columns[name], partial(_is_within, low, high)) > 0.9
            for name, (low, high) in zip(triple, ((FIRST_YEAR, 2200), (1, 12), (1, 31)), strict=True)
        ):
            texts = _joined(*(columns[name] for name in triple))
            hour = next(
                (
                    name
                    for name in columns
                    if name not in triple and re.fullmatch("hour|hr|stunde", name, re.IGNORECASE)
                ),
                None,
            )
            if hour is not None and _share(columns[hour], _is_time) > 0.9:
                yield (*triple, hour), _joined(texts, columns[hour])
            else:
                yield triple, texts
            return


def _is_within(low: int, high: int, text: str) -> bool:
    return text.strip().isdecimal() and low <= int(text) <= high


def _may_be_day(name: str) -> bool:
    return bool(DAY_NAMES.search(name)) or name.startswith("field")


def _has_format(text: str) -> bool:
    return bool(formats_of(text))


def _joined(*columns: Sequence[str]) -> list[str]:
    return [" ".join(cell.strip() for cell in cells) for cells in zip(*columns, strict=True)]


def _sample(cells: Sequence[str], most: int = 300) -> list[str]:
    filled = [cell for cell in cells if cell.strip()]
    return filled[:: max(1, len(filled) // most)]


def _share(cells: Sequence[str], holds: Callable[[str], bool]) -> float:
    sample = _sample(cells)
    if not sample or len([cell for cell in cells if cell.strip()]) < MIN_SHARE * len(cells):
        return 0.0
    return sum(map(holds, sample)) / len(sample)


def _is_time(text: str) -> bool:
    return looks_like_time(text) or (text.strip().isdecimal() and int(text) <= 24)
