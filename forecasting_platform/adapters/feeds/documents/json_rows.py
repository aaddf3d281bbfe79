"""Reads JSON, and JSON with one object a line, as a table. A number keeps the digits it is written with."""

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jmespath
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jmespath.exceptions import JMESPathError

from forecasting_platform.adapters.feeds.documents.oriented_rows import oriented_rows
from forecasting_platform.adapters.feeds.documents.quarantine import MEND, Quarantine
from forecasting_platform.adapters.feeds.documents.text_table import TextTable, refuse_beyond_limit, text_array
from forecasting_platform.errors import FeedDocumentError, examples, shortened
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.repetitions import first_repeated

MAX_NAME_CHARACTERS_SHOWN = 100
_SAYS_ERROR = ("error", "errors", "message")


_WANTED = {
    "records": "an array of objects",
    "list": "an object with a list a column (orient: list)",
    "index": "an object with a row a day (orient: index)",
    "columns": "an object with a column each, by day (orient: columns)",
}


def read_json(text: str, description: FeedDescription, source: str, quarantine: Quarantine) -> TextTable:
    """The objects of a document; what else stands among them is quarantined.

    Raises:
        FeedDocumentError: it is no JSON, an error, or there is no array where the rows should be.
    """
    parse = _parser(description)
    try:
        document = parse(text)
    except ValueError as error:
        raise FeedDocumentError(source, f"it is not valid JSON: {_where(error)}", MEND) from error
    except RecursionError as error:
        raise FeedDocumentError(source, "its JSON is nested too deeply", MEND) from error
    records = records_of(document, description, source)
    return _table(list(enumerate(records, start=1)), source, quarantine)


def read_json_lines(text: str, description: FeedDescription, source: str, quarantine: Quarantine) -> TextTable:
    """The objects of the lines, or what the description's `records` makes of them; a line that is none is quarantined.

    Raises:
        FeedDocumentError: `records` makes no array of the lines.
    """
    parse = _parser(description)
    found: list[tuple[int, object]] = []
    for number, line in enumerate(filter(str.strip, text.splitlines()), start=1):
        try:
            found.append((number, parse(line)))
        except (ValueError, RecursionError) as error:
            quarantine.add(number, f"the line is not valid JSON: {_where(error)}", line)
    if description.records is None:
        return _table(found, source, quarantine)
    records = records_of([line for _, line in found], description, source)
    # Where each line became one row, a row keeps the number of its line.
    numbers = [number for number, _ in found] if len(records) == len(found) else range(1, len(records) + 1)
    return _table(zip(numbers, records, strict=True), source, quarantine)


def _parser(description: FeedDescription) -> Callable[[str], Any]:
    mark = description.dialect.decimal_char
    written = _Number if mark == "." else lambda number: _Number(number.replace(".", mark))

    def parse(text: str) -> Any:
        return json.loads(
            text,
            object_pairs_hook=_object_without_repeats,
            parse_float=written,
            parse_int=written,
            parse_constant=str,
        )

    return parse


class _Number(str):
    """A number of JSON, as written."""

    __slots__ = ()


def _where(error: BaseException) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return str(error)


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # JSON readers silently keep one of the values.
    cells = dict(pairs)
    if len(cells) < len(pairs):
        repeated = first_repeated(key for key, _ in pairs) or ""
        raise ValueError(f"the key {repeated[:MAX_NAME_CHARACTERS_SHOWN]!r} occurs twice in one object")
    return cells


def records_of(document: object, description: FeedDescription, source: str) -> Sequence[object]:
    """The records of a parsed document.

    Raises:
        FeedDocumentError: it says that it is an error, or there is no array where the records should be.
    """
    expression = description.records
    if description.error and (told := found_at(description.error, document, source)):
        raise _is_error(told, source)
    if expression is None and description.orient != "records":
        records = document
    elif expression is None:
        records = document.get("records") if isinstance(document, dict) else document
    else:
        records = found_at(expression, document, source)
    told = (
        next((document[key] for key in _SAYS_ERROR if document.get(key)), None) if isinstance(document, dict) else None
    )
    if told and not records:
        raise _is_error(told, source)
    if description.orient != "records" and isinstance(records, dict):
        return oriented_rows(records, description.orient, description.day.column[0], source)
    if not isinstance(records, list) or description.orient != "records":
        found = f"an object with the keys {examples(document)}" if isinstance(document, dict) else "no object"
        wanted = _WANTED[description.orient] + (f" is expected at {expression!r}" if expression else " is expected")
        raise FeedDocumentError(source, f"its JSON is {found}; {wanted}", MEND)
    return records


def found_at(expression: str, document: object, source: str) -> Any:
    """What stands in a document at a JMESPath expression; None where nothing does.

    Raises:
        FeedDocumentError: a function in the expression cannot take what it finds, or is none.
    """
    try:
        return jmespath.search(expression, document)
    except JMESPathError as error:
        problem = f"the expression {expression!r} cannot be applied to it: {str(error).splitlines()[0]}"
        raise FeedDocumentError(source, shortened(problem), MEND) from error


def _is_error(told: object, source: str) -> FeedDocumentError:
    text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
    return FeedDocumentError(
        source,
        f"the source answered with an error: {shortened(text)}",
        "Check the URL, its parameters and the key that it is asked with.",
    )


def _table(records: Iterable[tuple[int, object]], source: str, quarantine: Quarantine) -> TextTable:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, record in records:
        if not isinstance(record, dict):
            quarantine.add(number, "the row is not an object", _text(record) or "null")
            continue
        rows.append(record)
        numbers.append(number)
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    refuse_beyond_limit(len(names) * len(rows), source)
    return TextTable({name: _column(rows, name) for name in names}, np.array(numbers, dtype=np.int64))


def _column(rows: Sequence[dict[str, Any]], name: str) -> pa.Array:
    try:
        return pc.fill_null(pa.array([row[name] for row in rows], pa.string()), "")
    except (KeyError, pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        # Not every row has it, or not every cell is text or a number.
        return text_array([_text(row[name]) if name in row else None for row in rows])


def _text(cell: object) -> str:
    """A cell as text; null is a cell without a value."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    try:
        return json.dumps(_with_numbers(cell), ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply to show)"


def _with_numbers(cell: object) -> object:
    """What is nested in a cell, its numbers as numbers."""
    if isinstance(cell, dict):
        return {name: _with_numbers(inner) for name, inner in cell.items()}
    if isinstance(cell, list):
        return [_with_numbers(inner) for inner in cell]
    return float(cell.replace(",", ".")) if isinstance(cell, _Number) else cell
