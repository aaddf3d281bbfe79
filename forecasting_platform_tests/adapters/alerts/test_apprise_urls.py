import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from forecasting_platform.adapters.alerts.alertmanager import AlertmanagerDelivery
from forecasting_platform.adapters.alerts.apprise_urls import AppriseDelivery
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.monitoring.alert_messages import Kind
from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform_tests.adapters.hook import Hook

SEEN, NOW = datetime(2023, 7, 1, 12, tzinfo=UTC), datetime(2023, 7, 2, tzinfo=UTC)
ALERT = Alert(
    "a:bias@7", "a:bias", "FIRING", "error", "bias is 3 GWh – budget 1", SEEN, SEEN, 7,
    owner="data-science", runbook="docs/runbooks/bias.md",
)  # fmt: skip
OTHER = replace(ALERT, alert_id="a:rmse@8", fingerprint="a:rmse")


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as found:
        yield found


def deliver(kind: Kind, alerts: list[Alert], url: str) -> str | None:
    return AppriseDelivery(url).send(kind, alerts)


def test_an_incident_is_one_message_that_says_what_since_when_and_what_to_do(hook: Hook) -> None:
    assert deliver("FIRING", [ALERT], hook.alert_url) is None
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
    deliver("RESOLVED", [replace(ALERT, state="RESOLVED", resolved=NOW)], hook.alert_url)
    (message,) = hook.messages
    assert (message["title"], message["type"]) == ("[RESOLVED] a:bias", "success")
    assert "over since 2023-07-02 00:00 UTC" in message["message"]


def test_incidents_that_belong_together_are_one_message(hook: Hook) -> None:
    deliver("FIRING", [ALERT, OTHER], hook.alert_url)
    (message,) = hook.messages
    assert message["title"] == "[FIRING] a:bias and 1 more"
    assert "a:rmse@8" in message["message"]


def test_of_many_incidents_of_a_run_five_are_told_and_the_others_counted(hook: Hook) -> None:
    single = [replace(ALERT, fingerprint=f"series:s{number}", summary=f"s{number} fell") for number in range(40)]
    many = replace(ALERT, fingerprint="many_series:2023-07-01", summary="30 series moved")
    assert deliver("FIRING", [*single, many], hook.alert_url) is None
    body = hook.messages[-1]["message"]
    assert body.startswith("30 series moved")
    assert "s3 fell" in body
    assert "s4 fell" not in body
    assert "… and 36 more incidents" in body


@pytest.mark.parametrize("status", [401, 500])
def test_what_a_service_refuses_is_not_accepted(hook: Hook, status: int) -> None:
    hook.status = status
    assert deliver("FIRING", [ALERT], hook.alert_url) == "it refused the message or did not answer"


def test_a_service_that_is_not_there_accepts_nothing(silent_port: int) -> None:
    assert deliver("FIRING", [ALERT], f"json://127.0.0.1:{silent_port}") is not None


@pytest.mark.parametrize("url", ["mialto://someone:secret@example.org", "nonsense", "unheard://me:secret@x"])
def test_a_url_nobody_understands_is_a_configuration_error_and_not_a_delivery(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigurationError, match="FORECASTING_ALERT_URLS") as caught:
        deliver("FIRING", [ALERT], url)
    assert "secret" not in str(caught.value)
    assert "secret" not in caplog.text


def test_no_password_of_a_url_is_logged(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    hook.status = 500
    with caplog.at_level(logging.DEBUG):
        deliver("FIRING", [ALERT], hook.alert_url)
    assert "secret" not in caplog.text


def test_an_alertmanager_is_posted_the_incident_and_its_end(hook: Hook) -> None:
    manager = AlertmanagerDelivery(hook.url)
    assert manager.send("FIRING", [replace(ALERT, announced=SEEN)]) is None
    assert manager.send("RESOLVED", [replace(ALERT, state="RESOLVED", resolved=NOW)]) is None
    firing, resolved = (posted[0] for posted in hook.messages)  # type: ignore[index] # it posts arrays
    assert hook.paths == ["/api/v2/alerts"] * 2
    assert firing["labels"] == resolved["labels"], "equal labels are the same alert"
    assert firing["annotations"] == {"summary": ALERT.summary, "runbook_url": ALERT.runbook}
    assert datetime.fromisoformat(firing["endsAt"]) > SEEN + timedelta(hours=24), "it lasts beyond the next reminder"
    assert datetime.fromisoformat(resolved["endsAt"]) == NOW


def test_an_alertmanager_that_refuses_or_is_not_there_accepts_nothing(hook: Hook, silent_port: int) -> None:
    hook.status = 503
    assert AlertmanagerDelivery(hook.url).send("FIRING", [ALERT]) == "the Alertmanager answered 503"
    assert "did not answer" in str(AlertmanagerDelivery(f"http://127.0.0.1:{silent_port}").send("FIRING", [ALERT]))
