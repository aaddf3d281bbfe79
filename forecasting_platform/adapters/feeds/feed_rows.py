"""The rows of a feed document: bytes in, numbered rows out, and those that cannot be used. Pure: no network, no clock.

A document is JSON (an array of objects, or `{"records": [...]}`) or CSV, in UTF-8. What a row's cells mean is
`feed_document`'s, and how its day is written `feed_dates`'.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from forecasting_platform.errors import FeedDocumentError, examples
from forecasting_platform.forecasting.series.limits import value_problem
from forecasting_platform.forecasting.series.refusals import Refused, varied_examples
from forecasting_platform.repetitions import first_repeated

DATE_COLUMN = "Date"
RAW_CHARACTERS_KEPT = 1000
MAX_NAME_CHARACTERS_SHOWN = 100

# Possessive: what is matched is never tried again in another way, which in a long cell would take the square of it.
_NUMBER = re.compile(r"[+-]?([0-9]++\.?[0-9]*+|\.[0-9]++)([eE][+-]?[0-9]++)?")
_MAX_CELL_CHARACTERS = 2**31 - 1
MAX_CELLS = 10_000_000
"""Of a document: a thousand series of 27 years. A cell takes a byte of a document and hundreds of memory."""
MAX_REFUSED = 500_000
"""Rows and values refused one by one; of a document with more nothing can be meant."""


@dataclass(frozen=True, slots=True)
class RefusedCell:
    """What stands where a number should, as written, and what is wrong with it."""

    raw: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row whose date is text: its number in the document (from 1) and its cells by column."""

    number: int
    cells: Mapping[str, Any]


@dataclass(slots=True)
class Quarantine:
    """Refused rows and values, in the order found."""

    source: str
    refused: list[Refused] = field(default_factory=list)
    days: list[date | None] = field(default_factory=list)

    def add(self, row: int, reason: str, raw: str, unique_id: str | None = None, day: date | None = None) -> None:
        """Refuse one thing; see `Refused`.

        Raises:
            FeedDocumentError: it is the one too many.
        """
        if len(self.refused) == MAX_REFUSED:
            such_as = "; ".join(map(str, varied_examples(self.refused)))
            problem = f"more than {MAX_REFUSED:,} of its rows and values cannot be used, such as {such_as}"
            raise FeedDocumentError(self.source, problem, MEND)
        kept = _storable(raw[:RAW_CHARACTERS_KEPT])[:RAW_CHARACTERS_KEPT]
        self.refused.append(Refused(row, kept, reason, unique_id))
        self.days.append(day)

    def frame(self) -> pd.DataFrame:
        """`unique_id`, `ds`, `reason`, `raw`, one row each."""
        rows = [(each.unique_id, each.reason, each.raw) for each in self.refused]
        quarantined = pd.DataFrame(rows, columns=["unique_id", "reason", "raw"], dtype="object")
        quarantined.insert(1, "ds", day_column(self.days))
        return quarantined


def read_rows(content: bytes, content_type: str | None, source: str, quarantine: Quarantine) -> list[Row]:
    """The rows whose date is text; the others are quarantined.

    Raises:
        FeedDocumentError: there is no reading it as JSON or CSV with a `Date`, or none of its rows can be used.
    """
    text = _decode(content, source).lstrip()
    if not text:
        raise FeedDocumentError(source, "it is empty", "Ask the publisher, or load again later.")
    if text.startswith("<"):
        problem = f"it is a web page or XML (content type {content_type}), not JSON or CSV"
        raise FeedDocumentError(source, problem, "Set FORECASTING_FEED_URL to the address of the data itself.")
    read = _read_json if is_json(text, content_type) else _read_csv
    rows = read(text, source, quarantine)
    if not rows and quarantine.refused:
        first = quarantine.refused[0]
        problem = f"no row of it can be used; of the first, {first.reason}: {first.raw[:80]!r}"
        raise FeedDocumentError(source, problem, MEND)
    return rows


def _decode(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FeedDocumentError(source, f"it is not UTF-8 text: {error.reason} at byte {error.start}", MEND) from error


def is_json(text: str, content_type: str | None) -> bool:
    """Whether a document is read as JSON; as CSV otherwise. `text` has no white space before it."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type.endswith("json") or (not media_type.endswith("csv") and text.startswith(("[", "{")))


MEND = "The feed must be JSON (an array of objects) or CSV in UTF-8; have the publisher mend it, or change the URL."


def _read_json(text: str, source: str, quarantine: Quarantine) -> list[Row]:
    objects = _records(_parse_json(text, source), source)
    if objects and not any(isinstance(cells, dict) and DATE_COLUMN in cells for cells in objects):
        raise _no_date_column(objects[0] if isinstance(objects[0], dict) else [], source)
    return _bounded(_usable_rows(objects, quarantine), source)


def _parse_json(text: str, source: str) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=_object_without_repeats,
            parse_float=_number,
            parse_int=_number,
            parse_constant=lambda written: RefusedCell(written, "not a number"),
        )
    except _RepeatedKeyError as error:
        raise FeedDocumentError(source, f"the key {error} stands twice in one object", MEND) from error
    except json.JSONDecodeError as error:
        problem = f"it is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise FeedDocumentError(source, problem, MEND) from error
    except RecursionError as error:
        raise FeedDocumentError(source, "its JSON is nested too deeply", MEND) from error


class _RepeatedKeyError(ValueError):
    """A key stands twice in a JSON object; JSON readers silently keep one of the values."""


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    cells = dict(pairs)
    if len(cells) < len(pairs):
        repeated = first_repeated(key for key, _ in pairs)
        raise _RepeatedKeyError(repr((repeated or "")[:MAX_NAME_CHARACTERS_SHOWN]))
    return cells


def _number(written: str) -> float | RefusedCell:
    value = float(written)
    problem = value_problem(value)
    return RefusedCell(written, problem) if problem else value


def _records(parsed: object, source: str) -> list[object]:
    records = parsed.get("records") if isinstance(parsed, dict) else parsed
    if not isinstance(records, list):
        found = f"an object with the keys {examples(parsed)}" if isinstance(parsed, dict) else "no array"
        problem = f"its JSON is {found}; an array of objects, or one under `records`, is expected"
        raise FeedDocumentError(source, problem, MEND)
    return records


def _usable_rows(objects: Iterable[object], quarantine: Quarantine) -> Iterator[Row]:
    for number, cells in enumerate(objects, start=1):
        if not isinstance(cells, dict):
            quarantine.add(number, "the row is not an object", as_written(cells))
        elif not isinstance(cells.get(DATE_COLUMN), str) or not cells[DATE_COLUMN].strip():
            quarantine.add(number, f"the row has no text in {DATE_COLUMN}", as_written(cells))
        else:
            yield Row(number, cells)


def _bounded(rows: Iterable[Row], source: str) -> list[Row]:
    kept: list[Row] = []
    cells = 0
    for row in rows:
        cells += len(row.cells)
        if cells > MAX_CELLS:
            remedy = "Leave out columns, or have the URL ask for fewer days with {start} and {end}."
            raise FeedDocumentError(source, f"it has more than {MAX_CELLS:,} cells", remedy)
        kept.append(row)
    return kept


def _read_csv(text: str, source: str, quarantine: Quarantine) -> list[Row]:
    lines = _csv_lines(text, source)
    header = next(lines, [])
    if DATE_COLUMN not in header:
        raise _no_date_column(header, source)
    repeated = sorted(name for name, count in Counter(header).items() if count > 1)
    if repeated:
        raise FeedDocumentError(source, f"the column {examples(repeated)} stands twice in its header", MEND)
    return _bounded(_usable_csv_rows(header, lines, quarantine), source)


def _csv_lines(text: str, source: str) -> Iterator[list[str]]:
    # Its own limit, of the whole process, would refuse a document for one long cell; the document's limit holds.
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    try:
        yield from filter(None, csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise FeedDocumentError(source, f"it is not valid CSV: {error}", MEND) from error


def _usable_csv_rows(header: list[str], lines: Iterable[list[str]], quarantine: Quarantine) -> Iterator[Row]:
    date_at = header.index(DATE_COLUMN)
    for number, line in enumerate(lines, start=1):
        if len(line) != len(header):
            quarantine.add(number, f"the row has {len(line)} fields, its header {len(header)}", ",".join(line))
        elif not line[date_at].strip():
            quarantine.add(number, f"the row has no text in {DATE_COLUMN}", ",".join(line))
        else:
            cells: dict[str, object] = dict(zip(header, map(_cell, line), strict=True))
            cells[DATE_COLUMN] = line[date_at]
            yield Row(number, cells)


def _cell(written: str) -> object:
    """What a CSV field says, in the terms of JSON."""
    stripped = written.strip()
    if not stripped:
        return None
    return _number(stripped) if _NUMBER.fullmatch(stripped) else written


def _no_date_column(found: Iterable[str], source: str) -> FeedDocumentError:
    problem = f"it has no column {DATE_COLUMN!r}; found: {examples(found) or 'none'}"
    return FeedDocumentError(source, problem, f"Each row needs its day in a column named exactly {DATE_COLUMN!r}.")


def _storable(text: str) -> str:
    """The text with what UTF-8 and Postgres cannot hold (lone surrogates, NUL) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


def as_written(value: object) -> str:
    """A cell or row as a person finds it in the document, or nearly so."""
    if isinstance(value, str):
        return value
    if isinstance(value, RefusedCell):
        return value.raw
    try:
        return json.dumps(value, ensure_ascii=False, default=lambda refused: str(refused.raw))
    except RecursionError:
        return "(nested too deeply to show)"


def day_column(days: Iterable[date | None]) -> pd.Series:
    """Days as a frame has them."""
    return pd.Series(np.array(list(days), dtype="datetime64[D]").astype("datetime64[ns]"))
