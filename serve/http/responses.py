"""Responses with forecasts and input rows: JSON or CSV, whole or streamed, with the headers that allow caching."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import orjson
from flask import Response, request
from werkzeug.datastructures import Headers

from forecasting_platform.forecasting.models.trained.forecasts import Forecasts
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.history import HISTORY, history_columns
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from serve.forecasts.champion import Champion
from serve.forecasts.precomputed import RenderedForecasts
from serve.forecasts.rendering import (
    MARKS,
    PIECE_ROWS,
    Columns,
    Record,
    checksum,
    csv_pieces,
    forecast_records,
    json_document,
    json_pieces,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON, CSV = "application/json", "text/csv"
VERSION_HEADER = "X-Model-Version"


def wants_csv() -> bool:
    """Whether the client prefers CSV to JSON."""
    # In two steps, since parsing the header takes longer than anything else here.
    return CSV in request.environ.get("HTTP_ACCEPT", "") and request.accept_mimetypes.best_match([JSON, CSV]) == CSV


def name_of(champion: Champion) -> Record:
    """The field `model` of an answer: the version it came from."""
    version = champion.version
    return {"name": version.name, "version": version.version, "cutoff": version.cutoff, "run_id": version.run_id}


def precomputed_answer(
    champion: Champion, period: DateRange, rendered: Sequence[RenderedForecasts], left_out: Sequence[Record]
) -> Response:
    """The precomputed forecasts of a range, or 304 where the client has them.

    Args:
        left_out: the series that an answer for all does not hold.
    """
    # Of the checksums, not of the rows: over many bytes `hashlib` would give the interpreter to other threads.
    named = (champion.version.version, period, [part.checksum for part in rendered], left_out)

    def body() -> bytes:
        rows = [part.text for part in rendered]
        return json_document({"model": name_of(champion)} | _left_out(left_out), "forecasts", rows)

    return _with_etag(champion, checksum(repr(named).encode()), body, JSON)


def _left_out(left_out: Sequence[Record]) -> Record:
    return {"left_out": left_out} if left_out else {}


def computed_answer(champion: Champion, forecasts: Forecasts, more: Columns, left_out: Sequence[Record]) -> Response:
    """Forecasts as the client wants them; streamed when large.

    Args:
        more: further columns, one value a forecast.
        left_out: the series that an answer for all does not hold; CSV does not name them.
    """
    head = {"model": name_of(champion)} | _left_out(left_out)
    return _answer(champion, head, "forecasts", _render_records(champion, forecasts, more), len(forecasts.ds), MARKS)


def _render_records(champion: Champion, forecasts: Forecasts, more: Columns) -> Iterator[list[Record]]:
    for part in _parts(len(forecasts.ds)):
        columns = {name: values[part] for name, values in more.items()}
        yield forecast_records(forecasts.rows(part), champion.model.cutoff, columns)


def inputs_answer(champion: Champion, inputs: ModelInputs, left_out: Sequence[Record]) -> Response:
    """Input rows as the client wants them; streamed when large. In CSV each exogenous column is one of its own."""
    records = (inputs.rows(part).to_records() for part in _parts(len(inputs)))
    if wants_csv():
        records = ([_flat(record) for record in part] for part in records)
    return _answer(champion, _left_out(left_out), "inputs", records, len(inputs))


def _flat(record: Record) -> Record:
    """An input row for CSV: each exogenous column, and each day of the history, is a column of its own."""
    history = record.pop(HISTORY, [])
    days = dict(zip(history_columns(len(history)), history, strict=True))
    return record | record.pop("exogenous", {}) | days


def whatif_answer(champion: Champion, baseline: Forecasts, scenario: Forecasts, warnings: Sequence[Record]) -> Response:
    """Two forecasts of the same rows, and warnings about the second."""
    trained_until = champion.model.cutoff
    difference = (scenario.y_hat - baseline.y_hat).tolist()
    document = {
        "model": name_of(champion),
        "baseline": forecast_records(baseline, trained_until),
        "scenario": forecast_records(scenario, trained_until, {"difference": difference}),
        "warnings": warnings,
    }
    return _complete(champion, orjson.dumps(document), JSON)


def _parts(rows: int) -> Iterator[slice]:
    return (slice(start, start + PIECE_ROWS) for start in range(0, rows, PIECE_ROWS))


def _answer(
    champion: Champion, head: Record, name: str, records: Iterator[list[Record]], rows: int, marks: Sequence[str] = ()
) -> Response:
    kind = CSV if wants_csv() else JSON
    pieces = csv_pieces(records, marks) if kind == CSV else json_pieces(head, name, records)
    if rows <= PIECE_ROWS:
        return _complete(champion, b"".join(pieces), kind)
    # All numbers are computed; only their text is made while it is sent, which cannot fail half-way.
    return Response(pieces, content_type=_content_type(kind), headers=_version_headers(champion))


class CompleteResponse(Response):
    """A response with complete headers: Flask's completion of them costs as much as its routing."""

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        """The headers, which need no completion."""
        return self.headers


def _complete(champion: Champion, body: bytes, kind: str) -> Response:
    return _with_etag(champion, checksum(body), lambda: body, kind)


def _with_etag(champion: Champion, etag: str, body: Callable[[], bytes], kind: str) -> Response:
    # A forecast is a POST only because it needs a body, so it is revalidated like a GET.
    current = request._get_current_object()  # type: ignore[attr-defined] # the stub knows the request only
    known = "HTTP_IF_NONE_MATCH" in current.environ and current.if_none_match.contains(etag)
    headers = [("ETag", f'"{etag}"'), *_version_headers(champion)]
    if known:
        return CompleteResponse(status=304, headers=headers)
    return CompleteResponse(body(), content_type=_content_type(kind), headers=headers)


def _version_headers(champion: Champion) -> list[tuple[str, str]]:
    return [
        (VERSION_HEADER, champion.version.version),
        # Kept by the client alone, and asked for each time whether it still holds (RFC 9111, 5.2.2): a new champion
        # answers at once.
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Accept"),
    ]


def _content_type(kind: str) -> str:
    return f"{CSV}; charset=utf-8; header=present" if kind == CSV else JSON
