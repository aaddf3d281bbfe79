"""Finds the rows in a JSON document. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from forecasting_platform.adapters.feeds.documents.oriented_rows import oriented_rows
from forecasting_platform.adapters.feeds.inspection.day_formats import formats_of, looks_like_day
from forecasting_platform.adapters.feeds.inspection.notes import Doubt, Found, NoLayoutError, quoted
from forecasting_platform.errors import FeedDocumentError, examples, shortened

_ERRORS = ("error", "errors", "message", "detail")
_MAX_DEPTH = 6
_MAX_KEYS = 100
"""Of an object, looked into for rows: a document by day has thousands."""
_LAST_PAGES = ("last_page", "lastPage", "total_pages", "totalPages", "pages", "page_count", "pageCount")
_NEXT_PAGES = ("next", "next_page_url", "nextPage", "next_page", "nextLink", "@odata.nextLink")
_NUMBER = re.compile(r"[+-]?[\d.,' \u00a0\u202f]*\d")


@dataclass(frozen=True, slots=True)
class Records:
    """Where the rows are.

    Attributes:
        expression: in JMESPath; None where a reader finds them by itself.
        orient: how they stand there, as the description has it.
        error: the key under which the document may say that it is an error.
        native: whether its numbers are numbers, and not texts.
    """

    expression: str | None
    orient: str
    error: str | None
    native: bool
    found: tuple[Found, ...]
    doubts: tuple[Doubt, ...]


def find_records(text: str, source: str) -> Records:
    """The rows of a JSON document.

    Raises:
        NoLayoutError: it is no JSON, an error, or holds no array of rows.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoLayoutError(source, f"it is not valid JSON: {error}", "Have the publisher mend it.") from error
    told = next((key for key in _ERRORS if isinstance(document, dict) and key in document), None)
    arrays = [(path, rows) for path, rows in _arrays(document, "") if _are_rows(rows)]
    path, rows = max(arrays, key=lambda found: (_has_days(found[1][0]), len(found[1])), default=("", []))
    if not (rows and _has_days(rows[0])) and (oriented := _oriented(document)) is not None:
        return replace(oriented, error=told)
    if not rows:
        raise _no_rows(document, source)
    others = [f"{other or 'the top'!r}" for other, found in arrays if other != path and len(found) == len(rows) > 1]
    first = rows[0]
    expression: str | None = path
    doubts = _doubts_of_pages(document)
    if others:
        doubts.append(Doubt("records", f"as many rows are at {', '.join(others)}: each can be a feed of its own"))
    if isinstance(first, list):
        fields = ", ".join(f"field{place + 1}: [{place}]" for place in range(len(first)))
        expression = f"{path or '@'}[*].{{{fields}}}"
        doubts.append(Doubt("records", "the rows are arrays without names: their fields are called field1, field2, …"))
    elif isinstance(first, dict) and any(isinstance(value, dict) for value in first.values()):
        fields = ", ".join(f"{_key(name)}: {place}" for name, place in _fields(first).items())
        expression = f"{path or '@'}[*].{{{fields}}}"
    elif path in {"", "records"}:
        expression = None
    found = Found("rows", f"{len(rows):,} at {expression or path or 'the top'}")
    return Records(expression, "records", told, _is_native(rows), (found,), tuple(doubts))


def _is_native(rows: Sequence[object]) -> bool:
    return not any(isinstance(cell, str) and _NUMBER.fullmatch(cell) for row in rows[:200] for cell in _cells(row))


def _oriented(document: object) -> Records | None:
    """The rows of a document that holds them by column or by day, of several places the largest; None of another."""
    found: list[tuple[int, str, str, bool]] = []
    for path, inside in _objects(document, ""):
        for orient in ("list", "index", "columns"):
            rows = _rows_of(inside, orient)
            if len(rows) > 1 and _is_day_and_values(rows[0]):
                found.append((len(rows), path, orient, _is_native(rows)))
                break
    if not found:
        return None
    count, path, orient, native = max(found, key=lambda each: each[0])
    shown = Found("rows", f"{count:,} at {path or 'the top'}, {_SHAPES[orient]}")
    return Records(path or None, orient, None, native, (shown,), tuple(_doubts_of_pages(document)))


def _is_day_and_values(row: Mapping[str, object]) -> bool:
    return len(row) > 1 and _has_days(row) and not any(isinstance(cell, dict | list) for cell in row.values())


def _rows_of(inside: Mapping[str, object], orient: str) -> list[dict[str, object]]:
    """The rows in an object; none where it does not hold them in this way."""
    of_days = [value for value in inside.values() if isinstance(value, dict)]
    is_by_day = len(inside) > 1 and all(map(looks_like_day, inside))
    are_by_day = bool(of_days) and all(column and all(map(looks_like_day, column)) for column in of_days)
    if (orient == "index" and not is_by_day) or (orient == "columns" and (is_by_day or not are_by_day)):
        return []
    try:
        return oriented_rows(inside, orient, _KEY, "")
    except FeedDocumentError:
        return []


_KEY = "\x00"
_SHAPES = {"list": "a list a column", "index": "a row a day, by the day", "columns": "an object a column, by the day"}


def _cells(row: object) -> list[object]:
    if isinstance(row, dict):
        return list(row.values())
    return row if isinstance(row, list) else []


def _doubts_of_pages(document: object) -> list[Doubt]:
    """What an answer says about further pages."""
    given = document if isinstance(document, dict) else {}
    for key in _LAST_PAGES:
        if isinstance(given.get(key), int) and given[key] > 1:
            why = f"the answer says that there are {given[key]} pages ({key!r}): declare them, or only one is loaded"
            return [Doubt("source.pages", f"{why}, with parameter: page and last: {_key(key)}")]
    for key in _NEXT_PAGES:
        if isinstance(given.get(key), str) and given[key]:
            return [Doubt("source.pages", f"the answer names its next page ({key!r}): declare next: {_key(key)}")]
    return []


def is_json_lines(text: str) -> bool:
    """Whether a text is one JSON object a line."""
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    try:
        return len(lines) > 1 and all(isinstance(json.loads(line), dict) for line in lines[:10])
    except (ValueError, RecursionError):
        return False


def _arrays(value: object, path: str, depth: int = 0) -> Iterator[tuple[str, list[object]]]:
    if isinstance(value, list):
        yield path, value
    elif isinstance(value, dict) and depth < _MAX_DEPTH:
        for key, inside in value.items():
            yield from _arrays(inside, f"{path}.{_key(key)}" if path else _key(key), depth + 1)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else json.dumps(name, ensure_ascii=False)


def _are_rows(rows: list[object]) -> bool:
    if all(isinstance(row, dict) and row for row in rows[:50]):
        return bool(rows)
    return all(isinstance(row, list) and len(row) > 1 for row in rows) and len({len(_cells(row)) for row in rows}) == 1


def _has_days(row: object) -> bool:
    return any(formats_of(str(cell)) for cell in _cells(row))


def _fields(row: Mapping[str, object], name: str = "", place: str = "", depth: int = 0) -> dict[str, str]:
    """The places of the texts and numbers of a row, at any level, by the names that they get."""
    found: dict[str, str] = {}
    for key, value in row.items():
        inner_name, inner_place = f"{name}.{key}" if name else key, f"{place}.{_key(key)}" if place else _key(key)
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            found |= _fields(value, inner_name, inner_place, depth + 1)
        elif not isinstance(value, dict | list):
            found[inner_name] = inner_place
    return found


def _objects(value: object, path: str, depth: int = 0) -> Iterator[tuple[str, Mapping[str, object]]]:
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        yield path, value
        for key, inside in list(value.items())[:_MAX_KEYS]:
            yield from _objects(inside, f"{path}.{_key(key)}" if path else _key(key), depth + 1)


def _no_rows(document: object, source: str) -> NoLayoutError:
    if isinstance(document, dict):
        told = {key: document[key] for key in _ERRORS if document.get(key)}
        if told:
            shown = "; ".join(value if isinstance(value, str) else json.dumps(value) for value in told.values())
            return NoLayoutError(source, f"the answer is an error: {shortened(shown)!r}", "Ask the source as it wants.")
        columns = {path: len(rows) for path, rows in _arrays(document, "")}
        if len(columns) > 1 and any(columns.values()):
            lengths = [f"{path}: {length:,}" for path, length in columns.items()]
            problem = f"its JSON has lists that are no columns of one table ({quoted(lengths)}), and no list of rows"
            return NoLayoutError(source, problem, "Ask the source for CSV, or for rows.")
        keys = f"an object with the keys {examples(document)}" if document else "an empty object"
        problem = f"its JSON is {keys}, without rows"
        return NoLayoutError(source, problem, "Ask the source for a list of objects, one a day.")
    return NoLayoutError(
        source, "its JSON holds no list of objects", "Ask the source for a list of objects, one a day."
    )
