"""Computes what `/predict` answers where it is not precomputed, and records every answer in the prediction log."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Response, request

from forecasting_platform.forecasting.models.trained.forecasts import PARTS, Forecasts
from forecasting_platform.forecasting.models.trained.model_covariates import model_covariates
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from serve.forecasts.answers import (
    MAX_INPUT_ROWS,
    actuals_of,
    explanation,
    forecast,
    inputs_for,
    inputs_from,
    list_left_out,
    max_rows,
    moved_since,
    parts_of,
)
from serve.forecasts.champion import Champion
from serve.http.middleware import REQUEST_ID
from serve.http.responses import computed_answer
from serve.http.schemas.requests import (
    InputsBody,
    PredictRangeBody,
)
from serve.service import Service
from serve.telemetry.prediction_log import Answer, ServedForecasts


def compute_answer(body: PredictRangeBody | InputsBody, champion: Champion, service: Service) -> Response:
    """The forecasts of a range of days or of given input rows, with the further columns that were requested."""
    parts = len(PARTS) + len(model_covariates(champion.model))
    row_limit = max_rows(body.level, body.further_columns(parts))
    if isinstance(body, InputsBody):
        inputs = inputs_from(champion, body.rows, min(row_limit, MAX_INPUT_ROWS))
    else:
        inputs = inputs_for(champion, body.forecast_request, service.store, row_limit)
    forecasts = forecast(champion, inputs, body.level)
    more = _further_columns(body, champion, inputs, forecasts, service)
    record_answer(service, champion, [forecasts], given_inputs=isinstance(body, InputsBody))
    left_out = list_left_out(champion, inputs, body.forecast_request) if isinstance(body, PredictRangeBody) else []
    return computed_answer(champion, forecasts, more, left_out)


def _further_columns(
    body: PredictRangeBody | InputsBody,
    champion: Champion,
    inputs: ModelInputs,
    forecasts: Forecasts,
    service: Service,
) -> dict[str, list[Any]]:
    """The columns requested besides the forecast and its bounds."""
    more: dict[str, list[Any]] = {}
    if not len(inputs):
        return more
    ranged = body if isinstance(body, PredictRangeBody) else None
    if ranged and ranged.actuals:
        more["y"] = actuals_of(forecasts, service.require_store())
    if body.explain or (ranged and ranged.since):
        parts = parts_of(champion, inputs)
        more |= explanation(parts) if body.explain else {}
        if ranged and ranged.since:
            more |= moved_since(champion, inputs, parts, ranged.forecast_request, ranged.since, service.store)
    return more


def record_answer(
    service: Service, champion: Champion, forecasts: Sequence[ServedForecasts], *, given_inputs: bool = False
) -> None:
    """Count the forecasts of an answer and put them into the prediction log."""
    version, now = champion.version.version, datetime.now(UTC)
    answer = Answer(request.environ[REQUEST_ID], now, version, tuple(forecasts), given_inputs)
    service.metrics.forecasts.inc(len(answer))
    service.log.offer(answer)
