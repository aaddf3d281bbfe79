"""Serves the app with Granian in one process, so that all answers come from the same champion.

`python -m serve` listens at the address that `FORECASTING_APP_HOST` and `FORECASTING_APP_PORT` name.
"""

import sys

from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.settings import Settings
from serve.api_keys import ApiKeys, refuse_open_interface
from serve.http.strict_json import MAX_INPUTS_BYTES, MAX_RANGE_BYTES
from serve.http.whole_requests import WholeRequests
from serve.telemetry.logs import LOGGING

THREADS = 8
"""Requests worked on at once; one that waits for Postgres does not block the others."""
MAX_CONNECTIONS = 256
HEADER_BYTES = 64 * 1024
HEADER_SECONDS = 10
BODY_SECONDS = 15.0
STOP_SECONDS = 15


def whole_requests(app: Flask, *, body_seconds: float = BODY_SECONDS) -> WholeRequests:
    """The app as the server calls it: with each request whole."""
    return WholeRequests(
        app, threads=THREADS, small_bytes=MAX_RANGE_BYTES, max_bytes=MAX_INPUTS_BYTES, body_seconds=body_seconds
    )


def server(settings: Settings, target: str = "serve.wsgi:serving") -> MPServer:
    """The server of the app, not yet listening.

    Args:
        target: makes the app, as `whole_requests` wraps it, in the process that answers.

    Raises:
        ConfigurationError: a setting is missing, or it would listen beyond this machine without API keys.
    """
    # Checked here, so that it fails at once and not in a background thread.
    settings.require_mlflow_tracking_uri()
    refuse_open_interface(settings.app_host, ApiKeys(settings.api_keys))
    return MPServer(
        target,
        factory=True,
        address=settings.app_host,
        port=settings.app_port,
        interface=Interfaces.RSGI,
        workers=1,
        backpressure=MAX_CONNECTIONS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=HEADER_BYTES),
        websockets=False,
        workers_kill_timeout=STOP_SECONDS,
        log_dictconfig=LOGGING,
    )


def main() -> None:
    """Serve until told to stop."""
    try:
        chosen = server(Settings())
    except ConfigurationError as error:
        sys.exit(f"the app does not start: {error}")
    chosen.serve()
