"""Rows of JSON that is no list of rows, and of a table whose columns are days. Pure.

The words for the shapes of JSON are those of pandas (`orient` of `DataFrame.from_dict` and `DataFrame.to_json`).
"""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from forecasting_platform.adapters.feeds.documents.quarantine import MEND
from forecasting_platform.adapters.feeds.documents.text_table import TextTable, refuse_beyond_limit, text_array
from forecasting_platform.errors import FeedDocumentError, examples

VALUE = "value"
"""The column of the values of rows that are a number each."""


def oriented_rows(found: Mapping[str, object], orient: str, day: str, source: str) -> list[dict[str, object]]:
    """The rows of an object that holds them by column or by day.

    Args:
        orient: `list`, `index` or `columns`.
        day: the column that gets a day which is a key.

    Raises:
        FeedDocumentError: its columns have different lengths, or there are none; or a row has a column of that name.

    >>> oriented_rows({"time": ["2018-01-01"], "load": [3.5]}, "list", "time", "feed")
    [{'time': '2018-01-01', 'load': 3.5}]
    >>> oriented_rows({"2018-01-01": 3.5}, "index", "Date", "feed")
    [{'Date': '2018-01-01', 'value': 3.5}]
    >>> oriented_rows({"load": {"20180101": 3.5}, "wind": {"20180101": 2}}, "columns", "Date", "feed")
    [{'Date': '20180101', 'load': 3.5, 'wind': 2}]
    """
    if orient == "list":
        return _of_lists(found, source)
    if orient == "columns":
        columns = {name: by_day for name, by_day in found.items() if isinstance(by_day, dict)}
        days = dict.fromkeys(key for by_day in columns.values() for key in by_day)
        rows = {key: {name: column[key] for name, column in columns.items() if key in column} for key in days}
    else:
        rows = {key: row if isinstance(row, dict) else {VALUE: row} for key, row in found.items()}
    if any(day in row for row in rows.values()):
        problem = f"its rows have a column {day!r} of their own, which is to hold the day that is their key"
        raise FeedDocumentError(source, problem, "Give day.column another name.")
    return [{day: key, **row} for key, row in rows.items()]


def _of_lists(found: Mapping[str, object], source: str) -> list[dict[str, object]]:
    columns = {name: column for name, column in found.items() if isinstance(column, list)}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        told = [f"{name}: {len(column):,}" for name, column in columns.items()]
        problem = f"its columns have different lengths ({examples(told)})" if told else "it has no list a column"
        raise FeedDocumentError(source, problem, MEND)
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def turned(table: TextTable, is_day: Callable[[str], bool], day: str, value: str, source: str) -> TextTable:
    """One row a series and day, of a table that has a column a day.

    Args:
        is_day: whether the name of a column is a day.
        day: the new column of the day.
        value: the new column of the values.

    Raises:
        FeedDocumentError: no column is a day, a column has one of the new names already, or there are too many cells.
    """
    days = [name for name in table.columns if is_day(name)]
    others = [name for name in table.columns if name not in set(days)]
    if not days:
        problem = f"no column of it is named by a day; found: {examples(table.columns) or 'none'}"
        raise FeedDocumentError(source, problem, MEND)
    if taken := [name for name in (day, value) if name in others]:
        problem = f"its column {taken[0]!r} has the name that the days or values of its other columns are to get"
        raise FeedDocumentError(source, problem, "Give day.column or long.value another name.")
    refuse_beyond_limit(len(table) * len(days) * (len(others) + 2), source)
    columns = {name: pa.concat_arrays([table.columns[name]] * len(days)) for name in others}
    columns[day] = text_array(np.repeat(np.array(days, dtype=object), len(table)).tolist())
    columns[value] = pa.concat_arrays([table.columns[name] for name in days])
    return TextTable(columns, np.tile(table.numbers, len(days)), table.delimiter)
