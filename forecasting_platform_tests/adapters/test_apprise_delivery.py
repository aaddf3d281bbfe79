import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from forecasting_platform.adapters.apprise_delivery import deliver
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.alerts import Alert

SEEN, NOW = datetime(2023, 7, 1, 12, tzinfo=UTC), datetime(2023, 7, 2, tzinfo=UTC)
ALERT = Alert("a:bias@7", "a:bias", "FIRING", "error", "bias is 3 GWh – budget 1", SEEN, SEEN, 7)
OTHER = replace(ALERT, alert_id="a:rmse@8", fingerprint="a:rmse")


@dataclass
class Hook:
    """A local webhook: what it was sent, and what it answers."""

    status: int = 200
    messages: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class names it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"json://user:secret@127.0.0.1:{server.server_port}/alerts"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        server.shutdown()


def test_an_incident_is_one_message_that_says_what_and_since_when(hook: Hook) -> None:
    assert deliver([ALERT], hook.url, NOW) == [replace(ALERT, delivered=NOW)]
    (message,) = hook.messages
    assert message["title"] == "[FIRING] a:bias"
    assert message["message"] == "bias is 3 GWh – budget 1\nincident a:bias@7, first seen 2023-07-01 12:00 UTC"
    assert message["type"] == "failure"


def test_the_end_of_an_incident_is_good_news(hook: Hook) -> None:
    deliver([replace(ALERT, state="RESOLVED", resolved=NOW)], hook.url, NOW)
    assert [(message["title"], message["type"]) for message in hook.messages] == [("[RESOLVED] a:bias", "success")]


def test_without_any_url_nobody_waits_for_a_message() -> None:
    assert deliver([ALERT], " , ", NOW) == [replace(ALERT, delivered=NOW)]


def test_no_incident_is_no_message(hook: Hook) -> None:
    assert deliver([], hook.url, NOW) == []
    assert hook.messages == []


@pytest.mark.parametrize("status", [401, 500])
def test_what_a_service_refuses_stays_undelivered_and_is_accepted_at_the_next_call(hook: Hook, status: int) -> None:
    hook.status = status
    assert deliver([ALERT, OTHER], hook.url, NOW) == []
    hook.status = 200
    assert deliver([ALERT, OTHER], hook.url, NOW) == [replace(found, delivered=NOW) for found in (ALERT, OTHER)]


def test_a_service_that_is_not_there_leaves_the_incident_undelivered(free_port: int) -> None:
    assert deliver([ALERT], f"json://127.0.0.1:{free_port}", NOW) == []


@pytest.mark.parametrize("separator", [",", " ", ", ", "\n"])
def test_every_url_gets_the_message(hook: Hook, separator: str) -> None:
    deliver([ALERT], separator.join([hook.url, hook.url.replace("/alerts", "/others")]), NOW)
    assert len(hook.messages) == 2


@pytest.mark.parametrize("urls", ["mialto://someone:secret@example.org", "nonsense", "{good},unheard://me:secret@x"])
def test_a_url_nobody_understands_is_a_configuration_error_and_not_a_delivery(
    hook: Hook, urls: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigurationError, match="FORECASTING_ALERT_URLS") as caught:
        deliver([ALERT], urls.format(good=hook.url), NOW)
    assert "secret" not in str(caught.value)
    assert "secret" not in caplog.text
    assert hook.messages == []


def test_no_password_of_a_url_is_logged(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    hook.status = 500
    with caplog.at_level(logging.DEBUG):
        deliver([ALERT], hook.url, NOW)
    assert "secret" not in caplog.text
