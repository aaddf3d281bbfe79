"""Frames over Postgres' binary formats, without a Python object for each value.

Rows that share their texts (all of one series, say) have one width, so a block of them is one numpy
array in the layout of binary COPY. Reading goes the same way back: one row a block, each column a
`string_agg` of the server's binary form. Formats: PostgreSQL manual, "COPY: Binary Format".
Which rows travel is not decided here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from psycopg import sql

from forecasting_platform.forecasting.frames import Column, Kind, Table

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL_LENGTH = -1


@dataclass(frozen=True, slots=True)
class _Wire:
    """How a kind travels: its Postgres type and sending function, its bytes, and how it reads a null."""

    postgres_type: str
    send: str
    dtype: str
    null: str
    numpy_unit: str | None = None
    epoch_offset: int = 0


_WIRES: dict[Kind, _Wire] = {
    "date": _Wire("date", "date_send", ">i4", "-infinity", "D", int(np.datetime64("2000-01-01", "D").astype("i8"))),
    "timestamp": _Wire(
        "timestamptz", "timestamptz_send", ">i8", "-infinity", "us", int(np.datetime64("2000-01-01", "us").astype("i8"))
    ),
    "float": _Wire("float8", "float8send", ">f8", "NaN"),
    "integer": _Wire("int8", "int8send", ">i8", "0"),
    "boolean": _Wire("bool", "boolsend", "?", "false"),
}


def copy_blocks(table: Table, rows: pd.DataFrame) -> Iterator[bytes]:
    """The rows, conformed to `table`, as pieces of one binary COPY. A NaN travels as NaN."""
    yield _HEADER
    for _, block in rows.groupby(_same_width(table, rows), sort=False, dropna=False):
        yield _block([_field(column, block[column.name]) for column in table.columns], len(block))
    yield _TRAILER


def _same_width(table: Table, rows: pd.DataFrame) -> list[pd.Series]:
    texts = [rows[column.name] for column in table.columns if column.kind == "text"]
    absences = [
        rows[c.name].isna().rename(f"{c.name} is null")
        for c in table.columns
        if c.nullable and c.kind in {"date", "timestamp"}
    ]
    return texts + absences


def _field(column: Column, values: pd.Series) -> npt.NDArray[Any] | bytes | None:
    """A column of a block: an array, one text for all rows, or None for nulls."""
    if column.kind == "text":
        text = values.iloc[0]
        return None if text is None else str(text).encode()
    if column.kind != "float" and column.nullable and values.isna().all():
        return None
    return _to_wire(_WIRES[column.kind], values)


def _to_wire(wire: _Wire, values: pd.Series) -> npt.NDArray[Any]:
    plain = values.to_numpy(dtype="datetime64[ns]" if wire.numpy_unit else None)
    if wire.numpy_unit:
        plain = plain.astype(f"datetime64[{wire.numpy_unit}]").astype("i8") - wire.epoch_offset
    return plain.astype(wire.dtype)


def _block(fields: Sequence[npt.NDArray[Any] | bytes | None], count: int) -> bytes:
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for index, values in enumerate(fields):
        layout.append((f"length {index}", ">i4"))
        if values is not None:
            layout.append((f"value {index}", f"S{len(values)}" if isinstance(values, bytes) else values.dtype.str))
    block = np.empty(count, dtype=layout)
    block["fields"] = len(fields)
    for index, values in enumerate(fields):
        if values is None:
            block[f"length {index}"] = _NULL_LENGTH
            continue
        block[f"length {index}"] = len(values) if isinstance(values, bytes) else values.dtype.itemsize
        block[f"value {index}"] = values
    return block.tobytes()


def select_blocks(table: Table, source: sql.Composable) -> sql.Composed:
    """A query of the blocks of `source`, a SELECT of this table's columns. Run it with a binary cursor."""
    texts = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns if column.kind == "text")
    return sql.SQL("SELECT {columns} FROM ({source}) AS read_rows GROUP BY {texts}").format(
        columns=sql.SQL(", ").join([*(_selected(column) for column in table.columns), sql.SQL("count(*)")]),
        source=source,
        texts=texts,
    )


def _selected(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    if column.kind == "text":
        return name
    wire = _WIRES[column.kind]
    # No order: all aggregates of a query take the rows in the same one, and the frame is sorted by key.
    return sql.SQL("string_agg({send}(coalesce({name}, {null}::{type})), '')").format(
        send=sql.SQL(wire.send), name=name, null=sql.Literal(wire.null), type=sql.SQL(wire.postgres_type)
    )


def frame_of_blocks(table: Table, blocks: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """The frame of a `select_blocks` answer, with the table's dtypes, ordered by key."""
    if not blocks:
        return table.empty()
    *columns, counts = zip(*blocks, strict=True)
    frame = pd.DataFrame(
        {column.name: _read(column, values, counts) for column, values in zip(table.columns, columns, strict=True)}
    )
    return frame.sort_values(list(table.key), kind="stable", ignore_index=True)


def _read(column: Column, values: tuple[Any, ...], counts: tuple[int, ...]) -> pd.Series:
    if column.kind == "text":
        return pd.Series(np.repeat(np.array(values, dtype="object"), counts))
    wire = _WIRES[column.kind]
    received = np.frombuffer(b"".join(values), dtype=wire.dtype)
    if wire.numpy_unit is None:
        return pd.Series(received.astype(received.dtype.newbyteorder("=")))
    is_null = received == np.iinfo(received.dtype).min
    moments = (received.astype("i8") + wire.epoch_offset).astype(f"datetime64[{wire.numpy_unit}]")
    moments[is_null] = np.datetime64("NaT")
    series = pd.Series(moments.astype("datetime64[ns]"))
    return series.dt.tz_localize("UTC") if column.kind == "timestamp" else series
