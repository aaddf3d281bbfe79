"""No client of the platform follows a redirect with what it was given: a key, a message, a query."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from forecasting_platform.adapters.alertmanager_delivery import AlertmanagerDelivery
from forecasting_platform.adapters.apprise_delivery import AppriseDelivery
from forecasting_platform.commands.connection import AppRefusedError, Connection
from forecasting_platform.errors import UnavailableError
from forecasting_platform.forecasting.alerts import Alert
from forecasting_platform.local.dagster_api import DagsterApi

NOW = datetime(2023, 7, 1, tzinfo=UTC)
ALERT = Alert("a:b@7", "a:b", "FIRING", "error", "too low", NOW, NOW, 7)


@contextmanager
def answering(status: int, location: str, asked: list[str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(json.dumps({"data": {}}).encode() if status == 200 else b"moved")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class names it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def ask_app(host: str) -> None:
    with pytest.raises(AppRefusedError, match="names another address"):
        Connection("http://x", f"http://{host}", "postgresql://x").ask_app("POST", "/predict", {})


def ask_dagster(host: str) -> None:
    with pytest.raises(UnavailableError):
        DagsterApi(f"http://{host}").unhealthy_daemons()


def post_to_alertmanager(host: str) -> None:
    assert AlertmanagerDelivery(f"http://{host}").send("FIRING", [ALERT]) is not None


def post_by_apprise(host: str) -> None:
    assert AppriseDelivery(f"json://{host}/?+X-Token=geheim").send("FIRING", [ALERT]) is not None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("send", [ask_app, ask_dagster, post_to_alertmanager, post_by_apprise])
def test_a_redirect_gets_nothing_and_is_no_success(
    send: Callable[[str], None], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_API_KEYS", "geheim")
    asked: list[str] = []
    elsewhere: list[str] = []
    with answering(200, "/", elsewhere) as other, answering(status, f"http://{other}/stolen", asked) as host:
        send(host)
    assert asked, "the client asked nobody"
    assert elsewhere == []
