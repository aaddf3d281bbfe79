"""Parquet and workbooks as tables: their numbers and days are written out, so that all formats are read alike."""

import datetime
import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from forecasting_platform.adapters.feeds.quarantine import MEND
from forecasting_platform.adapters.feeds.text_table import TextTable, refuse_beyond_limit, text_array
from forecasting_platform.errors import FeedDocumentError, examples
from forecasting_platform.feed_description.description import FeedDescription


def read_parquet(content: bytes, description: FeedDescription, source: str) -> TextTable:
    """The columns of a Parquet file that are no lists or structures.

    Raises:
        FeedDocumentError: it is no Parquet file.
    """
    try:
        file = parquet.ParquetFile(io.BytesIO(content))
        refuse_beyond_limit(file.metadata.num_rows * file.metadata.num_columns, source)
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise FeedDocumentError(source, f"it is no Parquet file: {error}", MEND) from error
    columns = {
        name: _written(table.column(name).combine_chunks(), description)
        for name in table.column_names
        if not pa.types.is_nested(table.schema.field(name).type)
    }
    return TextTable(columns, np.arange(1, table.num_rows + 1))


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
    """A sheet of a workbook; its header is `dialect.headerRows`. A cell that is empty is a cell without a value.

    Raises:
        FeedDocumentError: it is no workbook, or has no such sheet or header.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        name = description.sheet if description.sheet is not None else workbook.sheet_names[0]
        if name not in workbook.sheet_names:
            problem = f"it has no sheet {name!r}; found: {examples(workbook.sheet_names)}"
            raise FeedDocumentError(source, problem, MEND)
        sheet = workbook.get_sheet_by_name(name)
        refuse_beyond_limit(sheet.total_height * sheet.total_width, source)
        rows = sheet.to_python(skip_empty_area=True)
    except CalamineError as error:
        raise FeedDocumentError(source, f"it is no workbook: {error}", MEND) from error
    dialect = description.dialect
    header_end = max(dialect.header_rows) if dialect.header else 0
    if len(rows) <= header_end:
        raise FeedDocumentError(source, f"its sheet {name!r} has no rows below row {header_end}", MEND)
    width = max(map(len, rows))
    mark = dialect.decimal_char
    texts = [[_cell(cell, mark) for cell in row] + [""] * (width - len(row)) for row in rows]
    names = [f"field{place + 1}" for place in range(width)]
    if dialect.header:
        parts = [texts[number - 1] for number in dialect.header_rows]
        names = [
            dialect.header_join.join(filter(None, (part[place].strip() for part in parts))) for place in range(width)
        ]
    columns: dict[str, pa.Array] = {}
    for place, name in enumerate(names):
        cells = [row[place] for row in texts[header_end:]]
        if not name and not any(cells):
            continue
        if name in columns:
            raise FeedDocumentError(source, f"the column {examples([name])} stands twice in its header", MEND)
        columns[name] = text_array(cells)
    table = TextTable(columns, np.arange(1, len(texts) - header_end + 1))
    empty = np.array([not any(row) for row in texts[header_end:]])
    return table.keep(~empty)


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
