"""Reads Parquet and workbooks as tables of text, so that all formats are processed alike from there on."""

import datetime
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from forecasting_platform.adapters.feeds.documents.quarantine import MEND
from forecasting_platform.adapters.feeds.documents.text_table import (
    TextTable,
    header_names,
    refuse_beyond_limit,
    text_array,
)
from forecasting_platform.errors import FeedDocumentError, examples
from forecasting_platform.feed_description.description import FeedDescription

MAX_UNPACKED_BYTES = 1 << 30
"""Of a Parquet file or workbook, which are compressed: some files unpack to a thousand times their size."""


def read_parquet(content: bytes, description: FeedDescription, source: str) -> TextTable:
    """The columns of a Parquet file that are no lists or structures.

    Raises:
        FeedDocumentError: it is no Parquet file, or too large unpacked.
    """
    try:
        schema = parquet.read_schema(io.BytesIO(content))
        texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
        # A text that repeats stands once: a small file may hold more repeated text than memory does.
        file = parquet.ParquetFile(io.BytesIO(content), read_dictionary=texts)
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        refuse_beyond_limit(file.metadata.num_rows * file.metadata.num_columns, source)
        _refuse_unpacked(sum(group.total_byte_size for group in groups), source)
        table = file.read()
        _refuse_unpacked(sum(map(_repeated_bytes, table.columns)), source)
    except (pa.ArrowException, OSError) as error:
        raise FeedDocumentError(source, f"it is no Parquet file: {error}", MEND) from error
    columns = {
        name: _written(table.column(name).combine_chunks(), description)
        for name in table.column_names
        if not pa.types.is_nested(table.schema.field(name).type)
    }
    return TextTable(columns, np.arange(1, table.num_rows + 1))


def _refuse_unpacked(size: int, source: str) -> None:
    if size > MAX_UNPACKED_BYTES:
        problem = f"unpacked it has {size:,} bytes, more than {MAX_UNPACKED_BYTES:,}"
        raise FeedDocumentError(source, problem, "Leave out columns, or publish it in parts.")


def _repeated_bytes(column: pa.ChunkedArray) -> int:
    """Of the texts of a column that is read as a dictionary, when each stands in its row."""
    if not pa.types.is_dictionary(column.type):
        return 0
    lengths = (pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in column.chunks)
    return sum(pc.sum(pc.cast(of_chunk, pa.int64())).as_py() or 0 for of_chunk in lengths)


def _written(column: pa.Array | pa.ChunkedArray, description: FeedDescription) -> pa.Array:
    kind = column.type
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], kind)
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return text_array([_moment(cell) for cell in column.to_pylist()])
    text = pc.cast(column, pa.string())
    if pa.types.is_floating(kind):
        text = pc.if_else(pc.is_nan(column), "", text)
    mark = description.dialect.decimal_char
    if mark != "." and (pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        text = pc.replace_substring(text, ".", mark)
    return pc.fill_null(text, "")


def read_excel(content: bytes, description: FeedDescription, source: str) -> TextTable:
    """A sheet of a workbook (XLSX); its header is `dialect.headerRows`. An empty cell is one without a value.

    Raises:
        FeedDocumentError: it is no workbook, too large unpacked, or has no such sheet or header.
    """
    rows = _sheet(content, description, source)
    dialect = description.dialect
    header_end = max(dialect.header_rows) if dialect.header else 0
    if len(rows) <= header_end:
        raise FeedDocumentError(source, f"its sheet has no rows below row {header_end}", MEND)
    width = max(map(len, rows))
    texts = [[_cell(cell, dialect.decimal_char) for cell in row] + [""] * (width - len(row)) for row in rows]
    names = [f"field{place + 1}" for place in range(width)]
    if dialect.header:
        named = header_names([texts[number - 1] for number in dialect.header_rows], dialect.header_join)
        names = [name.strip() for name in named]
    columns: dict[str, pa.Array] = {}
    for place, name in enumerate(names):
        cells = [row[place] for row in texts[header_end:]]
        if not name and not any(cells):
            continue
        if name in columns:
            raise FeedDocumentError(source, f"the column {examples([name])} occurs twice in its header", MEND)
        columns[name] = text_array(cells)
    table = TextTable(columns, np.arange(1, len(texts) - header_end + 1))
    empty = np.array([not any(row) for row in texts[header_end:]])
    return table.keep(~empty)


def sheet_names(content: bytes, source: str) -> list[str]:
    """The names of a workbook's sheets, in their order.

    Raises:
        FeedDocumentError: it is no workbook, or too large unpacked.
    """
    with _sheets(content, source) as sheets:
        return list(sheets)


@contextmanager
def _sheets(content: bytes, source: str) -> Iterator[dict[str, Any]]:
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            _refuse_unpacked(sum(part.file_size for part in parts.infolist()), source)
        workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        yield {sheet.title: sheet for sheet in workbook.worksheets}
    except FeedDocumentError:
        raise
    except Exception as error:
        # Its readers of zips and XML have errors of their own for damaged files.
        remedy = "Have it saved as XLSX, or publish CSV."
        raise FeedDocumentError(source, f"it is no workbook (XLSX): {error}", remedy) from error


def _sheet(content: bytes, description: FeedDescription, source: str) -> list[Sequence[object]]:
    with _sheets(content, source) as sheets:
        name = description.sheet if description.sheet is not None else next(iter(sheets), "")
        if name not in sheets:
            raise FeedDocumentError(source, f"it has no sheet {name!r}; found: {examples(sheets) or 'none'}", MEND)
        # What a sheet says of its own size may be wrong, and rows beyond it would be missing.
        sheets[name].reset_dimensions()
        rows: list[Sequence[object]] = []
        width = 1
        for row in sheets[name].iter_rows(values_only=True):
            rows.append(row)
            width = max(width, len(row))
            # Of the rectangle that they span: one cell in the last corner of a sheet makes it 17 billion.
            refuse_beyond_limit(len(rows) * width, source)
    while rows and all(cell is None for cell in rows[-1]):
        rows.pop()
    return rows


def _cell(cell: object, mark: str) -> str:
    if isinstance(cell, datetime.date):
        return _moment(cell)
    if isinstance(cell, float):
        text = repr(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
        return text.replace(".", mark)
    return "" if cell is None else str(cell)


def _moment(cell: datetime.date | None) -> str:
    """A day, or a moment where it is not midnight, as ISO 8601 has it."""
    if cell is None:
        return ""
    if isinstance(cell, datetime.datetime) and (cell.tzinfo is not None or cell.time() != datetime.time(0)):
        return cell.isoformat()
    return cell.strftime("%Y-%m-%d")
