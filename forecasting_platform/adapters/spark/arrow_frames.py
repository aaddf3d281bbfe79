"""Converts pandas frames to Arrow tables and back. NaN and NULL stay different; times are UTC to the microsecond.

Nothing here reads or writes a table.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecasting_platform.forecasting.series.table import PANDAS_DTYPES, Column, Kind, Table

_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "float": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
}
_MOMENTS: dict[Kind, str] = {"date": "datetime64[D]", "timestamp": "datetime64[us]"}


def to_arrow(columns: Sequence[Column], rows: pd.DataFrame) -> pa.Table:
    """Convert rows that conform to their table to an Arrow table of these columns; a missing column is all NULL."""
    schema = pa.schema([(column.name, _TYPES[column.kind]) for column in columns])
    return pa.table([_to_array(column, rows) for column in columns], schema=schema)


def _to_array(column: Column, rows: pd.DataFrame) -> pa.Array:
    if column.name not in rows.columns:
        return pa.nulls(len(rows), _TYPES[column.kind])
    given = rows[column.name]
    # With a time zone, `to_numpy` would make one Python object a value.
    values: npt.NDArray[Any] = (given.dt.tz_convert(None) if column.kind == "timestamp" else given).to_numpy()
    if column.kind in _MOMENTS:
        values = values.astype(_MOMENTS[column.kind])
    # `from_pandas=True` would turn NaN into NULL.
    return pa.array(values, type=_TYPES[column.kind])


def from_arrow(table: Table, found: pa.Table) -> pd.DataFrame:
    """Convert rows to a frame with the columns and dtypes of `table`; the order of the rows stays."""
    columns = found.select(table.column_names).to_pandas(date_as_object=False, self_destruct=True)
    dtypes: dict[str, Any] = {column.name: PANDAS_DTYPES[column.kind] for column in table.columns}
    return columns.astype(dtypes)


def by_key(found: pa.Table, key: Sequence[str]) -> pa.Table:
    """Sort the rows by `key`, texts by code point."""
    ranked = pa.table({name: _ranked(found[name]) for name in key})
    return found.take(pc.sort_indices(ranked, [(name, "ascending") for name in key]))


def _ranked(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace texts by their ranks, so that each distinct text is compared once; other values stay."""
    if not pa.types.is_string(values.type):
        return values
    encoded = pc.dictionary_encode(values).combine_chunks()
    ranks = pc.rank(encoded.dictionary)
    return ranks.take(encoded.indices)


def last_of_each(ordered: pa.Table, key: Sequence[str]) -> pa.Table:
    """Keep the last of consecutive rows with the same key.

    >>> last_of_each(pa.table({"a": [1, 1, 2], "b": [3, 4, 5]}), ["a"]).to_pydict()
    {'a': [1, 2], 'b': [4, 5]}
    """
    if not ordered.num_rows:
        return ordered
    is_last = np.ones(ordered.num_rows, dtype=bool)
    columns = [ordered[name] for name in key]
    is_last[:-1] = np.logical_or.reduce([pc.not_equal(of[:-1], of[1:]).to_numpy() for of in columns])
    return ordered.filter(pa.array(is_last))
