"""One cause is one incident, whatever checks fail of it, and no later change hides behind it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from forecasting_platform.forecasting.monitoring.alert_messages import Route
from forecasting_platform.forecasting.monitoring.causes import checks_of, newest_seen
from forecasting_platform.forecasting.monitoring.findings import MAX_TOLD, Finding, Findings
from forecasting_platform.forecasting.monitoring.incidents import HISTORICAL, AlertPolicy, Evaluation, Mute
from forecasting_platform_tests.support.incident_ledger import HOOK, IncidentLedger

BEGIN = date(2023, 7, 18)
NOON = datetime(2023, 7, 20, 12, tzinfo=UTC)
DRIFT, BIAS, RMSE = (
    "feature_table:feature_table_matches_reference",
    "forecast_errors:forecast_bias_within_budget",
    "forecast_errors:forecast_rmse_within_budget",
)
Bad = Mapping[str, date] | tuple[str, ...]


def result(check: str, event_id: int, bad: Bad = (), said: str = "", **changes: Any) -> Evaluation:
    """What a check found in series, since a day each, by default since the begin."""
    since = bad if isinstance(bad, Mapping) else dict.fromkeys(bad, BEGIN)
    found = Findings(50, {name: Finding(day, said) for name, day in since.items()}, changes.pop("unknown", frozenset()))
    at = NOON + timedelta(minutes=event_id)
    evaluation = Evaluation(check, event_id, "failed" if bad else "passed", "warning", at, "", findings=found)
    return replace(evaluation, **changes)


class Ledger(IncidentLedger):
    def look(self, *seen: Evaluation, **options: Any) -> None:
        at, policy = max(found.evaluated_at for found in seen), AlertPolicy(pending=timedelta(0))
        super().look(*seen, at=at, policy=policy, **options)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_checks_that_fail_for_a_series_and_the_same_days_are_one_incident_with_the_cause_first(ledger: Ledger) -> None:
    ledger.look(result(BIAS, 1, ("a",), "bias 3 over 28 days"))
    ledger.look(result(RMSE, 2, {"a": BEGIN + timedelta(days=1)}))
    ledger.look(result(DRIFT, 3, ("a",), "its values fell to zero"))
    assert ledger.only.fingerprint == "series:a"
    assert ledger.told == ["series:a@1 FIRING"]
    assert ledger.only.summary.startswith(
        "a: its values fell to zero (since 2023-07-18); evidence: forecast_bias_within_budget (since 2023-07-18), "
        "forecast_rmse_within_budget (since 2023-07-19). Next: If the change is true, `train`"
    )


def test_the_words_of_the_cause_outlast_what_other_checks_find_later(ledger: Ledger) -> None:
    ledger.look(result(DRIFT, 1, ("a",), "its values fell to zero"))
    assert ledger.only.summary.startswith("a: its values fell to zero (since 2023-07-18). Next: ")
    ledger.look(result("forecasts:forecasts_are_stable", 2, ("a",)), result(RMSE, 3, ("a",)))
    ledger.look(result("feature_table:a_check_of_ones_own", 4, ("a",)), result(BIAS, 5, ("a",)))
    assert ledger.only.summary.startswith(
        "a: its values fell to zero (since 2023-07-18); evidence: forecast_bias_within_budget (since 2023-07-18), "
        "forecasts_are_stable (since 2023-07-18), forecast_rmse_within_budget (since 2023-07-18), "
        "a_check_of_ones_own (since 2023-07-18). Next: "
    )


def test_a_finding_goes_on_as_the_same_when_its_begin_is_estimated_anew(ledger: Ledger) -> None:
    ledger.look(result(BIAS, 1, ("a",)))
    ledger.look(result(BIAS, 2, {"a": BEGIN + timedelta(days=40)}))
    assert ledger.open == ["series:a"]
    assert "since 2023-08-27" in ledger.only.summary


def test_what_begins_four_weeks_later_is_of_the_cause_and_a_day_after_that_is_not(ledger: Ledger) -> None:
    ledger.look(result(DRIFT, 1, ("a", "b")))
    ledger.look(result(BIAS, 2, {"a": BEGIN + timedelta(days=28), "b": BEGIN + timedelta(days=29)}))
    assert ledger.open == ["series:a", "series:b", "series:b:2023-08-16"]


def test_the_newest_result_of_a_check_is_the_newest_that_any_incident_has_taken_in() -> None:
    seen = [f'{{"found": {{}}, "seen": {{"a": {a}, "b": {b}}}}}' for a, b in ((7, 0), (3, 0))]
    assert newest_seen([seen[0], None, seen[1]]) == {"a": 7, "b": 0}
    assert checks_of(None) == ()
    assert checks_of('{"found": {"a": {}, "b": {}}}') == ["a", "b"]


def test_a_series_that_ends_is_one_incident_though_a_day_was_missing_and_actuals_were_late_before(
    ledger: Ledger,
) -> None:
    missing, late = "raw_observations:observations_meet_expectations", "forecast_errors:actuals_are_complete"
    ended = "feature_table:every_series_goes_on"
    ledger.look(result(missing, 1, ("a",)), result(late, 2, {"a": BEGIN + timedelta(days=1)}))
    ledger.look(result(ended, 3, {"a": BEGIN + timedelta(days=1)}, "it has ended"), result(late, 4))
    assert ledger.told == ["series:a@1 FIRING"]
    assert ledger.only.summary.startswith(
        "a: it has ended (since 2023-07-19); evidence: observations_meet_expectations"
    )


def test_it_ends_when_no_check_finds_anything_any_more(ledger: Ledger) -> None:
    ledger.look(result(BIAS, 1, ("a",)), result(DRIFT, 2, ("a",)))
    ledger.look(result(BIAS, 3))
    assert ledger.open == ["series:a"]
    assert "bias" not in ledger.only.summary
    ledger.look(result(DRIFT, 4))
    assert ledger.open == []
    assert ledger.told == ["series:a@1 FIRING", "series:a@1 RESOLVED"]


def test_each_series_has_an_incident_of_its_own_life(ledger: Ledger) -> None:
    ledger.look(result(BIAS, 1, ("a", "b")))
    ledger.look(result(BIAS, 2, ("b", "c")))
    assert ledger.open == ["series:b", "series:c"]
    assert ledger.told == [
        "series:a@1 FIRING", "series:b@1 FIRING", "series:a@1 RESOLVED", "series:c@2 FIRING",
    ]  # fmt: skip


def test_what_begins_long_after_it_in_the_same_series_is_an_incident_of_its_own(ledger: Ledger) -> None:
    ledger.look(result(DRIFT, 1, ("a",)))
    later = BEGIN + timedelta(days=40)
    ledger.look(result(BIAS, 2, {"a": later}))
    assert ledger.open == ["series:a", f"series:a:{later}"]
    ledger.look(result(DRIFT, 3))
    assert ledger.open == [f"series:a:{later}"]


def test_many_series_that_move_within_a_week_are_one_incident_and_a_late_one_another(ledger: Ledger) -> None:
    moved = {f"s{number}": BEGIN + timedelta(days=number % 7) for number in range(8)}
    ledger.look(result(DRIFT, 1, moved | {"late": BEGIN + timedelta(days=20)}))
    ledger.look(result(BIAS, 2, tuple(moved)))
    assert ledger.open == [f"many_series:{BEGIN}", "series:late"]
    assert len(ledger.messages) == 2
    many = ledger.alerts[f"many_series:{BEGIN}@1"].summary
    assert "8 series moved within a week from 2023-07-18: s0, s1, s2, s3, s4; look for one cause first" in many


def test_an_incident_of_many_series_says_of_five_what_happened_to_them(ledger: Ledger) -> None:
    ledger.look(result(DRIFT, 1, tuple(f"s{number}" for number in range(8)), "fell"))
    told = "; ".join(f"s{number}: fell" for number in range(5))
    assert ledger.only.summary.startswith(
        f"8 series moved within a week from 2023-07-18: {told}; look for one cause first. Next: "
    )


def test_a_series_that_cannot_be_judged_keeps_what_was_found_in_it(ledger: Ledger) -> None:
    ledger.look(result(BIAS, 1, ("a",)))
    ledger.look(result(BIAS, 2, unknown=frozenset({"a"})))
    ledger.look(result(BIAS, 3, result="unknown"))
    assert "series:a" in ledger.open


def test_results_read_twice_or_late_neither_open_nor_end_anything_twice(ledger: Ledger) -> None:
    seen = [result(BIAS, 1, ("a",)), result(DRIFT, 2, ("a",)), result(BIAS, 3), result(DRIFT, 4)]
    for found in [*seen, *seen]:
        ledger.look(found, *seen[:2])
    assert ledger.open == []
    assert ledger.told == ["series:a@1 FIRING", "series:a@1 RESOLVED"]
    ledger.look(result(RMSE, 6, ("a",)))
    ledger.look(result(BIAS, 5, ("a",)))  # it was written later
    assert ledger.open == ["series:a"]
    assert "forecast_rmse_within_budget (since" in ledger.alerts["series:a@6"].summary


def test_results_of_many_series_that_are_read_again_after_the_incident_open_nothing(ledger: Ledger) -> None:
    names = tuple(f"s{number}" for number in range(8))
    later = dict.fromkeys(names[:3], BEGIN + timedelta(days=3))
    seen = [result(DRIFT, 1, names), result(BIAS, 2, later), result(DRIFT, 3), result(BIAS, 4)]
    for _ in range(2):
        ledger.look(*seen)
    assert [alert.fingerprint for alert in ledger.alerts.values()] == [f"many_series:{BEGIN}"]
    assert ledger.open == []


def test_it_is_muted_where_all_its_checks_are_and_told_when_another_check_finds_it_too(ledger: Ledger) -> None:
    mutes = [Mute("forecast_errors:*", NOON + timedelta(days=9), "known", "ann")]
    ledger.look(result(BIAS, 1, ("a",)), mutes=mutes)
    ledger.look(result(RMSE, 2, ("a",)), mutes=mutes)
    assert (ledger.only.state, ledger.only.muted_by, ledger.told) == ("MUTED", "ann: known", [])
    ledger.look(result(DRIFT, 3, ("a",)), mutes=mutes)
    assert (ledger.only.state, ledger.told) == ("FIRING", ["series:a@1 FIRING"])


def test_a_route_that_takes_errors_only_is_told_once_an_incident_becomes_one(ledger: Ledger) -> None:
    routes = (HOOK, Route("errors", (frozenset({"error"}),)))
    ledger.look(result(DRIFT, 1, ("a",)), routes=routes)
    ledger.look(result(BIAS, 2, ("a",), severity="error"), routes=routes)
    ledger.look(result(BIAS, 3, ("a",), severity="error"), routes=routes)
    assert sorted(ledger.messages) == ["series:a@1/FIRING/errors", "series:a@1/FIRING/hook"]


def test_days_long_past_call_nobody_and_end_nothing_that_is_open(ledger: Ledger) -> None:
    ledger.look(result(BIAS, 1, ("a",)))
    ledger.look(result(BIAS, 2, ("old",), historical=True))
    assert ledger.open == ["series:a", "series:old"]
    assert ledger.alerts["series:old@2"].muted_by == HISTORICAL
    assert ledger.told == ["series:a@1 FIRING"]


def test_an_incident_of_the_check_itself_ends_once_it_is_judged_series_by_series(ledger: Ledger) -> None:
    ledger.look(replace(result(BIAS, 1, ("a",)), findings=None))
    assert ledger.open == [BIAS]
    ledger.look(result(BIAS, 2, ("a",)))
    assert ledger.open == ["series:a"]


def test_findings_are_read_back_and_words_are_kept_of_the_worst_only() -> None:
    names = [f"s{number}" for number in range(MAX_TOLD + 1)]
    found = Findings(99, {name: Finding(BEGIN, "fell") for name in names}, frozenset({"x"}))
    again = Findings.from_json(found.to_json())
    assert list(again.bad) == names
    assert (again.bad[names[0]].said, again.bad[names[-1]].said) == ("fell", "")
    assert (again.judged, again.unknown) == (99, {"x"})
