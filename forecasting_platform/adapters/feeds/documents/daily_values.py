"""Makes one value a series and day from cells: refuses contradictions, combines the rows of a day."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from forecasting_platform.adapters.feeds.documents.cell_values import Cell
from forecasting_platform.adapters.feeds.documents.text_table import Positions
from forecasting_platform.errors import examples
from forecasting_platform.feed_description.day_format import DayFormat
from forecasting_platform.feed_description.parts import Aggregate, Day
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.quality.limits import MAX_VALUE, value_problem

Refuse = Callable[[int, str], None]
"""Refuses a cell, with the reason."""


@dataclass(frozen=True, slots=True)
class DatedCells:
    """Cells that have a day, ordered by series, day and moment.

    Attributes:
        series: place of the series' name.
        days: of the cells.
        moments: as in `RowDays`.
        values: NaN where there is none.
        kinds: of `Cell`.
    """

    series: Positions
    days: Days
    moments: Positions
    values: Floats
    kinds: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.series)

    def starts(self) -> Positions:
        """Where the cells of each series and day begin."""
        if not len(self):
            return np.array([], dtype=np.int64)
        is_new = (self.series[1:] != self.series[:-1]) | (self.days[1:] != self.days[:-1])
        return np.flatnonzero(np.append(True, is_new))


@dataclass(frozen=True, slots=True)
class DailyValues:
    """One value a series and day, ordered by both, and the days that are announced without one."""

    series: Positions
    days: Days
    values: Floats
    unpublished: tuple[Positions, Days]


def one_a_day(cells: DatedCells, refuse: Refuse) -> DailyValues:
    """The value of each day: equal repeats are one; differing ones are all refused, since none can be trusted."""
    has_value = cells.kinds == Cell.VALUE
    kept = has_value.copy()
    starts = cells.starts()
    ends = np.append(starts[1:], len(cells))
    for start, end in zip(starts[ends - starts > 1].tolist(), ends[ends - starts > 1].tolist(), strict=True):
        among = np.flatnonzero(has_value[start:end]) + start
        distinct = list(dict.fromkeys(cells.values[among].tolist()))
        # Equal repeats are one value: the first stands for them.
        kept[among[1:]] = False
        if len(distinct) > 1:
            kept[among] = False
            reason = f"different values for one day: {examples(distinct)}"
            for cell in among.tolist():
                refuse(cell, reason)
    # `reduceat` adds from each start to the next one: over the cells of each series and day.
    announced = np.add.reduceat(cells.kinds == Cell.UNPUBLISHED, starts) > 0
    valued = np.add.reduceat(has_value, starts) > 0
    # A day announced without a value, and given one in another row, has that value.
    only = starts[announced & ~valued]
    return DailyValues(cells.series[kept], cells.days[kept], cells.values[kept], (cells.series[only], cells.days[only]))


def added_up(cells: DatedCells, aggregate: Aggregate, day: Day, newest: date | None, refuse: Refuse) -> DailyValues:
    """The value of each day from its rows; a day with too few of them is refused, the newest one not yet published.

    Args:
        newest: the newest day of the document, which may be in progress.
        refuse: is given one cell of each refused day, or each cell of one moment that has several values.
    """
    usable = cells.kinds == Cell.VALUE
    if aggregate.every_minutes is not None:
        usable &= ~_repeats(cells, usable, day, refuse)
    starts = cells.starts()
    if not len(starts):
        return DailyValues(cells.series, cells.days, cells.values, (cells.series, cells.days))
    # A row that lacks the column altogether is no row of this series.
    present = cells.kinds != Cell.ABSENT
    counts, rows = np.add.reduceat(usable.astype(np.int64), starts), np.add.reduceat(present.astype(np.int64), starts)
    expected = (
        rows if aggregate.every_minutes is None else _rows_of_days(cells.days[starts], aggregate.every_minutes, day)
    )
    # A day with too few rows would look like a day with a small value.
    whole = (counts >= aggregate.min_share * expected) & (counts > 0)
    values = _combined(cells, usable, starts, counts, aggregate.method)
    # Each row may be legal and their sum not.
    is_beyond = whole & (np.abs(values) > MAX_VALUE)
    for place in np.flatnonzero(is_beyond).tolist():
        refuse(int(starts[place]), f"the {aggregate.method} of the day is {value_problem(float(values[place]))}")
    has_refused = np.add.reduceat((cells.kinds == Cell.REFUSED).astype(np.int64), starts) > 0
    last = np.datetime64(newest, "D") if newest else np.datetime64("NaT", "D")
    # The newest day may still be in progress, so what it lacks is no fault of the document.
    not_yet = ~whole & (rows > 0) & ~has_refused & ((cells.days[starts] == last) | (counts == 0))
    for place in np.flatnonzero(~whole & ~not_yet & (rows > 0)).tolist():
        problem = f"{counts[place]} of the {expected[place]} rows of the day have a value; the day needs "
        refuse(int(starts[place]), problem + f"{aggregate.min_share:.0%} of them")
    taken = whole & ~is_beyond
    chosen, waiting = starts[taken], starts[not_yet]
    return DailyValues(
        cells.series[chosen], cells.days[chosen], values[taken], (cells.series[waiting], cells.days[waiting])
    )


def _combined(
    cells: DatedCells, usable: npt.NDArray[np.bool_], starts: Positions, counts: Positions, how: str
) -> Floats:
    if how in {"sum", "mean", "count"}:
        totals = np.add.reduceat(np.where(usable, cells.values, 0.0), starts)
        return totals / np.maximum(counts, 1) if how == "mean" else totals
    if how == "max":
        # What is not usable is the least of all, so that it never is the largest.
        return np.maximum.reduceat(np.where(usable, cells.values, -np.inf), starts)
    if how == "min":
        return np.minimum.reduceat(np.where(usable, cells.values, np.inf), starts)
    # Cells are ordered by moment: the largest position is the last moment.
    places = np.maximum.reduceat(np.where(usable, np.arange(len(cells)), -1), starts)
    return cells.values[places]


def _repeats(cells: DatedCells, usable: npt.NDArray[np.bool_], day: Day, refuse: Refuse) -> npt.NDArray[np.bool_]:
    """Which cells are one too many of their moment: equal ones but the first, and all of differing ones.

    Where nothing says the offset, the hour in which a zone's clock is set back is there twice, and rightly so.
    """
    same = np.zeros(len(cells), dtype=bool)
    same[1:] = (
        (cells.series[1:] == cells.series[:-1]) & (cells.moments[1:] == cells.moments[:-1]) & usable[1:] & usable[:-1]
    )
    repeated = np.zeros(len(cells), dtype=bool)
    zone = ZoneInfo(day.time_zone)
    says_offset = all(DayFormat.compile(declared).has_offset for declared in day.format)
    for second in np.flatnonzero(same).tolist():
        # Two rows of that hour are right; a third is one too many.
        if not says_offset and _is_ambiguous(int(cells.moments[second]), zone) and not same[second - 1]:
            continue
        repeated[second] = True
        if cells.values[second] != cells.values[second - 1]:
            repeated[second - 1] = True
            for cell in (second - 1, second):
                refuse(cell, "different values for one moment")
    return repeated


def _is_ambiguous(moment: int, zone: ZoneInfo) -> bool:
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)).replace(tzinfo=zone)
    return local.utcoffset() != local.replace(fold=1).utcoffset()


def _rows_of_days(days: Days, every_minutes: int, day: Day) -> Positions:
    """How many rows each day has: fewer or more where its clock is set forward or back."""
    zone = ZoneInfo(day.time_zone)
    unique, at = np.unique(days, return_inverse=True)
    lengths = [_seconds_of(each, day, zone) for each in unique.tolist()]
    return (np.array(lengths, dtype=np.int64) // (60 * every_minutes))[at]


def _seconds_of(day: date, described: Day, zone: ZoneInfo) -> int:
    start = datetime.combine(day, described.begins_at, zone)
    end = datetime.combine(day + timedelta(days=1), described.begins_at, zone)
    # Of two moments of one zone, Python subtracts the clocks; in UTC it subtracts the time between.
    return int((end.astimezone(UTC) - start.astimezone(UTC)).total_seconds())
