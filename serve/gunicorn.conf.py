# ruff: noqa: N999 - gunicorn looks for a file of this name
"""How gunicorn serves the app: one process, so that no two answers come from two champions at once.

`gunicorn --config serve/gunicorn.conf.py serve.wsgi:app`
"""

from typing import Any

from gunicorn.http.wsgi import Response

from forecasting_platform.settings import Settings
from serve.logs import LOGGING
from serve.service import service_of

_settings = Settings()
_headers_of_gunicorn = Response.default_headers


def _without_server(response: Response) -> list[str]:
    return [line for line in _headers_of_gunicorn(response) if not line.startswith("Server:")]


# There is no setting for it, and nobody needs to know.
Response.default_headers = _without_server

bind = f"{_settings.app_host}:{_settings.app_port}"
worker_class = "gthread"
workers = 1
threads = 8
timeout = 60
graceful_timeout = 15
keepalive = 5
limit_request_line = 4094
limit_request_fields = 50
logconfig_dict = LOGGING
proc_name = "forecasting-app"
# Nothing is shared before the fork: connections and threads belong to the worker.
preload_app = False


def on_starting(_server: Any) -> None:
    """Fail at once, and not in a background thread, when a setting is missing."""
    _settings.require_mlflow_tracking_uri()


def post_worker_init(worker: Any) -> None:
    """Start the background threads in the worker."""
    service_of(worker.wsgi).start()


def worker_exit(_server: Any, worker: Any) -> None:
    """Write out the prediction log."""
    if getattr(worker, "wsgi", None) is not None:
        service_of(worker.wsgi).stop()
