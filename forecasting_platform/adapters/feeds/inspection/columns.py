"""Recognizes which columns are series, which name the series of a row, and which to leave out. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import combinations
from typing import Self

import numpy as np
import pandas as pd

from forecasting_platform.adapters.feeds.inspection.day_formats import looks_like_day, looks_like_time, of_utc_clock
from forecasting_platform.adapters.feeds.inspection.notes import Doubt, Found, quoted
from forecasting_platform.adapters.feeds.inspection.numbers import NumberFinding, is_null_word, unit_of
from forecasting_platform.forecasting.series.arrays import Floats

MAX_CODES = 60
_MIN_ROWS = 5
_MAX_ID_COLUMNS = 3
_ID_NAMES = re.compile(
    r"series|name|code|item|store|station|region|product|country|categ|type|site|meter|symbol|(^|_)id$", re.IGNORECASE
)
_CODE_NAMES = re.compile(
    r"flag|status|quality|code|holiday|weekday|workingday|weekend|weathersit|(^|_)(id|type|class)$", re.IGNORECASE
)
_PARTS_OF_DAY = re.compile(r"hour|period|interval|slot|stunde|heure|hora|block|^h[re]?$|_h$", re.IGNORECASE)
_PLACES = re.compile(r"^(lat|lon|lng|latitude|longitude|altitude|elevation)$", re.IGNORECASE)
_WEATHER = re.compile(
    r"(^|[^a-z])(a?temp|temperature|hum|humidity|wind\w*|precip\w*|rain\w*|snow\w*|sunshine|radiation|cloud\w*|pressure|dew\w*|"
    r"weather|degree.?days?)([^a-z]|$)",
    re.IGNORECASE,
)
_YES_AND_NO = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})
_YES = frozenset({"true", "yes", "t", "y"})


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns are.

    Attributes:
        id_columns: name the series of a row; none where each column is one.
        value_columns: hold the values, in the document's order.
        left_out: the other columns, each with the reason.
        weather: value columns that look like weather.
    """

    id_columns: tuple[str, ...]
    value_columns: tuple[str, ...]
    left_out: Mapping[str, str]
    weather: tuple[str, ...]
    found: tuple[Found, ...]
    doubts: tuple[Doubt, ...]

    def of_values(self, name: str) -> Self:
        """With one column of values, where the document shows that the others hold none of a day."""
        others = {other: "is the same on each day" for other in self.value_columns if other != name}
        values = tuple(other for other in self.value_columns if other == name)
        return replace(self, value_columns=values, left_out={**self.left_out, **others}, weather=())


def find_layout(columns: Mapping[str, Sequence[str]], moments: Sequence[datetime], numbers: NumberFinding) -> Layout:
    """What the columns beside the day are.

    Args:
        columns: their cells, of the rows that have a moment.
    """
    values = {name: np.array(numbers.values(cells), dtype=float) for name, cells in columns.items()}
    texts, left_out = _texts(columns, values)
    instants = pd.Series([of_utc_clock(moment) for moment in moments])
    ids, redundant = _id_columns(columns, texts, values, instants)
    left_out = {name: why for name, why in left_out.items() if name not in ids} | redundant
    candidates = [name for name in columns if name not in left_out and name not in ids]
    # Within one series a counter counts and a flag repeats; across series neither would show.
    group = _one_group(columns, ids)
    days = [moment.date() for moment, kept in zip(moments, group, strict=True) if kept]
    for name in candidates:
        why = _no_series(name, values[name][group], days)
        if why is not None:
            left_out[name] = why
    series = tuple(name for name in candidates if name not in left_out)
    left_out = {name: left_out[name] for name in columns if name in left_out}
    doubts = _doubts(ids, series, values, columns)
    weather = tuple(name for name in series if _WEATHER.search(name)) if len(series) > 1 else ()
    shape = f"one row a series and day: {quoted(ids)} names it" if ids else "one column a series"
    return Layout(ids, series, left_out, weather, (Found("layout", shape),), doubts)


def _texts(columns: Mapping[str, Sequence[str]], values: Mapping[str, Floats]) -> tuple[list[str], dict[str, str]]:
    """The columns that are no numbers, and why each is left out."""
    texts, why = [], {}
    for name, cells in columns.items():
        filled = [cell.strip() for cell in cells if not is_null_word(cell)]
        if not name.strip():
            why[name] = "has no name"
        # A column of numbers keeps some words, such as N/A: half decides.
        if not filled or np.isfinite(values[name]).sum() >= 0.5 * len(filled):
            continue
        texts.append(name)
        unit, distinct = unit_of(filled), set(filled)
        if unit:
            why[name] = f"numbers with {unit!r}, which the reader does not take"
        elif len(distinct) == 1:
            why[name] = f"the same text in each row, {quoted(distinct)}"
        elif {word.lower() for word in distinct} in _YES_AND_NO:
            no, yes = sorted(distinct, key=lambda word: word.lower() in _YES)
            why[name] = f"yes or no: to use it as a covariate, declare trueValues [{yes}] and falseValues [{no}]"
        elif all(map(looks_like_day, list(distinct)[:50])):
            why[name] = "days"
        else:
            why[name] = f"text, such as {quoted(sorted(distinct), 2)}"
    return texts, why


def _id_columns(
    columns: Mapping[str, Sequence[str]], texts: Sequence[str], values: Mapping[str, Floats], instants: pd.Series
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The fewest columns that, with the moment, name each row; and those that say the same as they do."""
    rows = len(instants)
    repeated = rows - instants.nunique()
    # Nearly every moment occurs once: one row a day, and nothing to name. A few repeats are faults of the feed.
    if repeated <= 0.02 * rows:
        return (), {}
    frame = pd.DataFrame({name: pd.Series(columns[name], dtype="object").str.strip() for name in columns})
    at_once = int(instants.value_counts().max())
    distinct = {name: int(frame[name].nunique()) for name in columns}

    def may_name(name: str) -> bool:
        # A time of day repeats each day as a name does.
        if all(map(looks_like_time, frame[name].unique()[:20])):
            return False
        is_number = np.isfinite(values[name])
        whole = name in texts or not is_number.all() or bool((values[name] % 1 == 0).all())
        return (
            whole
            and distinct[name] > 1
            and distinct[name] <= max(3 * at_once, 2)
            and not frame[name].map(is_null_word).any()
        )

    # A count within the day would pass for as many series, one a part of the day.
    if parts := [name for name in columns if name not in texts and _counts_parts_of_day(name, values[name], instants)]:
        return (), {parts[0]: "counts the rows of a day"}
    candidates = [name for name in columns if may_name(name)]
    # Texts first, then names like `id`, then the document's order: of several that would do, what a person chose.
    candidates.sort(key=lambda name: (name not in texts, not _ID_NAMES.search(name), list(columns).index(name)))
    keys = pd.DataFrame({"moment": instants, **{name: frame[name] for name in candidates}})
    # Numbers that differ by chance name the rows of a day too: texts that do are meant, be they more columns.
    for among in ([name for name in candidates if name in texts], candidates):
        # Eight at most: combinations grow fast, and what names the series is among the first.
        for ids in (ids for size in range(1, _MAX_ID_COLUMNS + 1) for ids in combinations(among[:8], size)):
            combined = frame[list(ids)].drop_duplicates()
            # Of a series there is more than one day, where the document has several.
            once = len(combined) * 2 > rows and instants.nunique() > 2
            if once or len(combined) > 3 * at_once + 2 or keys.duplicated(["moment", *ids]).mean() > 0.01:
                continue
            same = {
                name: f"says the same as {quoted(ids)}"
                for name in texts
                if name not in ids
                and distinct[name] > 1
                and len(frame[[*ids, name]].drop_duplicates()) == len(combined)
            }
            return ids, same
    return (), {}


def _counts_parts_of_day(name: str, numbers: Floats, instants: pd.Series) -> bool:
    """Whether a column counts from 0 or 1 within each day, such as a settlement period."""
    if not np.isfinite(numbers).all() or numbers.min() not in {0, 1} or not _PARTS_OF_DAY.search(name):
        return False
    of_days = pd.Series(numbers).groupby(instants.dt.date.to_numpy())
    return bool((of_days.nunique() == of_days.size()).mean() > 0.9)


def _one_group(columns: Mapping[str, Sequence[str]], ids: Sequence[str]) -> "np.typing.NDArray[np.bool_]":
    """The rows of the series with the most of them."""
    rows = len(next(iter(columns.values()), []))
    if not ids:
        return np.ones(rows, dtype=bool)
    keys = pd.Series(list(zip(*(columns[name] for name in ids), strict=True)))
    return (keys == keys.value_counts().index[0]).to_numpy()


def _no_series(name: str, values: Floats, days: Sequence[date]) -> str | None:
    """Why a column of numbers is no series; None where it is one."""
    present = np.isfinite(values)
    numbers = values[present]
    if len(numbers) < 3:
        return None
    # A document may have its newest day first: then it counts down.
    steps = np.diff(numbers) * np.sign(numbers[-1] - numbers[0])
    if (
        (steps == 1).mean() > 0.95
        and steps.min() > 0
        and steps.max() <= 3
        and (len(numbers) > 30 or numbers.min() in {0, 1})
    ):
        return "counts the rows"
    distinct = np.unique(numbers)
    if len(distinct) == 1 and (
        _CODE_NAMES.search(name) or _PLACES.search(name) or (distinct[0] and distinct[0] % 1 == 0)
    ):
        return f"{distinct[0]:g} in each row"
    if len(distinct) == 1:
        return None
    calendar = _calendar_part(numbers, [day for day, is_there in zip(days, present, strict=True) if is_there])
    if calendar is not None:
        return f"follows from the {calendar}"
    if set(distinct) == {0.0, 1.0} and len(numbers) >= 30:
        return "0 or 1 in each row: a flag"
    if len(distinct) <= 10 and _CODE_NAMES.search(name) and (numbers % 1 == 0).all():
        return f"a code: {', '.join(f'{code:g}' for code in distinct[:5])}"
    return None


def _calendar_part(numbers: Floats, days: Sequence[date]) -> str | None:
    decimal_years = np.array([day.year + (day.timetuple().tm_yday - 0.5) / 365.25 for day in days])
    if np.abs(numbers - decimal_years).max() < 0.01:
        return "day: the year with decimals"
    ordinals = pd.DatetimeIndex(np.array(days, dtype="datetime64[ns]"))
    parts = {
        "year": ordinals.year,
        "month": ordinals.month,
        "day of the month": ordinals.day,
        "weekday": ordinals.dayofweek,
        "day of the year": ordinals.month * 100 + ordinals.day,
        "week": ordinals.isocalendar().week.to_numpy(),
    }
    rounded = pd.Series(numbers)
    if not (numbers % 1 == 0).all():
        return None
    for part, key in parts.items():
        keys = pd.Series(np.asarray(key))
        distinct = keys.nunique()
        # A value a key that never differs, seen often enough that it is no accident.
        if distinct > 1 and len(keys) >= 1.8 * distinct and rounded.groupby(keys).nunique().max() == 1:
            return part
    return None


def _doubts(
    ids: Sequence[str], series: Sequence[str], values: Mapping[str, Floats], columns: Mapping[str, Sequence[str]]
) -> tuple[Doubt, ...]:
    doubts = []
    if ids and len({tuple(cells) for cells in zip(*(columns[name] for name in ids), strict=True)}) > MAX_CODES:
        doubts.append(Doubt("long.series", f"{quoted(ids)} names more than {MAX_CODES} series"))
    if (rows := len(next(iter(columns.values())))) < _MIN_ROWS:
        doubts.append(Doubt("series", f"{rows} rows are too few to tell a series from a number of the row or a code"))
    present = {name: values[name][np.isfinite(values[name])] for name in series}
    if empty := [name for name, numbers in present.items() if not len(numbers)]:
        doubts.append(Doubt("series", f"{quoted(empty, 20)} hold{'s' if len(empty) == 1 else ''} no number yet"))
    if constant := [name for name, numbers in present.items() if len(numbers) > 2 and numbers.min() == numbers.max()]:
        doubts.append(
            Doubt(
                "series",
                f"{quoted(constant, 20)} never change{'s' if len(constant) == 1 else ''}: leave out what is no series",
            )
        )
    for name, numbers in present.items():
        if not len(numbers):
            continue
        for mark in (numbers.min(), numbers.max()):
            # 999 and its like are how old formats write "no value".
            digits = str(abs(int(mark)))
            if len(numbers) > 10 and len(digits) >= 2 and set(digits) == {"9"} and (numbers == mark).sum() > 1:
                times = int((numbers == mark).sum())
                doubts.append(
                    Doubt("dialect.missingValues", f"{mark:g} stands {times} times in {name!r}: it may mean none")
                )
        total = next(
            (pair for pair in combinations(series, 2) if name not in pair and _is_sum(values, name, pair)), None
        )
        if total is not None and len(series) <= 12:
            doubts.append(Doubt("series.exclude", f"{name!r} is the sum of {total[0]!r} and {total[1]!r}"))
    return tuple(doubts)


def _is_sum(values: Mapping[str, Floats], name: str, pair: Sequence[str]) -> bool:
    added = values[pair[0]] + values[pair[1]]
    both = np.isfinite(added) & np.isfinite(values[name])
    return int(both.sum()) > 20 and bool(
        (np.abs(added - values[name])[both] <= 1e-9 * (1 + np.abs(added[both]))).mean() > 0.99
    )
