"""One incident from the first failure to the recovery, whatever is read twice."""

from datetime import UTC, datetime

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
    from dataclasses import replace

    resolved = next_alert(replace(firing, delivered=firing.first_seen), evaluation(2, True))
    assert resolved is not None
    assert (resolved.state, resolved.delivered) == ("RESOLVED", None)
