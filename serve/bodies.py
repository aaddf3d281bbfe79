"""Reading a request's JSON strictly. What the fields mean is in `schemas`."""

import json
from typing import Any

import orjson
from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnprocessableEntity, UnsupportedMediaType

LARGEST_RANGE_BODY = 1024 * 1024
LARGEST_INPUTS_BODY = 32 * 1024 * 1024


class StrictRequest(Request):
    """A request whose JSON is an object in UTF-8 without repeated fields, or an error that says so."""

    max_content_length = LARGEST_INPUTS_BODY

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body's object.

        flask-openapi3 asks silently and would take a malformed body for an absent one, so `silent` is
        not obeyed.

        Raises:
            UnsupportedMediaType, BadRequest, UnprocessableEntity, RequestEntityTooLarge: as HTTP says.
        """
        if not self.is_json:
            raise UnsupportedMediaType("send the body as Content-Type: application/json")
        content = self.get_data(cache=cache)
        document = parse_object(content)
        if len(content) > LARGEST_RANGE_BODY and "inputs" not in document:
            raise RequestEntityTooLarge(f"the body has {len(content)} bytes; at most {LARGEST_RANGE_BODY} are read")
        return document


def parse_object(content: bytes) -> dict[str, Any]:
    """The JSON object in `content`.

    Raises:
        BadRequest: it is no JSON, or a field is repeated.
        UnprocessableEntity: it is JSON but no object.

    >>> parse_object(b'{"start": "2023-07-01"}')
    {'start': '2023-07-01'}
    """
    try:
        # orjson refuses what the standard library lets through: NaN, lone surrogates, other encodings.
        document = orjson.loads(content)
        # Each field has a colon of its own: as many of both, and none is given twice.
        if not isinstance(document, dict) or len(document) != content.count(b":"):
            json.loads(content, object_pairs_hook=_refuse_repeated_fields)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is no valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise UnprocessableEntity("the body must be a JSON object with `start` and `end`, or with `inputs`")
    return document


def _refuse_repeated_fields(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {repeated[:100]!r} is given twice")
