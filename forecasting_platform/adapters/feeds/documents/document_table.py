"""Reads the bytes of a document as a table of text, in the format that its description names."""

from collections.abc import Callable

from forecasting_platform.adapters.feeds.documents.csv_rows import read_csv
from forecasting_platform.adapters.feeds.documents.json_rows import read_json, read_json_lines
from forecasting_platform.adapters.feeds.documents.quarantine import Quarantine
from forecasting_platform.adapters.feeds.documents.text_table import TextTable
from forecasting_platform.adapters.feeds.documents.typed_rows import read_excel, read_parquet
from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.feed_description.description import FeedDescription

TYPED: dict[str | None, Callable[[bytes, FeedDescription, str], TextTable]] = {
    "parquet": read_parquet,
    "excel": read_excel,
}
"""What reads the formats that themselves say what is a day or a number; the others are text."""


def read_table(
    content: bytes, content_type: str | None, description: FeedDescription, source: str, quarantine: Quarantine
) -> TextTable:
    """The rows of a document; those that cannot be read are quarantined.

    Args:
        content_type: decides between CSV and JSON where the description names no format.

    Raises:
        FeedDocumentError: it is empty, a web page, or cannot be read in its format and encoding.
    """
    if not content:
        raise FeedDocumentError(source, "it is empty", "Ask the publisher, or load again later.")
    if (read := TYPED.get(description.format)) is not None:
        return read(content, description, source)
    text = _decoded(content, description.dialect.encoding, source)
    start = text[:1000].lstrip()
    if not start and not text.strip():
        raise FeedDocumentError(source, "it is empty", "Ask the publisher, or load again later.")
    if start.startswith("<"):
        problem = f"it is a web page or XML (content type {content_type}), not JSON or CSV"
        raise FeedDocumentError(source, problem, "Give the address of the data itself as the feed's URL.")
    if description.format == "jsonl":
        return read_json_lines(text, description, source, quarantine)
    if description.format == "json" or (description.format is None and is_json(start, content_type)):
        return read_json(text, description, source, quarantine)
    return read_csv(text, description.dialect, source, quarantine)


def is_json(start: str, content_type: str | None) -> bool:
    """Whether a document that begins so is read as JSON; as CSV otherwise."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type.endswith("json") or (not media_type.endswith("csv") and start.startswith(("[", "{")))


def _decoded(content: bytes, encoding: str, source: str) -> str:
    # A byte-order mark says more than the description, and is no part of the first column's name.
    named = "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding
    try:
        return content.decode(named).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        problem = f"it is not {encoding} text: {error.reason} at byte {error.start}"
        remedy = "Name its encoding in the description (dialect.encoding), or have the publisher mend it."
        raise FeedDocumentError(source, problem.replace("utf-8", "UTF-8"), remedy) from error
