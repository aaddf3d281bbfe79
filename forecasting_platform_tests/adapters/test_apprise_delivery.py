import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from forecasting_platform.adapters.alertmanager_delivery import AlertmanagerDelivery
from forecasting_platform.adapters.apprise_delivery import AppriseDelivery
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.alerts import Alert, Kind

SEEN, NOW = datetime(2023, 7, 1, 12, tzinfo=UTC), datetime(2023, 7, 2, tzinfo=UTC)
ALERT = Alert(
    "a:bias@7", "a:bias", "FIRING", "error", "bias is 3 GWh – budget 1", SEEN, SEEN, 7,
    owner="data-science", runbook="docs/runbooks/bias.md",
)  # fmt: skip
OTHER = replace(ALERT, alert_id="a:rmse@8", fingerprint="a:rmse")


@dataclass
class Hook:
    """A local webhook: what it was sent, and what it answers."""

    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    http: str = ""
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            found.paths.append(self.path)
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class names it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"json://user:secret@127.0.0.1:{server.server_port}/alerts"
        found.http = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        server.shutdown()


def deliver(kind: Kind, alerts: list[Alert], urls: str) -> str | None:
    return AppriseDelivery(urls).send(kind, alerts)


def test_an_incident_is_one_message_that_says_what_since_when_and_what_to_do(hook: Hook) -> None:
    assert deliver("FIRING", [ALERT], hook.url) is None
    (message,) = hook.messages
    assert message["title"] == "[FIRING] a:bias"
    assert message["message"].splitlines() == [
        "bias is 3 GWh – budget 1",
        "incident a:bias@7, first seen 2023-07-01 12:00 UTC",
        "owner: data-science",
        "runbook: docs/runbooks/bias.md",
    ]
    assert message["type"] == "failure"


def test_the_end_of_an_incident_is_good_news(hook: Hook) -> None:
    deliver("RESOLVED", [replace(ALERT, state="RESOLVED", resolved=NOW)], hook.url)
    (message,) = hook.messages
    assert (message["title"], message["type"]) == ("[RESOLVED] a:bias", "success")
    assert "over since 2023-07-02 00:00 UTC" in message["message"]


def test_incidents_that_belong_together_are_one_message(hook: Hook) -> None:
    deliver("FIRING", [ALERT, OTHER], hook.url)
    (message,) = hook.messages
    assert message["title"] == "[FIRING] a:bias and 1 more"
    assert "a:rmse@8" in message["message"]


@pytest.mark.parametrize(
    ("route", "told"), [("", 2), ("error=", 1), ("data-science=", 2), ("error+data-science=", 1), ("platform=", 0)]
)
def test_a_route_gets_what_is_of_its_severity_and_owner(hook: Hook, route: str, told: int) -> None:
    assert deliver("FIRING", [ALERT, replace(OTHER, severity="warning")], route + hook.url) is None
    text = "".join(message["message"] for message in hook.messages)
    assert text.count("incident ") == told


@pytest.mark.parametrize("status", [401, 500])
def test_what_a_service_refuses_is_not_accepted(hook: Hook, status: int) -> None:
    hook.status = status
    assert deliver("FIRING", [ALERT], hook.url) == "1 of 1 services refused it or did not answer"


def test_a_service_that_is_not_there_accepts_nothing(free_port: int) -> None:
    assert deliver("FIRING", [ALERT], f"json://127.0.0.1:{free_port}") is not None


@pytest.mark.parametrize("separator", [",", " ", ", ", "\n"])
def test_every_url_gets_the_message(hook: Hook, separator: str) -> None:
    deliver("FIRING", [ALERT], separator.join([hook.url, hook.url.replace("/alerts", "/others")]))
    assert len(hook.messages) == 2


@pytest.mark.parametrize("urls", ["mialto://someone:secret@example.org", "nonsense", "{good},unheard://me:secret@x"])
def test_a_url_nobody_understands_is_a_configuration_error_and_not_a_delivery(
    hook: Hook, urls: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigurationError, match="FORECASTING_ALERT_URLS") as caught:
        deliver("FIRING", [ALERT], urls.format(good=hook.url))
    assert "secret" not in str(caught.value)
    assert "secret" not in caplog.text
    assert hook.messages == []


def test_no_password_of_a_url_is_logged(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    hook.status = 500
    with caplog.at_level(logging.DEBUG):
        deliver("FIRING", [ALERT], hook.url)
    assert "secret" not in caplog.text


def test_an_alertmanager_is_posted_the_incident_and_its_end(hook: Hook) -> None:
    manager = AlertmanagerDelivery(hook.http)
    assert manager.send("FIRING", [replace(ALERT, announced=SEEN)]) is None
    assert manager.send("RESOLVED", [replace(ALERT, state="RESOLVED", resolved=NOW)]) is None
    firing, resolved = (posted[0] for posted in hook.messages)  # type: ignore[index] # it posts arrays
    assert hook.paths == ["/api/v2/alerts"] * 2
    assert firing["labels"] == resolved["labels"], "equal labels are the same alert"
    assert firing["annotations"] == {"summary": ALERT.summary, "runbook_url": ALERT.runbook}
    assert datetime.fromisoformat(firing["endsAt"]) > SEEN + timedelta(hours=24), "it lasts beyond the next reminder"
    assert datetime.fromisoformat(resolved["endsAt"]) == NOW


def test_an_alertmanager_that_refuses_or_is_not_there_accepts_nothing(hook: Hook, free_port: int) -> None:
    hook.status = 503
    assert AlertmanagerDelivery(hook.http).send("FIRING", [ALERT]) == "the Alertmanager answered 503"
    assert "did not answer" in str(AlertmanagerDelivery(f"http://127.0.0.1:{free_port}").send("FIRING", [ALERT]))
