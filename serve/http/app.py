"""Builds the app: `create_app`. Its endpoints are in `routes`."""

from importlib.resources import files
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, request
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from werkzeug.exceptions import Forbidden

from forecasting_platform.gateway_identity import HEADER, GatewayIdentity, Person, UntrustedIdentityError
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings
from forecasting_platform.site_guard import SiteGuard
from serve.api_keys import ApiKeys, refuse_open_interface
from serve.http.middleware import ENDPOINT, QUIET_ENDPOINTS, RequestMiddleware
from serve.http.person import PERSON
from serve.http.problems import invalid_fields, register_problems
from serve.http.rate_limit import RateLimit
from serve.http.routes import CHANGING_ENDPOINTS, OPEN_ENDPOINTS, api
from serve.http.schemas.answers import Problem
from serve.http.strict_json import StrictRequest
from serve.service import EXTENSION, Service, build_service

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

STATIC_SECONDS = 3600
HEALTH_ENDPOINTS = frozenset({"health", "ready"})
"""Endpoints that a load balancer calls under the IP address of a process, so any address is allowed as Host."""


def create_app(
    settings: Settings | None = None,
    *,
    registry: ModelRegistry | None = None,
    store: TableStore | None = None,
    ledger: Ledger | None = None,
) -> Flask:
    """Build the app; parts not given come from the settings.

    Nothing is connected to yet: background threads start with the first request, or with
    `service_of(app).start()` in the process that serves.

    Raises:
        ConfigurationError: it would listen beyond this machine without API keys, an allowed host is not valid, or the
            gateway's secret is too short.
    """
    settings = settings or Settings()
    keys = ApiKeys(settings.api_keys)
    refuse_open_interface(settings.app_host, keys)
    service = build_service(settings.without_keys(), keys, registry, store, ledger)
    app = OpenAPI(
        __name__,
        info=Info(title="Forecasting platform", version="1", description="Forecasts of daily series."),
        security_schemes={"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        validation_error_model=Problem,
        validation_error_callback=invalid_fields,
        doc_ui=False,
    )
    app.request_class = StrictRequest
    app.wsgi_app = RequestMiddleware(app.wsgi_app, service.metrics)  # type: ignore[method-assign] # Flask's own way to wrap it
    app.extensions[EXTENSION] = service
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_SECONDS
    guard = SiteGuard(settings.allowed_hosts, settings.app_host)
    gateway = GatewayIdentity(settings.gateway_secret)
    _before_each_request(app, service, guard, gateway, RateLimit(settings.app_rate_limit))
    register_problems(app)
    app.register_api(api)
    # The library's own page needs inline scripts, which our headers forbid; its files do not.
    folder = str(files("flask_openapi3_swagger") / "templates" / "swagger")
    app.register_blueprint(Blueprint("swagger", __name__, static_folder=folder, static_url_path="/docs/swagger"))
    app.add_url_rule("/openapi.json", "api.openapi", lambda: app.api_doc)
    return app


def _before_each_request(
    app: Flask, service: Service, guard: SiteGuard, gateway: GatewayIdentity, rate_limit: RateLimit
) -> None:
    @app.before_request
    def _begin() -> None:
        current = request._get_current_object()  # type: ignore[attr-defined] # the stub knows the request only
        endpoint = current.endpoint or "unknown"
        current.environ[ENDPOINT] = endpoint.removeprefix("api.")
        # In this order: for another site nothing is started, and keys can be tried only as fast as the limit allows.
        _refuse_other_sites(current.environ, guard)
        if not service.started:
            service.start()
        if current.environ[ENDPOINT] not in QUIET_ENDPOINTS:
            rate_limit.take(current.remote_addr or "unknown")
        person = current.environ[PERSON] = _person(current.headers.get(HEADER), gateway)
        if person is not None:
            _refuse_changes_of_readers(person, endpoint)
        elif endpoint not in OPEN_ENDPOINTS:
            service.keys.require(current.headers, current.authorization)


def _refuse_other_sites(environ: "WSGIEnvironment", guard: SiteGuard) -> None:
    refusal = guard.refusal(
        environ.get("HTTP_HOST"),
        environ.get("HTTP_ORIGIN"),
        environ.get("HTTP_SEC_FETCH_SITE"),
        any_address=environ[ENDPOINT] in HEALTH_ENDPOINTS,
    )
    if refusal is not None:
        raise Forbidden(refusal)


def _person(header: str | None, gateway: GatewayIdentity) -> Person | None:
    try:
        return gateway.person(header)
    except UntrustedIdentityError as error:
        raise Forbidden(str(error)) from error


def _refuse_changes_of_readers(person: Person, endpoint: str) -> None:
    if endpoint in CHANGING_ENDPOINTS and not person.may_change:
        raise Forbidden(f"{person.name} is a {person.role}; operators and admins acknowledge and mute incidents")
