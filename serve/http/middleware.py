"""The middleware of every request: its id, the security headers, its duration in the metrics, its line in the log.

WSGI middleware rather than Flask's hooks: it sees every answer, also those that Flask itself makes, at a tenth of the
cost.
"""

import logging
import random
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from serve.http.security_headers import SECURITY_HEADERS
from serve.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID = "forecasting.request_id"
ENDPOINT = "forecasting.endpoint"
"""Keys of the WSGI environment; the application fills in the second."""
QUIET_ENDPOINTS = frozenset({"health", "ready", "metrics", "static", "swagger.static"})
"""Endpoints that programs poll: no rate limit, and logged only when they fail."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER_METHOD = "OTHER"
"""Label of any other method: Prometheus keeps every label, so clients must not invent them."""
MAX_PATH_CHARACTERS_LOGGED = 200

_log = logging.getLogger("serve.requests")


class RequestMiddleware:
    """Wraps a WSGI application.

    Args:
        application: writes the name of its endpoint into the environment under `ENDPOINT`.
    """

    def __init__(self, application: "WSGIApplication", metrics: Metrics) -> None:
        self._application = application
        self._metrics = metrics

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request; its duration ends where the body begins."""
        began = time.perf_counter()
        # It begins with the time, so that new rows are neighbours in the index of the prediction log. It is no secret,
        # so no system call is needed, in which a thread would lose its turn.
        request_id = environ[REQUEST_ID] = f"{time.time_ns():016x}{random.getrandbits(64):016x}"

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self._record(environ, request_id, int(status[:3]), time.perf_counter() - began)
            own = [*SECURITY_HEADERS, ("X-Request-ID", request_id)]
            return start_response(status, headers + own, exc_info)

        return self._application(environ, start)

    def _record(self, environ: "WSGIEnvironment", request_id: str, status: int, seconds: float) -> None:
        method, endpoint = environ["REQUEST_METHOD"], environ.get(ENDPOINT, "unknown")
        method = method if method in METHODS else OTHER_METHOD
        self._metrics.observe(method, endpoint, status, seconds)
        level = logging.DEBUG if endpoint in QUIET_ENDPOINTS and status < 400 else logging.INFO
        if _log.isEnabledFor(level):
            fields = {
                "message": "answered",
                "request_id": request_id,
                "method": method,
                "path": environ.get("PATH_INFO", "")[:MAX_PATH_CHARACTERS_LOGGED],
                "status": status,
                "milliseconds": round(seconds * 1000, 2),
            }
            # Without `Logger.log`, which would search the stack for the calling line.
            _log.handle(logging.LogRecord(_log.name, level, "", 0, fields, None, None))
