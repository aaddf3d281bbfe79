"""Frames over Postgres' binary formats, without a Python object for each value.

Rows whose texts are equally long have one width, so a block of them is one numpy array in the layout of
binary COPY. Reading goes the same way back: one row a block, each column a
`string_agg` of the server's binary form. Formats: PostgreSQL manual, "COPY: Binary Format".
`table_store` selects the rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from psycopg import sql

from forecasting_platform.forecasting.series.table import Column, Kind, Table

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
# A field count of -1 ends the copy.
_TRAILER = b"\xff\xff"
_NULL_LENGTH = -1
_BLOCK_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class _Wire:
    """The binary form of a kind: its Postgres type and sending function, its bytes, and how a null is read."""

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
    """The rows, conformed to `table`, as pieces of one binary COPY. A null is NULL to who reads by SQL, a NaN too."""
    yield _HEADER
    texts = {column.name: _Texts.of(rows[column.name]) for column in table.columns if column.kind == "text"}
    for positions in _same_width(table, rows, texts):
        block = rows.iloc[positions]
        fields = [
            texts[column.name].field(positions) if column.kind == "text" else _field(column, block[column.name])
            for column in table.columns
        ]
        yield _block(fields, len(block))
    yield _TRAILER


@dataclass(frozen=True, slots=True)
class _Texts:
    """A column of texts: each different one encoded once; `codes` says which a row holds, -1 is a null."""

    codes: npt.NDArray[np.intp]
    encoded: npt.NDArray[np.bytes_]
    widths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, values: pd.Series) -> "_Texts":
        codes, different = pd.factorize(values.to_numpy(dtype=object))
        encoded = [str(text).encode() for text in different]
        return cls(codes, np.array([*encoded, b""]), np.array([*map(len, encoded), _NULL_LENGTH]))

    def field(self, positions: npt.NDArray[np.intp]) -> npt.NDArray[Any] | None:
        """The texts of some rows of one width, or None for nulls."""
        codes = self.codes[positions]
        width = self.widths[codes[0]]
        if width == _NULL_LENGTH:
            return None
        # "S0" would mean as wide as need be.
        return self.encoded[codes].astype(f"S{width}") if width else np.empty(len(codes), "V0")


def _same_width(table: Table, rows: pd.DataFrame, texts: dict[str, _Texts]) -> Iterator[npt.NDArray[np.intp]]:
    """Positions of rows that take equally many bytes, column by column; at most `_BLOCK_ROWS` at once."""
    # A null has a length and no value, so it changes the width of its row too.
    widths = [text.widths[text.codes] for text in texts.values()]
    absences = [rows[c.name].isna().to_numpy() for c in table.columns if c.nullable and c.kind != "text"]
    shape = pd.DataFrame(dict(enumerate([*widths, *absences])))
    for positions in shape.groupby(list(shape), sort=False).indices.values():
        yield from np.split(positions, range(_BLOCK_ROWS, len(positions), _BLOCK_ROWS))


def _field(column: Column, values: pd.Series) -> npt.NDArray[Any] | None:
    """A column of a block, or None for nulls."""
    if column.nullable and values.isna().all():
        return None
    return _to_wire(_WIRES[column.kind], values)


def _to_wire(wire: _Wire, values: pd.Series) -> npt.NDArray[Any]:
    # Postgres counts days and microseconds from 2000-01-01, numpy from 1970-01-01; the wire is big-endian.
    plain = values.to_numpy(dtype="datetime64[ns]" if wire.numpy_unit else None)
    if wire.numpy_unit:
        plain = plain.astype(f"datetime64[{wire.numpy_unit}]").astype("i8") - wire.epoch_offset
    return plain.astype(wire.dtype)


def _block(fields: Sequence[npt.NDArray[Any] | None], count: int) -> bytes:
    # A structured dtype is packed without padding, so its bytes are the tuples of the COPY format.
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for index, values in enumerate(fields):
        layout.append((f"length {index}", ">i4"))
        if values is not None:
            layout.append((f"value {index}", values.dtype.str))
    block = np.empty(count, dtype=layout)
    block["fields"] = len(fields)
    for index, values in enumerate(fields):
        if values is None:
            block[f"length {index}"] = _NULL_LENGTH
            continue
        block[f"length {index}"] = values.dtype.itemsize
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
    # `string_agg` gave one run of fixed-width values for each block of equal texts.
    received = np.frombuffer(b"".join(values), dtype=wire.dtype)
    if wire.numpy_unit is None:
        return pd.Series(received.astype(received.dtype.newbyteorder("=")))
    # A null was sent as -infinity, which Postgres stores as the smallest integer.
    is_null = received == np.iinfo(received.dtype).min
    moments = (received.astype("i8") + wire.epoch_offset).astype(f"datetime64[{wire.numpy_unit}]")
    moments[is_null] = np.datetime64("NaT")
    series = pd.Series(moments.astype("datetime64[ns]"))
    return series.dt.tz_localize("UTC") if column.kind == "timestamp" else series
