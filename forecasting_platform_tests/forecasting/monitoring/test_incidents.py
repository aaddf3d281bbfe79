"""One incident from the first failure to the recovery, whatever is read twice, late, or after a restart."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting_platform.forecasting.monitoring.evaluations import find_mute_reason, latest_alerts
from forecasting_platform.forecasting.monitoring.incidents import (
    HISTORICAL,
    Evaluation,
    Mute,
    Result,
    advance,
    announce,
    next_alert,
)
from forecasting_platform.forecasting.monitoring.next_steps import with_next_step
from forecasting_platform_tests.support.incident_ledger import IncidentLedger
from forecasting_platform_tests.support.true_incidents import true_incidents

NOON = datetime(2023, 7, 1, 12, tzinfo=UTC)
NAME = "forecast_errors:forecast_bias_within_budget"
FEED = "forecast_errors:actuals_are_complete"


def evaluation(event_id: int, result: Result, **changes: Any) -> Evaluation:
    at = NOON + timedelta(minutes=event_id)
    return replace(Evaluation(NAME, event_id, result, "error", at, "summary"), **changes)


class Ledger(IncidentLedger):
    def look(self, *seen: Evaluation, at: datetime | None = None, **options: Any) -> None:
        super().look(*seen, at=at or max((found.evaluated_at for found in seen), default=NOON), **options)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_a_failure_waits_before_it_fires_and_its_recovery_is_told(ledger: Ledger) -> None:
    ledger.look(evaluation(1, "failed"))
    assert (ledger.only.state, ledger.told) == ("PENDING", [])
    ledger.look(at=NOON + timedelta(minutes=3))
    assert ledger.only.state == "FIRING"
    ledger.look(evaluation(9, "passed"))
    assert ledger.only.state == "RESOLVED"
    assert ledger.told == [f"{NAME}@1 FIRING", f"{NAME}@1 RESOLVED"]


def test_the_end_of_an_incident_is_told_though_the_next_one_has_begun(ledger: Ledger) -> None:
    ledger.look(evaluation(1, "failed"))
    ledger.look(at=NOON + timedelta(minutes=3))
    # The app ends its incident and opens another by itself, before anybody looks.
    ended = next_alert(ledger.only, evaluation(5, "passed"))
    opened = next_alert(ended, evaluation(6, "failed"))
    assert ended is not None
    assert opened is not None
    ledger.alerts |= {ended.alert_id: ended, opened.alert_id: opened}
    for minutes in (7, 8):
        ledger.look(at=NOON + timedelta(minutes=minutes))
    assert ledger.told == [f"{NAME}@1 FIRING", f"{NAME}@6 FIRING", f"{NAME}@1 RESOLVED"]


def test_a_failure_that_passes_at_once_is_told_to_nobody(ledger: Ledger) -> None:
    ledger.look(evaluation(1, "failed"))
    ledger.look(evaluation(2, "passed", evaluated_at=NOON + timedelta(minutes=1, seconds=5)))
    assert (ledger.only.state, ledger.told) == ("RESOLVED", [])


def test_a_second_failure_fires_without_waiting(ledger: Ledger) -> None:
    second = evaluation(2, "failed", evaluated_at=NOON + timedelta(minutes=1, seconds=1), summary="worse")
    ledger.look(evaluation(1, "failed"), second)
    assert (ledger.only.state, ledger.only.summary) == ("FIRING", with_next_step("worse", NAME))
    assert ledger.only.first_seen == evaluation(1, "failed").evaluated_at


def test_what_failed_and_recovered_while_nobody_looked_is_told_both_ways(ledger: Ledger) -> None:
    ledger.look(evaluation(1, "failed"), evaluation(60, "passed"))
    assert [key.split()[-1] for key in ledger.told] == ["FIRING", "RESOLVED"]


def test_unknown_tells_nobody_and_the_first_failure_from_it_fires_at_once(ledger: Ledger) -> None:
    ledger.look(evaluation(1, "unknown"), at=NOON + timedelta(hours=1))
    assert (ledger.only.state, ledger.told) == ("UNKNOWN", [])
    ledger.look(evaluation(2, "failed"))
    assert (ledger.only.state, ledger.told) == ("FIRING", [f"{NAME}@1 FIRING"])


def test_unknown_neither_ends_an_incident_nor_tells_it_again(ledger: Ledger) -> None:
    ledger.look(evaluation(1, "failed"), evaluation(2, "failed"), evaluation(3, "unknown"))
    assert (ledger.only.state, len(ledger.messages)) == ("FIRING", 1)


def test_unknown_that_becomes_good_is_over_without_a_word(ledger: Ledger) -> None:
    ledger.look(evaluation(1, "unknown"), evaluation(2, "passed"))
    assert (ledger.only.state, ledger.told) == ("RESOLVED", [])


def test_a_historical_backfill_calls_nobody_until_a_newer_day_fails(ledger: Ledger) -> None:
    ledger.look(evaluation(1, "failed", historical=True), at=NOON + timedelta(days=3))
    assert (ledger.only.state, ledger.only.muted_by, ledger.told) == ("MUTED", HISTORICAL, [])
    ledger.look(evaluation(9, "failed"))
    assert (ledger.only.state, len(ledger.messages)) == ("FIRING", 1)


def test_what_is_muted_is_told_when_the_mute_ends_and_it_still_fails(ledger: Ledger) -> None:
    mutes = [Mute("forecast_errors:*", NOON + timedelta(hours=2), "known", "ann")]
    ledger.look(evaluation(1, "failed"), evaluation(2, "failed"), mutes=mutes)
    assert (ledger.only.state, ledger.only.muted_by, ledger.told) == ("MUTED", "ann: known", [])
    ledger.look(at=NOON + timedelta(hours=3), mutes=mutes)
    assert (ledger.only.state, len(ledger.messages)) == ("FIRING", 1)


def test_a_stale_feed_silences_the_error_checks_and_not_itself(ledger: Ledger) -> None:
    stale = evaluation(2, "failed", fingerprint=FEED)
    ledger.look(evaluation(1, "failed"), stale, at=NOON + timedelta(minutes=1, seconds=10))
    ledger.look(at=NOON + timedelta(minutes=5))
    states = {alert.fingerprint: (alert.state, alert.muted_by) for alert in ledger.alerts.values()}
    assert states == {NAME: ("MUTED", f"follows from {FEED}"), FEED: ("FIRING", None)}
    ledger.look(evaluation(9, "passed", fingerprint=FEED))
    assert ledger.alerts[f"{NAME}@1"].state == "FIRING", "it fails on its own"


def test_one_late_series_silences_nothing_of_the_others(ledger: Ledger) -> None:
    late = evaluation(2, "failed", fingerprint=FEED, severity="warning")
    ledger.look(evaluation(1, "failed"), late, at=NOON + timedelta(minutes=1, seconds=10))
    ledger.look(at=NOON + timedelta(minutes=5))
    assert {alert.fingerprint: alert.state for alert in ledger.alerts.values()} == {NAME: "FIRING", FEED: "FIRING"}


def test_muting_an_incident_that_was_told_silences_reminders_but_not_the_recovery(ledger: Ledger) -> None:
    ledger.look(evaluation(1, "failed"), evaluation(2, "failed"))
    mutes = [Mute("*", NOON + timedelta(days=9), "known", "ann")]
    ledger.look(at=NOON + timedelta(days=2), mutes=mutes)
    assert len(ledger.messages) == 1
    ledger.look(evaluation(5000, "passed"), mutes=mutes)
    assert [key.split()[-1] for key in ledger.told] == ["FIRING", "RESOLVED"]


def test_an_incident_is_told_again_each_day_until_somebody_is_on_it(ledger: Ledger) -> None:
    ledger.look(evaluation(1, "failed"), evaluation(2, "failed"))
    for hours in (12, 25, 30, 50):
        ledger.look(at=NOON + timedelta(hours=hours))
    assert sum("REMINDER" in key for key in ledger.messages) == 2
    ledger.alerts[f"{NAME}@1"] = replace(ledger.only, acknowledged=NOON, acknowledged_by="ann")
    ledger.look(at=NOON + timedelta(hours=99))
    assert sum("REMINDER" in key for key in ledger.messages) == 2


def test_without_a_route_nobody_waits_for_a_message() -> None:
    firing = advance(
        next_alert(None, evaluation(1, "failed")) or pytest.fail("nothing opened"), NOON + timedelta(hours=1)
    )
    marked, messages = announce(firing, NOON, [])
    assert (marked.delivered, messages) == (NOON, [])


def test_a_mute_ends_at_its_time() -> None:
    mute = Mute("a:*", NOON, "known", "ann")
    assert find_mute_reason("a:b", NOON - timedelta(seconds=1), [mute], {}) == "ann: known"
    assert find_mute_reason("a:b", NOON, [mute], {}) is None


@pytest.mark.parametrize("result", ["passed", "failed"])
def test_an_evaluation_read_again_or_late_changes_nothing(result: Result) -> None:
    pending = next_alert(None, evaluation(5, "failed"))
    assert next_alert(pending, evaluation(5, "failed")) is None
    assert next_alert(pending, evaluation(4, result)) is None


def test_the_newest_incident_of_each_fingerprint_decides() -> None:
    old = next_alert(None, evaluation(1, "failed")) or pytest.fail("nothing opened")
    new = next_alert(None, evaluation(9, "failed")) or pytest.fail("nothing opened")
    other = replace(old, fingerprint="other:check")
    assert latest_alerts([new, other, old]) == {NAME: new, "other:check": other}


def replay(results: list[Result], looks: list[int], repeats: list[int]) -> Ledger:
    """Evaluations a minute apart, seen in looks of some each, with some read again; a crash loses a look's cursor."""
    ledger = Ledger()
    events = [evaluation(number, result) for number, result in enumerate(results, start=1)]
    position = 0
    for size in [*looks, len(events)]:
        seen = events[position : position + size]
        again = [events[max(0, position - 1 - back)] for back in repeats if position]
        ledger.look(*again, *seen, at=NOON + timedelta(minutes=position + size))
        position = min(position + size, len(events))
    ledger.look(at=NOON + timedelta(minutes=len(events) + 1))
    return ledger


RESULTS = st.sampled_from(["passed", "failed", "unknown"])


@given(
    st.lists(RESULTS, max_size=30), st.lists(st.integers(0, 4), max_size=20), st.lists(st.integers(0, 6), max_size=3)
)
def test_each_true_incident_fires_once_and_resolves_once(
    results: list[Result], looks: list[int], repeats: list[int]
) -> None:
    ledger = replay(results, looks, repeats)
    kinds = [message.kind for message in ledger.messages.values()]
    assert (kinds.count("FIRING"), kinds.count("RESOLVED")) == true_incidents(results)
    assert sum(alert.is_open and alert.state == "FIRING" for alert in ledger.alerts.values()) <= 1


@pytest.mark.slow
def test_ten_thousand_random_sequences_lose_and_double_nothing() -> None:
    generator = random.Random(0)
    opened = 0
    for _ in range(10_000):
        results: list[Result] = generator.choices(["passed", "failed", "unknown"], k=generator.randint(0, 14))
        looks = [generator.randint(0, 4) for _ in range(8)]
        kinds = [found.kind for found in replay(results, looks, [generator.randint(0, 6)]).messages.values()]
        assert (kinds.count("FIRING"), kinds.count("RESOLVED")) == true_incidents(results), (results, looks)
        opened += kinds.count("FIRING")
    assert opened > 10_000
