"""Reads delimited text as a table: CSV and its relatives.

Read with Arrow, which makes no Python object a cell. Its reader takes an open quote to the end of the document for one
cell, and text behind a closing quote for a part of it, so a document with quotes is first read by Python's strict one.
"""

import _csv
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from forecasting_platform.adapters.feeds.documents.quarantine import MEND, Quarantine
from forecasting_platform.adapters.feeds.documents.text_table import TextTable, header_names, refuse_beyond_limit
from forecasting_platform.errors import FeedDocumentError, examples
from forecasting_platform.feed_description.parts import Dialect

_MAX_CELL_CHARACTERS = 2**31 - 1
_MIN_BLOCK_BYTES = 1 << 16
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")


def read_csv(text: str, dialect: Dialect, source: str, quarantine: Quarantine) -> TextTable:
    """The rows that have as many fields as the header; the others are quarantined.

    Raises:
        FeedDocumentError: a quote is not closed, there is no header, or a column occurs twice in it.
    """
    if dialect.comment_char:
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(dialect.comment_char))
    if dialect.skip_initial_space and dialect.delimiter == " ":
        # With every other delimiter, spaces beside a name or number mean nothing anyway.
        text = "\n".join(" ".join(line.split()) for line in text.splitlines())
    if dialect.quote_char and dialect.quote_char in text:
        _refuse_open_quotes(text, dialect, source)
    names, header_lines = _header(text, dialect, source)
    # Each line end counts, whichever of the three kinds it is; the last line may have none.
    line_ends = max(text.count("\n"), text.count("\r")) + (not text.endswith(("\n", "\r")))
    refuse_beyond_limit(len(names) * (line_ends - header_lines), source)
    refused: list[arrow_csv.InvalidRow] = []

    def refuse(row: arrow_csv.InvalidRow) -> str:
        refused.append(row)
        return "skip"

    content = text.encode("utf-8")
    columns: dict[str, pa.Array] = {}
    if _has_rows(text, header_lines):
        # One block: an Arrow reader of several refuses a row that is longer than a block.
        size = max(len(content) + 1, _MIN_BLOCK_BYTES)
        places = [str(place) for place in range(len(names))]
        table = arrow_csv.read_csv(
            io.BytesIO(content),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=places, skip_rows=header_lines, block_size=size
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote_char or False,
                newlines_in_values=True,
                invalid_row_handler=refuse,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()), null_values=[], strings_can_be_null=False
            ),
        )
        columns = dict(zip(names, _columns(table), strict=True))
    columns = columns or dict.fromkeys(names, pa.array([], pa.string()))
    for row in refused:
        reason = f"the row has {row.actual_columns} fields, its header {row.expected_columns}"
        quarantine.add(row.number - header_lines, reason, row.text)
    numbers = np.arange(1, len(columns[names[0]]) + len(refused) + 1)
    numbers = np.setdiff1d(numbers, [row.number - header_lines for row in refused], assume_unique=True)
    return _without_nameless(TextTable(columns, numbers, dialect.delimiter))


def _columns(table: pa.Table) -> list[pa.Array]:
    batches = table.combine_chunks().to_batches()
    return batches[0].columns if batches else [pa.array([], pa.string())] * table.num_columns


def _reader(text: str, dialect: Dialect) -> "_csv.Reader":
    # Its own limit, of the whole process, would refuse a document for one long cell; the document's limit holds.
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    return csv.reader(
        _lines(text),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote_char,
        quoting=csv.QUOTE_MINIMAL if dialect.quote_char else csv.QUOTE_NONE,
        strict=True,
    )


def _refuse_open_quotes(text: str, dialect: Dialect, source: str) -> None:
    reader = _reader(text, dialect)
    try:
        for _ in reader:
            pass
    except csv.Error as error:
        raise FeedDocumentError(source, f"it is not valid CSV: {error} at line {reader.line_num}", MEND) from error


def _header(text: str, dialect: Dialect, source: str) -> tuple[list[str], int]:
    """The names of the columns, and the number of lines before the first row."""
    reader = _reader(text, dialect)
    rows = filter(None, reader)
    if not dialect.header:
        first: list[str] = next(rows, [])
        return [f"field{place}" for place in range(1, len(first) + 1)] or ["field1"], 0
    read = [(row, reader.line_num) for row in itertools.islice(rows, max(dialect.header_rows))]
    if len(read) < max(dialect.header_rows):
        raise FeedDocumentError(source, f"it ends before row {max(dialect.header_rows)}, its header", MEND)
    names = header_names([read[number - 1][0] for number in dialect.header_rows], dialect.header_join)
    names = [name.strip() for name in names]
    repeated = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if repeated:
        raise FeedDocumentError(source, f"the column {examples(repeated)} occurs twice in its header", MEND)
    return _named(names), read[-1][1]


def _named(names: list[str]) -> list[str]:
    """Names that are all different: several columns may have none."""
    nameless = 0
    named = []
    for name in names:
        nameless += not name
        named.append(name or ("" if nameless == 1 else " " * (nameless - 1)))
    return named


def _has_rows(text: str, header_lines: int) -> bool:
    return bool(next(itertools.islice(_lines(text), header_lines, None), ""))


def _lines(text: str) -> Iterator[str]:
    """The lines, one at a time: a document is large, and its header short."""
    return (found.group() for found in _LINE.finditer(text) if found.group())


def _without_nameless(table: TextTable) -> TextTable:
    """Without the columns that have neither a name nor anything in them, such as behind a last comma."""
    nameless = [name for name in table.columns if not name.strip()]
    empty = {name for name in nameless if not any(cell.as_py().strip() for cell in table.columns[name].unique())}
    kept = {name: column for name, column in table.columns.items() if name not in empty}
    return TextTable(kept, table.numbers, table.delimiter)
