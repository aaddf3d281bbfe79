"""`alerts`: incidents are listed, acknowledged and muted, and a quiet watcher is noticed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import Result

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.forecasting.monitoring.alert_messages import Message
from forecasting_platform.forecasting.monitoring.evaluations import find_mute_reason
from forecasting_platform.forecasting.monitoring.incidents import Alert

NOW = datetime(2023, 7, 1, tzinfo=UTC)


INCIDENT = Alert("a:b@7", "a:b", "FIRING", "error", "bias", NOW, NOW, 7, announced=NOW)


def test_incidents_are_listed_acknowledged_and_muted(run: Callable[..., Result], ledger: MemoryLedger) -> None:
    ledger.save_alerts([INCIDENT])
    assert run("alerts", "acknowledge", "a:b@7", "--by", "ann").exit_code == 0
    assert json.loads(run("alerts", "list", "--json").stdout)[0]["acknowledged_by"] == "ann"
    assert run("alerts", "mute", "a:*", "--hours", "2", "--reason", "known", "--by", "ann").exit_code == 0
    (mute,) = ledger.mutes()
    assert (mute.pattern, mute.reason, mute.muted_by) == ("a:*", "known", "ann")


def test_an_incident_is_acknowledged_by_what_it_is_of_too(run: Callable[..., Result], ledger: MemoryLedger) -> None:
    ledger.save_alerts([INCIDENT])
    assert json.loads(run("alerts", "acknowledge", "a:b", "--by", "ann", "--json").stdout)[0]["alert_id"] == "a:b@7"
    assert ledger.alerts()[0].acknowledged_by == "ann"


def test_the_listed_id_is_whole_in_a_narrow_terminal_and_says_who_is_on_it(
    run: Callable[..., Result], ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "forecast_errors:" + "a_check_with_a_long_name_" * 4
    ledger.save_alerts([replace(INCIDENT, alert_id=f"{name}@7", fingerprint=name, owner="data-science")])
    ledger.acknowledge(f"{name}@7", "ann", NOW)
    monkeypatch.setattr("forecasting_platform.commands.terminal.output.WIDTH", 100)
    listed = run("alerts", "list").stdout
    cells = [[cell.strip() for cell in line.split("│")] for line in listed.splitlines() if line.startswith("│")]
    assert "".join(row[1] for row in cells) == f"{name}@7"
    assert "ann is on it" in " ".join(row[4] for row in cells)


def test_an_incident_there_is_not_cannot_be_acknowledged(run: Callable[..., Result], ledger: MemoryLedger) -> None:
    ledger.save_alerts([INCIDENT])
    failed = run("alerts", "acknowledge", "a:b@8", "--by", "ann")
    assert failed.exit_code == 1
    assert "no open incident is 'a:b@8'; open are 'a:b@7'" in failed.stderr


def test_a_quiet_watcher_where_no_route_is_set_is_a_failure_that_leaves_the_incident_to_who_can_tell_it(
    run: Callable[..., Result], ledger: MemoryLedger
) -> None:
    waiting = Message("a:b@7/FIRING/mail", INCIDENT.alert_id, "FIRING", "mail", NOW, NOW)
    ledger.save_alerts([INCIDENT], [waiting])
    failed = run("alerts", "watch")
    assert failed.exit_code == 1
    assert "nobody was told: FORECASTING_ALERT_URLS is not set here" in failed.stderr
    assert ledger.alerts(open_only=True) == [INCIDENT]
    assert ledger.waiting_messages() == [waiting]


def test_a_quiet_watcher_is_an_incident_and_a_failure_until_it_is_back(
    run: Callable[..., Result], ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_ALERT_URLS", "json://127.0.0.1:9")
    failed = run("alerts", "watch")
    assert failed.exit_code == 1
    assert "start Dagster's daemon" in failed.stderr
    kinds = {alert.fingerprint.partition("-")[0] for alert in ledger.alerts(open_only=True)}
    assert kinds == {"dead_man:alert_sensor", "dead_man:promotion_sensor", "alert_route:json"}
    ledger.beat("alert_sensor", datetime.now(UTC))
    assert run("alerts", "watch").exit_code == 1
    ledger.beat("promotion_sensor", datetime.now(UTC))
    assert run("alerts", "watch").exit_code == 0
    assert {alert.fingerprint.partition(":")[0] for alert in ledger.alerts(open_only=True)} == {"alert_route"}


def test_muting_for_no_hours_ends_a_mute(run: Callable[..., Result], ledger: MemoryLedger) -> None:
    words = ["alerts", "mute", "a:*", "--reason", "known", "--by", "ann", "--hours"]
    assert run(*words, "8").exit_code == 0
    assert find_mute_reason("a:b", datetime.now(UTC), ledger.mutes(), {}) == "ann: known"
    assert run(*words, "0").exit_code == 0
    assert find_mute_reason("a:b", datetime.now(UTC), ledger.mutes(), {}) is None
