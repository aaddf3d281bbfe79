"""What surrounds every request: its id, the security headers, its time in the metrics, its line in the log.

A WSGI layer rather than hooks of Flask: it sees every answer, also one that Flask's own code made, and
costs a tenth of them.
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
"""What is asked again and again by programs: not limited, and logged only when it fails."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER_METHOD = "OTHER"
"""What a client invents is no label of a metric: each would be kept for ever."""
MAX_PATH_CHARACTERS_LOGGED = 200

_log = logging.getLogger("serve.requests")


class RequestMiddleware:
    """An application and what surrounds it.

    Args:
        application: answers, and names its endpoint in the environment under `ENDPOINT`.
    """

    def __init__(self, application: "WSGIApplication", metrics: Metrics) -> None:
        self._application = application
        self._metrics = metrics

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request; its time ends where the body begins."""
        began = time.perf_counter()
        # Begins with the time, so that new rows stand together in the index of the prediction log.
        # No secret, so no call of the system, in which a thread loses its turn.
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
            # Handed over as it is: `Logger.log` would look for the line of code it was called from.
            _log.handle(logging.LogRecord(_log.name, level, "", 0, fields, None, None))
