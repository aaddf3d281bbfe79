"""No client of the platform follows a redirect with what it was given: a key, a message, a query."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from forecasting_platform.adapters.alerts.alertmanager import AlertmanagerDelivery
from forecasting_platform.adapters.alerts.apprise_urls import AppriseDelivery
from forecasting_platform.commands.terminal.connection import AppRefusedError, Connection
from forecasting_platform.errors import UnavailableError
from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform.local.dagster.api import DagsterApi
from forecasting_platform_tests.support.web_servers import RecordingServer

NOW = datetime(2023, 7, 1, tzinfo=UTC)
ALERT = Alert("a:b@7", "a:b", "FIRING", "error", "too low", NOW, NOW, 7)


def answering(status: int, location: str) -> RecordingServer:
    body = json.dumps({"data": {}}).encode() if status == 200 else b"moved"
    return RecordingServer(lambda request: request.send(body, status, Location=location))


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
    with answering(200, "/") as other, answering(status, f"{other.url}/stolen") as asked:
        send(asked.url.removeprefix("http://"))
    assert asked.asked, "the client asked nobody"
    assert other.asked == []
