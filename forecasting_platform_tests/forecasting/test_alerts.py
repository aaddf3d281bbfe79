"""One incident from the first failure to the recovery, whatever is read twice."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting_platform.forecasting.alerts import Alert, Evaluation, latest_alerts, next_alert


def evaluation(event_id: int, passed: bool) -> Evaluation:
    at = datetime.fromtimestamp(1_700_000_000 + event_id, UTC)
    return Evaluation("asset:check", event_id, passed, "error", at, "summary")


def incidents(results: list[bool], repeats: list[int]) -> list[Alert]:
    events = [evaluation(number, passed) for number, passed in enumerate(results, start=1)]
    kept: dict[str, Alert] = {}
    for position, event in enumerate(events):
        again = [events[max(0, position - back)] for back in repeats]
        for seen in [event, *again]:
            current = latest_alerts(kept.values()).get("asset:check")
            alert = next_alert(current, seen)
            if alert is not None:
                kept[alert.alert_id] = alert
    return list(kept.values())


@given(st.lists(st.booleans(), max_size=30), st.lists(st.integers(0, 5), max_size=3))
def test_each_stretch_of_failures_is_one_incident_however_often_events_are_read(
    results: list[bool], repeats: list[int]
) -> None:
    stretches = sum(not passed and (i == 0 or results[i - 1]) for i, passed in enumerate(results))
    found = incidents(results, repeats)
    assert len(found) == stretches
    assert sum(alert.state == "FIRING" for alert in found) == int(bool(results) and not results[-1])
    assert all((alert.resolved is not None) == (alert.state == "RESOLVED") for alert in found)


def test_a_recovery_is_a_message_of_its_own() -> None:
    firing = next_alert(None, evaluation(1, False))
    assert firing is not None
    resolved = next_alert(replace(firing, delivered=firing.first_seen), evaluation(2, True))
    assert resolved is not None
    assert (resolved.state, resolved.delivered) == ("RESOLVED", None)


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=40))
def test_in_any_order_there_is_never_a_second_open_incident_nor_an_end_without_a_beginning(
    read: list[tuple[int, bool]],
) -> None:
    result = dict(read)  # an event has one result, however often and late it is read
    kept: dict[str, Alert] = {}
    history: list[tuple[str, str]] = []
    for event_id, _again in read:
        alert = next_alert(latest_alerts(kept.values()).get("asset:check"), evaluation(event_id, result[event_id]))
        if alert is not None:
            if (kept[alert.alert_id].state if alert.alert_id in kept else None) != alert.state:
                history.append((alert.alert_id, alert.state))
            kept[alert.alert_id] = alert
        assert sum(found.state == "FIRING" for found in kept.values()) <= 1
    assert len(history) == len(set(history))
    assert all((name, "FIRING") in history[:at] for at, (name, state) in enumerate(history) if state == "RESOLVED")


def test_an_incident_goes_on_with_the_newest_failures_words_and_keeps_its_beginning() -> None:
    first = next_alert(None, evaluation(1, False))
    again = next_alert(first, replace(evaluation(2, False), severity="warning", summary="worse"))
    assert first is not None
    assert again is not None
    assert (again.alert_id, again.first_seen) == (first.alert_id, first.first_seen)
    assert (again.last_seen, again.summary, again.severity) == (evaluation(2, False).evaluated_at, "worse", "warning")


def test_passing_without_an_incident_is_no_news() -> None:
    assert next_alert(None, evaluation(1, True)) is None


def test_the_newest_incident_of_each_fingerprint_decides() -> None:
    old, new = next_alert(None, evaluation(1, False)), next_alert(None, evaluation(9, False))
    assert old is not None
    assert new is not None
    other = replace(old, fingerprint="other:check")
    assert latest_alerts([new, other, old]) == {"asset:check": new, "other:check": other}


@pytest.mark.parametrize("passed", [True, False])
def test_an_evaluation_read_again_or_late_changes_nothing(passed: bool) -> None:
    firing = next_alert(None, evaluation(5, False))
    assert next_alert(firing, evaluation(5, False)) is None
    assert next_alert(firing, evaluation(4, passed)) is None
