"""Answers every error as `application/problem+json` (RFC 9457), without anything internal."""

import logging
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, NotFound, TooManyRequests

from forecasting_platform.errors import (
    ConfigurationError,
    ForecastingPlatformError,
    InvalidRangeError,
    NoChampionError,
    RegistryUnavailableError,
    StoreUnavailableError,
    UnavailableError,
    UnknownAlertError,
    UnknownSeriesError,
)
from forecasting_platform.forecasting.series.features.inputs import InvalidInputsError
from serve.http.middleware import REQUEST_ID

MAX_ERRORS_SHOWN = 20
RETRY_AFTER_SECONDS = 5
MAX_CHARACTERS_SHOWN = 200
"""Longest part of a path that an answer repeats."""
PROBLEM_JSON = "application/problem+json"

KINDS: dict[type[ForecastingPlatformError], tuple[HTTPStatus, str]] = {
    UnknownSeriesError: (HTTPStatus.NOT_FOUND, "unknown-series"),
    UnknownAlertError: (HTTPStatus.NOT_FOUND, "unknown-alert"),
    InvalidRangeError: (HTTPStatus.UNPROCESSABLE_ENTITY, "impossible-range"),
    InvalidInputsError: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-inputs"),
    NoChampionError: (HTTPStatus.SERVICE_UNAVAILABLE, "no-champion"),
    UnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "part-unavailable"),
    ConfigurationError: (HTTPStatus.SERVICE_UNAVAILABLE, "not-configured"),
}

PARTS: dict[type[UnavailableError], str] = {
    StoreUnavailableError: "the table store",
    RegistryUnavailableError: "the model registry",
}
"""Names of parts for clients; the error itself names a host."""

_log = logging.getLogger("serve.errors")


def problem(
    status: int, detail: str, *, kind: str | None = None, errors: list[dict[str, str]] | None = None
) -> Response:
    """The answer of an error.

    Args:
        kind: names the error for programs; without it only the status does (`about:blank`).
        errors: each invalid field with its message.
    """
    document: dict[str, Any] = {
        "type": f"urn:forecasting-platform:{kind}" if kind else "about:blank",
        "title": kind.replace("-", " ").capitalize() if kind else HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "instance": request.path[:MAX_CHARACTERS_SHOWN],
    }
    answer = Response(orjson.dumps(document | ({"errors": errors} if errors else {})), status, mimetype=PROBLEM_JSON)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def invalid_fields(error: ValidationError) -> Response:
    """422 that names each field refused, at most `MAX_ERRORS_SHOWN` of them.

    Pydantic writes them all first; the limits in `schemas` keep them few.
    """
    found = [
        {"field": _field(item["loc"]), "message": _message(item["type"], item["msg"])}
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    detail = f"{found[0]['field']}: {found[0]['message']}{more}"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, kind="invalid-request", errors=found[:MAX_ERRORS_SHOWN])


def _field(location: tuple[int | str, ...]) -> str:
    # The first part of a /predict body's location is the kind of body, which the client never wrote.
    parts = location[1:] if location[:1] in {("range",), ("inputs",)} and len(location) > 1 else location
    return ".".join(str(part)[:100] for part in parts) or "body"


def _message(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such field"
    return message.removeprefix("Value error, ")


def _answer_http_error(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error
    answer = problem(error.code, _detail(error))
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            answer.headers[name] = value
    return answer


def _detail(error: HTTPException) -> str:
    if isinstance(error, NotFound):
        return f"there is no endpoint {request.path[:MAX_CHARACTERS_SHOWN]}; /openapi.json lists them"
    if isinstance(error, TooManyRequests):
        return f"more requests than {error.description} came from this address; wait, then try again"
    return error.description or HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR).phrase


def _answer_platform_error(error: ForecastingPlatformError) -> Response:
    for family, (status, kind) in KINDS.items():
        if isinstance(error, family):
            _log.info("refused", extra={"request_id": request.environ[REQUEST_ID], "kind": kind, "reason": str(error)})
            return problem(status, _public_detail(error), kind=kind)
    return _answer_unexpected_error(error)


def _public_detail(error: ForecastingPlatformError) -> str:
    """The message for a client, without host, path or driver's text, which are in the log."""
    if isinstance(error, UnavailableError):
        part = next((name for family, name in PARTS.items() if isinstance(error, family)), "a part of the platform")
        return f"{part} does not answer; try again later"
    if isinstance(error, ConfigurationError):
        details = f"its log has the details under request {request.environ[REQUEST_ID]}"
        return f"the app is not configured for this; its operator should check {error.setting}; {details}"
    return str(error)


def _answer_unexpected_error(error: Exception) -> Response:
    _log.error(
        "failed",
        exc_info=error,
        extra={"request_id": request.environ[REQUEST_ID], "path": request.path[:MAX_CHARACTERS_SHOWN]},
    )
    detail = f"the app failed to answer; its log has the reason under request {request.environ[REQUEST_ID]}"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def register_problems(app: Flask) -> None:
    """Answer every error of `app` as a problem."""
    handlers: dict[type[Exception], Any] = {
        HTTPException: _answer_http_error,
        ForecastingPlatformError: _answer_platform_error,
        Exception: _answer_unexpected_error,
    }
    for error, handler in handlers.items():
        app.register_error_handler(error, handler)
