"""Recognizes the format of a document and its dialect: CSV, JSON, JSON lines, Parquet or Excel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from forecasting_platform.adapters.feeds.documents.document_table import is_json
from forecasting_platform.adapters.feeds.documents.typed_rows import sheet_names
from forecasting_platform.adapters.feeds.inspection.notes import Doubt, Found, NoLayoutError, quoted
from forecasting_platform.adapters.feeds.inspection.records import find_records, is_json_lines
from forecasting_platform.adapters.feeds.inspection.text import decode, find_dialect, header_rows_of
from forecasting_platform.errors import FeedDocumentError

Words = dict[str, Any]
Rows = Callable[[Words], list[list[str]]]
"""Reads the rows of the document by the words of a description."""
_OLD_WORKBOOK, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"


@dataclass
class DocumentFormat:
    """What was found of a document's format.

    Attributes:
        words: of its description.
        native: whether the format itself says what is a number.
    """

    words: Words = field(default_factory=dict)
    native: bool = False
    found: list[Found] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)


def find_format(content: bytes, content_type: str | None, source: str, rows: Rows) -> DocumentFormat:
    """The format of a document.

    Args:
        rows: reads a sheet of a workbook.

    Raises:
        NoLayoutError: it is in none of the formats, or has no rows.
    """
    if content.startswith(b"PAR1"):
        return DocumentFormat({"format": "parquet"}, True, [Found("format", "Parquet")])
    if content.startswith((_OLD_WORKBOOK, _ZIP)):
        return _find_sheet(content, source, rows)
    return _find_text_format(content, content_type, source)


def _find_text_format(content: bytes, content_type: str | None, source: str) -> DocumentFormat:
    decoded = decode(content)
    start = decoded.text.lstrip()[:1000]
    if not start:
        raise NoLayoutError(source, "it is empty", "Ask the publisher, or inspect it again later.")
    if start.startswith(("[", "{")):
        found = _find_json(decoded.text, source)
    else:
        found = _find_csv(decoded.text, source)
        found.words |= {"format": "csv"} if is_json(start, content_type) else {}
    if decoded.encoding != "utf-8":
        found.words["dialect"] = {"encoding": decoded.encoding} | found.words.get("dialect", {})
    found.found.append(Found("encoding", decoded.encoding))
    found.doubts += decoded.doubts
    return found


def _find_json(text: str, source: str) -> DocumentFormat:
    if is_json_lines(text):
        records = find_records(f"[{text.strip().splitlines()[0]}]", source)
        lines: Words = {"format": "jsonl"} | ({"records": records.expression} if records.expression else {})
        return DocumentFormat(lines, records.native, [Found("format", "JSON, one object a line")])
    records = find_records(text, source)
    orient = None if records.orient == "records" else records.orient
    words = {"records": records.expression, "orient": orient, "error": records.error}
    given = {word: value for word, value in words.items() if value is not None}
    return DocumentFormat(given, records.native, [Found("format", "JSON"), *records.found], [*records.doubts])


def _find_csv(text: str, source: str) -> DocumentFormat:
    found = find_dialect(text, source)
    dialect: Words = {} if found.delimiter == "," else {"delimiter": found.delimiter}
    dialect |= {} if found.quote_char == '"' else {"quoteChar": found.quote_char}
    dialect |= {} if found.comment_char is None else {"commentChar": found.comment_char}
    dialect |= {"skipInitialSpace": True} if found.is_aligned else {}
    dialect |= _header(found.header_rows)
    words: Words = {"dialect": dialect} if dialect else {}
    return DocumentFormat(words, False, [Found("format", "CSV"), *found.found], [*found.doubts])


def _find_sheet(content: bytes, source: str, rows: Rows) -> DocumentFormat:
    sheets = sheet_names(content, source)
    for place, sheet in enumerate(sheets):
        words: Words = {"format": "excel"} | ({"sheet": sheet} if place else {})
        try:
            header = _header(header_rows_of(rows(words | {"dialect": {"header": False}}), source))
        except (NoLayoutError, FeedDocumentError):
            continue
        found = DocumentFormat(words | ({"dialect": header} if header else {}), True)
        found.found += [Found("format", "Excel"), Found("sheet", sheet)]
        if len(sheets) > 1:
            found.doubts.append(Doubt("sheet", f"of the sheets {quoted(sheets, 6)}, {sheet!r} is the first with days"))
        return found
    raise NoLayoutError(source, f"no sheet has a row a day: {quoted(sheets, 6)}", "Give a table with a row a day.")


def _header(header_rows: Sequence[int]) -> Words:
    if not header_rows:
        return {"header": False}
    return {} if tuple(header_rows) == (1,) else {"headerRows": list(header_rows)}


def one_or_more(names: Sequence[str]) -> str | list[str]:
    """As a person writes it: a name that is alone is no list."""
    return names[0] if len(names) == 1 else list(names)
