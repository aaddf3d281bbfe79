"""The app put together: `create_app`. What it answers is in `routes`."""

import logging
import time
import uuid
from importlib.resources import files

from flask import Blueprint, Flask, Response, g, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI

from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings
from serve.bodies import StrictRequest
from serve.problems import invalid_fields, register_problems
from serve.routes import OPEN_ENDPOINTS, api
from serve.schemas import Problem
from serve.security import SECURITY_HEADERS, refuse_open_interface
from serve.service import EXTENSION, Service, build_service

QUIET_ENDPOINTS = frozenset({"api.health", "api.ready", "api.metrics", "static", "swagger.static"})
STATIC_SECONDS = 3600

_log = logging.getLogger("serve.requests")


def create_app(
    settings: Settings | None = None,
    *,
    registry: ModelRegistry | None = None,
    store: TableStore | None = None,
    ledger: Ledger | None = None,
) -> Flask:
    """The app; parts not given are those that the settings name.

    Nothing is connected to yet: background threads start with the first request, or with
    `service_of(app).start()` in the process that serves.

    Raises:
        ConfigurationError: it would listen beyond this machine without API keys.
    """
    settings = settings or Settings()
    service = build_service(settings, registry, store, ledger)
    refuse_open_interface(settings.app_host, service.keys)
    app = OpenAPI(
        __name__,
        info=Info(title="Forecasting platform", version="1", description="Forecasts of daily series."),
        security_schemes={"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        validation_error_model=Problem,
        validation_error_callback=invalid_fields,
        doc_ui=False,
    )
    app.request_class = StrictRequest
    app.extensions[EXTENSION] = service
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_SECONDS
    _around_each_request(app, service)
    register_problems(app)
    app.register_api(api)
    app.register_blueprint(_swagger())
    app.add_url_rule("/openapi.json", "api.openapi", lambda: app.api_doc)
    _limit(app, settings)
    return app


def _swagger() -> Blueprint:
    # The library's own page needs inline scripts; its files do not, so only these are served.
    folder = str(files("flask_openapi3_swagger") / "templates" / "swagger")
    return Blueprint("swagger", __name__, static_folder=folder, static_url_path="/docs/swagger")


def _limit(app: Flask, settings: Settings) -> None:
    limiter = Limiter(get_remote_address, app=app, default_limits=[settings.app_rate_limit], storage_uri="memory://")
    limiter.request_filter(lambda: request.endpoint in QUIET_ENDPOINTS)


def _around_each_request(app: Flask, service: Service) -> None:
    @app.before_request
    def _begin() -> None:
        g.began = time.perf_counter()
        g.request_id = uuid.uuid4().hex
        if not service.started:
            service.start()
        if request.endpoint not in OPEN_ENDPOINTS:
            service.keys.require(request.headers, request.authorization)

    @app.after_request
    def _end(answer: Response) -> Response:
        answer.headers.update(SECURITY_HEADERS)
        answer.headers["X-Request-ID"] = g.request_id
        if request.endpoint not in {"static", "swagger.static"}:
            answer.headers["Cache-Control"] = "no-store"
        _record(service, answer, time.perf_counter() - g.began)
        return answer


def _record(service: Service, answer: Response, seconds: float) -> None:
    endpoint = (request.endpoint or "unknown").removeprefix("api.")
    service.metrics.observe(request.method, endpoint, answer.status_code, seconds)
    quiet = request.endpoint in QUIET_ENDPOINTS and answer.status_code < 400
    _log.log(
        logging.DEBUG if quiet else logging.INFO,
        "answered",
        extra={
            "request_id": g.request_id,
            "method": request.method,
            "path": request.path,
            "status": answer.status_code,
            "milliseconds": round(seconds * 1000, 2),
        },
    )
