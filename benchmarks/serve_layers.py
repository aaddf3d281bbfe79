"""What each layer of a request costs: processor time of each part alone, in one process, best of several rounds."""

import io
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Flask, Response, request
from pydantic import SecretStr
from werkzeug.datastructures import Headers

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.json_lines import JsonLines
from forecasting_platform.settings import Settings
from serve.api_keys import ApiKeys
from serve.forecasts.answers import forecast, inputs_for, max_rows
from serve.forecasts.champion import Champion
from serve.forecasts.rendering import json_document
from serve.http.app import create_app
from serve.http.rate_limit import RateLimit
from serve.http.responses import name_of
from serve.http.schemas.requests import PredictBody, PredictRangeBody
from serve.http.strict_json import parse_object
from serve.service import service_of
from serve.telemetry.logs import LOGGING
from serve.telemetry.prediction_log import Answer, PredictionLog

CALLS, ROUNDS = 500, 12
KEY = "benchmark-key"


def layers(model: ForecastModel, asked: dict[str, str]) -> list[dict[str, Any]]:
    """One row a layer, in microseconds of processor time a request."""
    body = orjson.dumps(asked)
    app = _app(model)
    champion = service_of(app).watch.require()
    metrics = service_of(app).metrics
    keys, limit, log = ApiKeys(SecretStr(KEY)), RateLimit("100000000 per minute"), PredictionLog(MemoryTableStore())
    known = Headers({"X-API-Key": KEY})
    ranged: PredictRangeBody = PredictBody.model_validate(asked).root
    found = champion.precomputed.find(ranged.period, ranged.unique_ids) or []
    line = logging.LogRecord("serve.requests", logging.INFO, "", 0, {"message": "answered", "status": 200}, None, None)
    parts: dict[str, Callable[[], object]] = {
        "all of it, without the server": lambda: _call(app, body),
        "bare Flask, without the server": (lambda bare: lambda: _call(bare, body))(_bare(body)),
        "API key": lambda: keys.require(known, None),
        "rate limit": lambda: limit.take("127.0.0.1"),
        "JSON read": lambda: parse_object(body),
        "validation": lambda: PredictBody.model_validate(asked),
        "forecast, made at the swap": lambda: _joined(champion, ranged.period, ranged.unique_ids),
        "forecast, computed": lambda: forecast(
            champion, inputs_for(champion, ranged.forecast_request, None, max_rows(ranged.level)), ranged.level
        ),
        "metrics": lambda: metrics.observe("POST", "predict", 200, 0.001),
        "a line of the log": lambda: JsonLines().format(line),
        "prediction log, taken": lambda: log.offer(Answer("id", datetime.now(UTC), "1", tuple(found))),
    }
    rows = [{"what": f"layer: {name}", "cpu_us_per_request": round(_best(part), 1)} for name, part in parts.items()]
    service_of(app).stop()
    return rows


def _joined(champion: Champion, period: DateRange, unique_ids: list[str] | None) -> bytes:
    found = champion.precomputed.find(period, unique_ids) or []
    rows = [part.text for part in found]
    return json_document({"model": name_of(champion)}, "forecasts", rows)


def _app(model: ForecastModel) -> Flask:
    registry = MemoryModelRegistry()
    registry.move_champion(registry.register(model, plots={}, run_tags={}), expected=None)
    app = create_app(Settings(api_keys=SecretStr(KEY), app_rate_limit="100000000 per minute"), registry=registry)
    service_of(app).watch.look()
    logging.getLogger("serve.requests").addHandler(_Nowhere())
    logging.getLogger("serve.requests").setLevel(LOGGING["loggers"]["serve"]["level"])
    logging.getLogger("serve.requests").propagate = False
    return app


class _Nowhere(logging.Handler):
    """Formats as in production and writes to nowhere, so that a terminal's speed is not measured."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


def _bare(answer: bytes) -> Flask:
    app = Flask("bare")

    @app.post("/predict")
    def predict() -> Response:
        orjson.loads(request.get_data())
        return Response(answer, mimetype="application/json")

    return app


def _call(app: Flask, body: bytes) -> bytes:
    environ = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/predict", "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1", "HTTP_X_API_KEY": KEY, "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr, "wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": False,
        "wsgi.run_once": False, "wsgi.input_terminated": True,
    }  # fmt: skip
    answer = app(environ, lambda *_: lambda _: None)
    return b"".join(answer)


def _best(part: Callable[[], object]) -> float:
    """Microseconds of processor time a call, in the best round: others on the machine only add."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            part()
        rounds.append((time.process_time() - began) / CALLS * 1e6)
    return min(rounds)
