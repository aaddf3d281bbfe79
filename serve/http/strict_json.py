"""Parses a request's JSON strictly. What the fields mean is in `schemas`.

Every limit is checked before the work that it limits: bytes before they are read, values before they are parsed.
"""

import json
from typing import Any

import orjson
from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnprocessableEntity, UnsupportedMediaType

from forecasting_platform.repetitions import first_repeated

MAX_RANGE_BYTES = 1024 * 1024
MAX_INPUTS_BYTES = 16 * 1024 * 1024
MAX_VALUES = 500_000
"""Values in one body: an empty object of three bytes takes seventy once it is parsed."""
INPUTS_PATH = "/predict"
"""The only path whose body may hold input rows, and may therefore be larger."""


class StrictRequest(Request):
    """A request whose JSON is an object in UTF-8 without repeated fields, or an error that says so."""

    max_content_length = MAX_INPUTS_BYTES

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body's object.

        `silent` is ignored: flask-openapi3 sets it, and would take a malformed body for an absent one.

        Raises:
            UnsupportedMediaType, BadRequest, UnprocessableEntity, RequestEntityTooLarge: as HTTP says.
        """
        if not self.is_json:
            raise UnsupportedMediaType("send the body as Content-Type: application/json")
        if self.path != INPUTS_PATH:
            self.max_content_length = MAX_RANGE_BYTES
        content = self.get_data(cache=cache)
        if len(content) > MAX_RANGE_BYTES and b'"inputs"' not in content:
            raise RequestEntityTooLarge(f"the body has {len(content)} bytes; at most {MAX_RANGE_BYTES} are read")
        return parse_object(content)


def parse_object(content: bytes) -> dict[str, Any]:
    """The JSON object in `content`.

    Raises:
        RequestEntityTooLarge: it holds more than `MAX_VALUES`.
        BadRequest: it is no JSON, or a field is repeated.
        UnprocessableEntity: it is JSON but no object.

    >>> parse_object(b'{"start": "2023-07-01"}')
    {'start': '2023-07-01'}
    """
    # Each value follows a comma or the opening of its list or object, so there are at most this many.
    if sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise RequestEntityTooLarge(f"the body holds more than {MAX_VALUES} values; send fewer rows at once")
    try:
        document = _parse(content)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is no valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise UnprocessableEntity("the body must be a JSON object with `start` and `end`, or with `inputs`")
    return document


def _parse(content: bytes) -> Any:
    # orjson refuses what the standard library lets through: NaN, lone surrogates, other encodings.
    document = orjson.loads(content)
    # Each field has its own colon: with as many fields as colons, none is given twice.
    if isinstance(document, dict) and len(document) == content.count(b":"):
        return document
    # Never two parsed copies in memory.
    del document
    return json.loads(content, object_pairs_hook=_refuse_repeated)


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        repeated = first_repeated(name for name, _ in pairs) or ""
        raise ValueError(f"the field {repeated[:100]!r} is given twice")
    return fields
