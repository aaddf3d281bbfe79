"""Decides which columns are the day of a row, and how it is written. Pure.

A format is proposed where it reads nearly all rows. Where two formats read them as different days (day or month first),
only a row that one of them cannot read decides, or the shape of the days where a wrong reading is absurd.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise

from forecasting_platform.adapters.feeds.inspection.day_columns import (
    DAY_NAMES,
    MIN_SHARE,
    SECOND_CHOICES,
    day_candidates,
)
from forecasting_platform.adapters.feeds.inspection.day_formats import (
    formats_of,
    moment_of,
)
from forecasting_platform.adapters.feeds.inspection.notes import Doubt, Found, quoted
from forecasting_platform.feed_description.day_format import DayFormat

_MANY_DAYS = 32


@dataclass(frozen=True, slots=True)
class Rows:
    """The day of each row as it is written.

    Attributes:
        texts: of all rows.
        numbers: of these rows in the document.
    """

    texts: Sequence[str]
    numbers: Sequence[int]


@dataclass(frozen=True, slots=True)
class DayFinding:
    """The day of a row.

    Attributes:
        columns: whose texts are joined by a space.
        formats: as declared; those of the likeliest reading where it is not sure.
        moments: of all rows; None where a row names none.
        rivals: the formats to choose from where it does not.
        says_24: whether a row is of 24:00, the end of its day.
    """

    columns: tuple[str, ...]
    formats: tuple[str, ...]
    moments: list[datetime | None]
    found: tuple[Found, ...]
    doubts: tuple[Doubt, ...]
    rivals: tuple[str, ...] = ()
    says_24: bool = False

    @property
    def decided(self) -> bool:
        """Whether the document shows that no other reading is meant."""
        return not self.rivals


@dataclass(frozen=True, slots=True)
class _Reading:
    declared: str
    moments: Mapping[str, datetime]

    def days(self) -> set[date]:
        return {moment.date() for moment in self.moments.values()}


def find_day(columns: Mapping[str, Sequence[str]], numbers: Sequence[int], today: date) -> DayFinding | None:
    """The column or columns of the day, and their formats; None where no column names days.

    Args:
        columns: the cells by column, without the ones that are missing.
        numbers: of the rows in the document.
        today: years much later are not meant.
    """
    candidates = [(names, texts) for names, texts in day_candidates(columns)]
    findings = [
        finding for names, texts in candidates if (finding := _finding(names, Rows(texts, numbers), today)) is not None
    ]
    if not findings:
        return None
    best = max(findings, key=lambda finding: _rank(finding, list(columns)))
    others = [each for each in findings if not set(each.columns) & set(best.columns)]
    if not others:
        return best
    names = [each.columns[0] for each in others]
    equal = [each for each in others if _rank(each, [])[:-1] == _rank(best, [])[:-1] and _differ(each, best)]
    if not equal:
        doubt = Doubt("day.column", f"{quoted(names)} also name{'s' if len(names) == 1 else ''} days")
        return replace(best, doubts=(*best.doubts, doubt))
    either = [best, *equal]
    row = next(row for row, moments in enumerate(zip(*(each.moments for each in either), strict=True)) if all(moments))
    read = [f"{each.columns[0]!r} (as {each.formats[0]}) of {each.moments[row]:%Y-%m-%d}" for each in either]
    why = f"a row has more than one day, such as {' and '.join(read)}: which is that of its values?"
    doubt = Doubt("day.column", why, tuple(f'"{each.columns[0]}"' for each in either))
    # With the formats of each, the choice of a column is all that is left.
    formats = tuple(dict.fromkeys(declared for each in either for declared in each.formats))
    return replace(best, formats=formats, doubts=(*best.doubts, doubt))


def _differ(one: DayFinding, other: DayFinding) -> bool:
    """Whether two columns name different days in many rows."""
    both = [(a.date(), b.date()) for a, b in zip(one.moments, other.moments, strict=True) if a and b]
    return sum(a != b for a, b in both) > 0.01 * len(both) > 0


def _rank(finding: DayFinding, order: list[str]) -> tuple[float, ...]:
    share = sum(moment is not None for moment in finding.moments) / max(len(finding.moments), 1)
    name = finding.columns[0]
    return (
        # The date and the time of a row, and the three parts of a day, say more than one of them.
        len(finding.columns) > 1,
        share > 0.9,
        not SECOND_CHOICES.search(name),
        bool(DAY_NAMES.search(name)),
        -order.index(name) if order else 0,
    )


def _finding(names: tuple[str, ...], rows: Rows, today: date) -> DayFinding | None:
    counts = Counter(rows.texts)
    readings = _readings(counts, today)
    if not readings:
        return None
    best, rivals, found, doubts = _decide(readings, counts, rows)
    chosen = [best]
    # A file may mix its spellings; another order of day and month is no other spelling.
    rest = {text: count for text, count in counts.items() if text not in best.moments}
    for other in _readings(rest, today) if sum(rest.values()) >= max(3, 0.02 * len(rows.texts)) else []:
        is_read = any(text in each.moments for each in chosen for text in other.moments)
        if not is_read and not _is_other_order(best.declared, other.declared):
            chosen.append(other)
    moments = {text: moment for each in reversed(chosen) for text, moment in each.moments.items()}
    read = [moments.get(text) for text in rows.texts]
    if sum(moment is not None for moment in read) < MIN_SHARE * len(read):
        return None
    if len(chosen) > 1:
        doubts = [*doubts, Doubt("day.format", "the days are spelled in more than one way")]
    formats = tuple(each.declared for each in chosen)
    says_24 = any(re.search(r"[T ]24(:00){0,2}$", text) for text in moments)
    return DayFinding(names, formats, read, tuple(found), tuple(doubts), tuple(rivals), says_24)


def _readings(counts: Mapping[str, int], today: date) -> list[_Reading]:
    """The formats that read most of the texts, the best first; those that read all alike are one."""
    shapes = Counter(re.sub(r"[A-Za-z]+", "a", re.sub(r"\d", "9", text.strip())) for text in counts)
    common = {shape for shape, _ in shapes.most_common(12)}
    declared: dict[str, None] = {}
    for text in counts:
        shape = re.sub(r"[A-Za-z]+", "a", re.sub(r"\d", "9", text.strip()))
        if shape in common:
            common.discard(shape)
            declared |= dict.fromkeys(formats_of(text))
    last = today.year + 2
    readings = []
    for each in declared:
        compiled = DayFormat.compile(each)
        found = {text: moment for text in counts if (moment := moment_of(compiled, text)) and moment.year <= last}
        if found:
            readings.append(_Reading(each, found))
    readings.sort(key=lambda reading: -sum(counts[text] for text in reading.moments))
    distinct: list[_Reading] = []
    for reading in readings:
        if not any(reading.moments.items() <= other.moments.items() for other in distinct):
            distinct.append(reading)
    return distinct


def _decide(
    readings: list[_Reading], counts: Mapping[str, int], rows: Rows
) -> tuple[_Reading, list[str], list[Found], list[Doubt]]:
    """The best reading, and those that may be meant as well."""
    best, *others = readings
    enough = 0.5 * sum(counts[text] for text in best.moments)
    others = [
        other
        for other in others
        if sum(counts[text] for text in other.moments) > enough
        and any(best.moments[text] != moment for text, moment in other.moments.items() if text in best.moments)
    ]
    # Nobody writes the year first and the day before the month.
    others = [other for other in others if "%Y" not in other.declared[:2] or "%d" not in other.declared[:6]]
    swapped = [other for other in readings[1:] if _is_other_order(best.declared, other.declared)]
    column = Found("day's format", best.declared, _proof(best, swapped, rows))
    unproved = [other for other in others if not _is_proved(best, other)]
    if not unproved:
        return best, [], [column], []
    rivals = [best, *(other for other in unproved if not _is_absurd(other, best))]
    if len(rivals) == 1:
        return best, [], [Found("day's format", best.declared, "read otherwise, the days would lie years apart")], []
    likeliest = max(rivals, key=lambda reading: (_regularity(reading), len(reading.moments)))
    return likeliest, [each.declared for each in rivals], [], [_undecided(rivals, rows)]


def _undecided(rivals: Sequence[_Reading], rows: Rows) -> Doubt:
    first, second = rivals[0], rivals[1]
    only = [
        next((f"row {number} {text!r}" for number, text in zip(rows.numbers, rows.texts, strict=True)
              if text in one.moments and text not in other.moments), None)
        for one, other in ((first, second), (second, first))
    ]  # fmt: skip
    sample = next(
        text for text in first.moments if text in second.moments and first.moments[text] != second.moments[text]
    )
    meant = f"{sample!r} may be {first.moments[sample]:%-d %B %Y} or {second.moments[sample]:%-d %B %Y}"
    if any(only):
        why = f"{meant}: {' and '.join(filter(None, only))} fit only one of them, and too few rows do"
    else:
        why = f"{meant}: no row has a part that fits only one of them"
    return Doubt("day.format", why, tuple(f'"{each.declared}"' for each in rivals))


def _proof(best: _Reading, others: Sequence[_Reading], rows: Rows) -> str:
    if not others:
        return ""
    swapped = others[0]
    proving = [
        (number, text)
        for number, text in zip(rows.numbers, rows.texts, strict=True)
        if text in best.moments and text not in swapped.moments
    ]
    if not proving:
        return ""
    order = "month" if best.declared.find("%m") < best.declared.find("%d") else "day"
    such = ", ".join(f"row {number} {text!r}" for number, text in proving[:2])
    near = _regularity(best)
    return (
        f"{order} first: {such} and {max(len(proving) - 2, 0):,} more fit no other order; {near:.0%} of days follow on"
    )


def _is_proved(best: _Reading, other: _Reading) -> bool:
    """Whether rows decide for one of two readings: several only it can read, and few only the other can."""
    pro = len(best.moments.keys() - other.moments.keys())
    contra = len(other.moments.keys() - best.moments.keys())
    if pro >= 3:
        return pro >= 20 * contra and (pro >= 8 or _regularity(best) >= _regularity(other))
    return pro > 0 and not contra and _regularity(best) > _regularity(other)


def _is_absurd(other: _Reading, best: _Reading) -> bool:
    """Whether a reading scatters over decades what the other one puts on days that follow each other."""
    return len(best.days()) >= _MANY_DAYS and _regularity(best) > 0.6 and _regularity(other) < 0.3


def _regularity(reading: _Reading) -> float:
    """The share of the days that follow the one before by the commonest step, if it is at most a week."""
    days = sorted(reading.days())
    steps = Counter((after - before).days for before, after in pairwise(days))
    return max((count for step, count in steps.items() if step <= 7), default=0) / max(len(days) - 1, 1)


def _is_other_order(one: str, other: str) -> bool:
    def order(declared: str) -> list[str]:
        return [letter for letter in re.findall(r"%(.)", declared) if letter in "Yymd"]

    return sorted(map(str.lower, order(one))) == sorted(map(str.lower, order(other))) and order(one) != order(other)
