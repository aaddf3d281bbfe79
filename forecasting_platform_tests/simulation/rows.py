"""Frames that know their rows, so that what was computed of the same rows is computed once for all seeds.

A seed makes hundreds of tiny frames, and pandas takes a millisecond for each. Rows are plain tuples: days and times are
whole nanoseconds, a null is None.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import OBSERVATIONS
from forecasting_platform.forecasting.series.table import PANDAS_DTYPES, Kind, Table

Row = tuple[Any, ...]
Rows = tuple[Row, ...]
MAX_REMEMBERED = 5_000
"""Frames, and results of each function: a few hundred MB for any number of seeds."""
_NULL = np.iinfo(np.int64).min


class RowsFrame(pd.DataFrame):
    """A frame of a table, and its rows. Nobody may change it: others hold the same one. What is made of it is plain."""

    table: str
    rows: Rows


def frame_of(table: Table, rows: Rows) -> RowsFrame:
    """The frame of rows that are as `Table.conform` leaves them; the same one for the same rows."""
    _tables.setdefault(table.name, table)
    return _frame(table.name, rows)


def rows_of(table: Table, frame: pd.DataFrame) -> Rows:
    """The rows of a frame that is as `Table.conform` leaves it."""
    if isinstance(frame, RowsFrame):
        return frame.rows
    return tuple(zip(*(_values(frame[column.name], column.kind) for column in table.columns), strict=True))


def of_each_series(table: Table, function: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    """The function of observations and days, which returns rows of this table, called once for the values of a series.

    For functions of which a row depends on its own series alone, and neither on which days are asked for nor on when
    values became known. The `moment` at which it is asked changes nothing either: all days of a play are complete.
    """
    known: dict[Any, Rows] = {}

    def call(observations: pd.DataFrame, days: DateRange, *args: Any, **named: Any) -> pd.DataFrame:
        if not isinstance(observations, RowsFrame):
            return function(observations, days, *args, **named)
        lasting = tuple((name, value) for name, value in named.items() if name != "moment")
        found: list[Row] = []
        for _, series in groupby(observations.rows, key=itemgetter(0)):
            rows = tuple(series)
            key = (tuple(row[:3] for row in rows), *args, *lasting)
            if key not in known:
                if len(known) == MAX_REMEMBERED:
                    known.clear()
                every = DateRange(*(pd.Timestamp(rows[end][1]).date() for end in (0, -1)))
                known[key] = rows_of(table, function(frame_of(OBSERVATIONS, rows), every, *args, **named))
            found += within(known[key], 1, days)
        return frame_of(table, tuple(found))

    return call


@lru_cache(MAX_REMEMBERED)
def nanoseconds(moment: Any) -> int:
    """A day or time as in a row."""
    return int(pd.Timestamp(moment).value)


def within(rows: Sequence[Row], position: int, period: DateRange) -> Rows:
    """The rows of the period's days; `position` is the day's."""
    first, last = nanoseconds(period.start), nanoseconds(period.end)
    return tuple(row for row in rows if row[position] is not None and first <= row[position] <= last)


_tables: dict[str, Table] = {}


@lru_cache(MAX_REMEMBERED)
def _frame(name: str, rows: Rows) -> RowsFrame:
    table = _tables[name]
    cells = zip(*rows, strict=True) if rows else [()] * len(table.columns)
    frame = RowsFrame(
        {column.name: _array(values, column.kind) for column, values in zip(table.columns, cells, strict=True)}
    )
    # Not as pandas sets attributes: it would try to make columns of them.
    frame.__dict__.update(table=name, rows=rows)
    return frame


def _array(values: Sequence[Any], kind: Kind) -> Any:
    if kind not in {"date", "timestamp"}:
        return np.array(values, dtype=PANDAS_DTYPES[kind])
    times = np.array([_NULL if value is None else value for value in values], dtype=np.int64).view("datetime64[ns]")
    return times if kind == "date" else pd.DatetimeIndex(times, tz="UTC")


def _values(values: pd.Series, kind: Kind) -> list[Any]:
    if kind not in {"date", "timestamp"}:
        return values.tolist()
    times = values.to_numpy(dtype="datetime64[ns]").view(np.int64).tolist()
    return [None if value == _NULL else value for value in times]
