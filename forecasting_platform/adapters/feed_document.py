"""The feed's document format: bytes in, the values of a `FeedDocument` out. Pure: no network, no clock.

A document is JSON (an array of objects, or `{"records": [...]}`) or CSV, in UTF-8: a `Date` and one
numeric column a series in each row. How days are read is in `feed_dates`; fetching is elsewhere.
"""

import csv
import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from forecasting_platform.adapters.feed_dates import DatedRow, DateFormat, read_days
from forecasting_platform.errors import FeedDocumentError, examples
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.limits import legal_name, series_name_problem, value_problem
from forecasting_platform.forecasting.refusals import Refusals, Refused, varied_examples
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.repetitions import first_repeated

DATE_COLUMN = "Date"
RAW_CHARACTERS_KEPT = 1000
MAX_NAME_CHARACTERS_SHOWN = 100

# Possessive: what is matched is never tried again in another way, which in a long cell would take the square of it.
_NUMBER = re.compile(r"[+-]?([0-9]++\.?[0-9]*+|\.[0-9]++)([eE][+-]?[0-9]++)?")
_MAX_CELL_CHARACTERS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Refused:
    """What stands where a number should, as written, and what is wrong with it."""

    raw: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Row:
    """A row whose date is text: its number in the document (from 1) and its cells by column."""

    number: int
    cells: Mapping[str, Any]


@dataclass(slots=True)
class _Quarantine:
    """Refused rows and values, in the order found."""

    refused: list[Refused] = field(default_factory=list)
    days: list[date | None] = field(default_factory=list)

    def add(self, row: int, reason: str, raw: str, unique_id: str | None = None, day: date | None = None) -> None:
        kept = _storable(raw[:RAW_CHARACTERS_KEPT])[:RAW_CHARACTERS_KEPT]
        self.refused.append(Refused(row, kept, reason, unique_id))
        self.days.append(day)

    def frame(self) -> pd.DataFrame:
        rows = [(each.unique_id, each.reason, each.raw) for each in self.refused]
        quarantined = pd.DataFrame(rows, columns=["unique_id", "reason", "raw"], dtype="object")
        quarantined.insert(1, "ds", _days(self.days))
        return quarantined


def parse_feed_document(
    content: bytes,
    *,
    content_type: str | None,
    source: str,
    fetched_at: datetime,
    date_format: DateFormat,
    period: DateRange,
    today: date,
    may_be_empty: bool = False,
) -> FeedDocument:
    """The document's values for the days of `period`.

    Every date of the document is read and judged; values are read only for the days of `period`.

    Args:
        content: the bytes after decompression.
        content_type: the header; without a telling one the first character decides.
        source: names the document in messages, without credentials.
        today: the last day that may have a value, inclusive; a row of a later day is quarantined
            without its day, whatever the period.
        may_be_empty: whether a document without rows is a result: of a feed that was asked for these
            days only, it says that they have no values; of a whole history, that something is wrong.

    Raises:
        FeedDocumentError: the document must not be used at all; the message says why and what to do.

    >>> from datetime import UTC
    >>> document = parse_feed_document(
    ...     b'[{"Date": "01/01/2018", "Corrib production": 102.065496}]',
    ...     content_type="application/json", source="feed", fetched_at=datetime(2018, 1, 2, tzinfo=UTC),
    ...     date_format=DateFormat.compile("dd/mm/yyyy"), today=date(2018, 1, 2),
    ...     period=DateRange(date(2018, 1, 1), date(2018, 1, 1)),
    ... )
    >>> document.observations
               unique_id         ds           y
    0  Corrib production 2018-01-01  102.065496
    """
    quarantine = _Quarantine()
    rows = _read_rows(content, content_type, source, quarantine)
    if not rows and not may_be_empty:
        raise FeedDocumentError(source, "it holds no rows", "Ask the publisher, or load again later.")
    names = _series_names(rows, source) if rows else []
    row_count = len(rows) + len(quarantine.refused)
    dated = _dated(rows, date_format, source, quarantine)
    _quarantine_future(dated, today, quarantine)
    refused_rows = len(quarantine.refused)
    wanted = [(day, row) for day, row in dated if day in period and day <= today]
    observations, unpublished = _read_values(wanted, names, quarantine)
    return FeedDocument(
        source=source,
        fetched_at=fetched_at,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        observations=observations,
        quarantined=quarantine.frame(),
        unpublished=unpublished,
        last_published=_last_published(dated, today),
        refusals=Refusals(
            rows=row_count,
            refused_rows=refused_rows,
            values=len(observations),
            refused_values=len(quarantine.refused) - refused_rows,
            unpublished=len(unpublished),
            published=DateRange(dated[0][0], dated[-1][0]) if dated else None,
            examples=varied_examples(quarantine.refused),
        ),
    )


# --- from bytes to rows ---


def _read_rows(content: bytes, content_type: str | None, source: str, quarantine: _Quarantine) -> list[_Row]:
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
        raise FeedDocumentError(source, problem, _MEND)
    return rows


def _decode(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FeedDocumentError(source, f"it is not UTF-8 text: {error.reason} at byte {error.start}", _MEND) from error


def is_json(text: str, content_type: str | None) -> bool:
    """Whether a document is read as JSON; as CSV otherwise. `text` has no white space before it."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type.endswith("json") or (not media_type.endswith("csv") and text.startswith(("[", "{")))


_MEND = "The feed must be JSON (an array of objects) or CSV in UTF-8; have the publisher mend it, or change the URL."


def _read_json(text: str, source: str, quarantine: _Quarantine) -> list[_Row]:
    objects = _records(_parse_json(text, source), source)
    if objects and not any(isinstance(cells, dict) and DATE_COLUMN in cells for cells in objects):
        raise _no_date_column(objects[0] if isinstance(objects[0], dict) else [], source)
    return list(_usable_rows(objects, quarantine))


def _parse_json(text: str, source: str) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=_object_without_repeats,
            parse_float=_number,
            parse_int=_number,
            parse_constant=lambda written: _Refused(written, "not a number"),
        )
    except _RepeatedKeyError as error:
        raise FeedDocumentError(source, f"the key {error} stands twice in one object", _MEND) from error
    except json.JSONDecodeError as error:
        problem = f"it is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise FeedDocumentError(source, problem, _MEND) from error
    except RecursionError as error:
        raise FeedDocumentError(source, "its JSON is nested too deeply", _MEND) from error


class _RepeatedKeyError(ValueError):
    """A key stands twice in a JSON object; JSON readers silently keep one of the values."""


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    cells = dict(pairs)
    if len(cells) < len(pairs):
        repeated = first_repeated(key for key, _ in pairs)
        raise _RepeatedKeyError(repr((repeated or "")[:MAX_NAME_CHARACTERS_SHOWN]))
    return cells


def _number(written: str) -> float | _Refused:
    value = float(written)
    problem = value_problem(value)
    return _Refused(written, problem) if problem else value


def _records(parsed: object, source: str) -> list[object]:
    records = parsed.get("records") if isinstance(parsed, dict) else parsed
    if not isinstance(records, list):
        found = f"an object with the keys {examples(parsed)}" if isinstance(parsed, dict) else "no array"
        problem = f"its JSON is {found}; an array of objects, or one under `records`, is expected"
        raise FeedDocumentError(source, problem, _MEND)
    return records


def _usable_rows(objects: Iterable[object], quarantine: _Quarantine) -> Iterator[_Row]:
    for number, cells in enumerate(objects, start=1):
        if not isinstance(cells, dict):
            quarantine.add(number, "the row is not an object", _as_written(cells))
        elif not isinstance(cells.get(DATE_COLUMN), str) or not cells[DATE_COLUMN].strip():
            quarantine.add(number, f"the row has no text in {DATE_COLUMN}", _as_written(cells))
        else:
            yield _Row(number, cells)


def _read_csv(text: str, source: str, quarantine: _Quarantine) -> list[_Row]:
    lines = _csv_lines(text, source)
    header = next(lines, [])
    if DATE_COLUMN not in header:
        raise _no_date_column(header, source)
    repeated = sorted(name for name, count in Counter(header).items() if count > 1)
    if repeated:
        raise FeedDocumentError(source, f"the column {examples(repeated)} stands twice in its header", _MEND)
    return list(_usable_csv_rows(header, lines, quarantine))


def _csv_lines(text: str, source: str) -> Iterator[list[str]]:
    # Its own limit, of the whole process, would refuse a document for one long cell; the document's limit holds.
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    try:
        yield from filter(None, csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise FeedDocumentError(source, f"it is not valid CSV: {error}", _MEND) from error


def _usable_csv_rows(header: list[str], lines: Iterable[list[str]], quarantine: _Quarantine) -> Iterator[_Row]:
    date_at = header.index(DATE_COLUMN)
    for number, line in enumerate(lines, start=1):
        if len(line) != len(header):
            quarantine.add(number, f"the row has {len(line)} fields, its header {len(header)}", ",".join(line))
        elif not line[date_at].strip():
            quarantine.add(number, f"the row has no text in {DATE_COLUMN}", ",".join(line))
        else:
            cells: dict[str, object] = dict(zip(header, map(_cell, line), strict=True))
            cells[DATE_COLUMN] = line[date_at]
            yield _Row(number, cells)


def _cell(written: str) -> object:
    """What a CSV field says, in the terms of JSON."""
    stripped = written.strip()
    if not stripped:
        return None
    return _number(stripped) if _NUMBER.fullmatch(stripped) else written


def _no_date_column(found: Iterable[str], source: str) -> FeedDocumentError:
    problem = f"it has no column {DATE_COLUMN!r}; found: {examples(found) or 'none'}"
    return FeedDocumentError(source, problem, f"Each row needs its day in a column named exactly {DATE_COLUMN!r}.")


# --- from rows to values ---


def _series_names(rows: Sequence[_Row], source: str) -> list[str]:
    """The columns of all rows but the date's, sorted: a new column is a new series."""
    names = sorted({name for row in rows for name in row.cells} - {DATE_COLUMN})
    if not names:
        raise FeedDocumentError(source, f"it has no series: no column beside {DATE_COLUMN!r}", _MEND)
    return names


def _storable(text: str) -> str:
    """The text with what UTF-8 and Postgres cannot hold (lone surrogates, NUL) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


def _as_written(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=lambda refused: str(refused.raw))
    except RecursionError:
        return "(nested too deeply to show)"


def _dated(
    rows: Sequence[_Row], date_format: DateFormat, source: str, quarantine: _Quarantine
) -> list[tuple[date, _Row]]:
    """The rows that have a day, ordered by it; one whose text is no day is quarantined."""
    days = read_days([DatedRow(row.number, row.cells[DATE_COLUMN]) for row in rows], date_format, source)
    dated: list[tuple[date, _Row]] = []
    for day, row in zip(days, rows, strict=True):
        if day is None:
            reason = f"its date names no day, read as {date_format.declared}"
            quarantine.add(row.number, reason, _as_written(dict(row.cells)))
        else:
            dated.append((day, row))
    return sorted(dated, key=lambda pair: pair[0])


def _quarantine_future(dated: Iterable[tuple[date, _Row]], today: date, quarantine: _Quarantine) -> None:
    for day, row in dated:
        if day > today:
            quarantine.add(row.number, "a day in the future", _as_written(dict(row.cells)))


def _last_published(dated: Sequence[tuple[date, _Row]], today: date) -> date | None:
    published = (day for day, row in reversed(dated) if day <= today and _has_value(row))
    return next(published, None)


def _has_value(row: _Row) -> bool:
    return any(isinstance(cell, float) for cell in row.cells.values())


def _read_values(
    wanted: Sequence[tuple[date, _Row]], names: Sequence[str], quarantine: _Quarantine
) -> tuple[pd.DataFrame, tuple[tuple[str, date], ...]]:
    """`unique_id`, `ds`, `y` ordered by key, and the values announced but not known. `wanted` is ordered by day."""
    ids: list[str] = []
    days: list[date] = []
    values: list[float] = []
    numbers: list[int] = []
    unknown: dict[tuple[str, date], None] = {}
    by_name = _cells_by_name(wanted)
    for name in names:
        problem, shown = series_name_problem(name), legal_name(name)
        for day, number, cell in by_name.get(name, ()):
            if problem:
                _quarantine_unnamed(cell, number, problem, shown, day, quarantine)
            elif type(cell) is float:
                ids.append(name)
                days.append(day)
                values.append(cell)
                numbers.append(number)
            elif _is_unpublished(cell):
                unknown[name, day] = None
            else:
                _quarantine_value(cell, number, name, day, quarantine)
    published = pd.DataFrame(
        {
            "unique_id": pd.Series(ids, dtype="object"),
            "ds": _days(days),
            "y": pd.Series(values, dtype="float64"),
            "row": pd.Series(numbers, dtype="int64"),
        }
    )
    known = set(zip(ids, days, strict=True)) if unknown else set()
    return _one_value_a_day(published, quarantine), tuple(key for key in unknown if key not in known)


def _cells_by_name(wanted: Iterable[tuple[date, _Row]]) -> dict[str, list[tuple[date, int, Any]]]:
    """The cells there are of each column, with day and row: rows of JSON may each have columns of their own."""
    by_name: dict[str, list[tuple[date, int, Any]]] = defaultdict(list)
    for day, row in wanted:
        for name, cell in row.cells.items():
            by_name[name].append((day, row.number, cell))
    return by_name


def _days(days: Iterable[date | None]) -> pd.Series:
    return pd.Series(np.array(list(days), dtype="datetime64[D]").astype("datetime64[ns]"))


def _is_unpublished(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _quarantine_value(cell: object, number: int, name: str, day: date, quarantine: _Quarantine) -> None:
    if isinstance(cell, _Refused):
        quarantine.add(number, cell.reason, cell.raw, name, day)
    else:
        quarantine.add(number, "not a number", _as_written(cell), name, day)


def _quarantine_unnamed(
    cell: object, number: int, problem: str, shown: str, day: date, quarantine: _Quarantine
) -> None:
    """A value whose column cannot name a series; an empty cell of one is nothing."""
    if not _is_unpublished(cell):
        raw = cell.raw if isinstance(cell, _Refused) else _as_written(cell)
        quarantine.add(number, problem, raw, shown, day)


def _one_value_a_day(published: pd.DataFrame, quarantine: _Quarantine) -> pd.DataFrame:
    """Without repeats: equal ones are one, differing ones are all refused, since none can be trusted."""
    key = ["unique_id", "ds"]
    distinct = published.drop_duplicates([*key, "y"])
    differs = distinct.duplicated(key, keep=False)
    conflicts = distinct[differs].groupby(key, as_index=False).agg(rows=("row", list), values=("y", list))
    names, days = conflicts["unique_id"], conflicts["ds"].dt.date
    for name, day, numbers, values in zip(names, days, conflicts["rows"], conflicts["values"], strict=True):
        reason = f"different values for one day: {examples(values)}"
        for number, value in zip(numbers, values, strict=True):
            quarantine.add(number, reason, repr(value), name, day)
    return distinct.loc[~differs, [*key, "y"]].reset_index(drop=True)
