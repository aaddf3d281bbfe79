"""The closed loop: a lasting incident asks for one training, and its whole story can be read."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.forecasting.monitoring.causes import Evidence, Source
from forecasting_platform.forecasting.monitoring.findings import Finding
from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform.forecasting.monitoring.retraining import Retraining, ask_for_training
from forecasting_platform.forecasting.reports.incident_story import story
from forecasting_platform.orchestration.names import tag_key
from forecasting_platform.orchestration.retraining import retraining_sensor
from forecasting_platform.orchestration.sensors import ASKED
from forecasting_platform.settings import Settings
from forecasting_platform_tests.contracts.ledger_contract import DECISION

NOW = datetime(2023, 7, 10, 6, tzinfo=UTC)
BIAS = "forecast_errors:forecast_bias_within_budget"


def incident(fingerprint: str = BIAS, *, days: float = 1, state: str = "FIRING", at: datetime = NOW) -> Alert:
    """One that has lasted for some days."""
    return Alert(f"{fingerprint}@1", fingerprint, state, "error", "bias 3 GWh", at - timedelta(days=days), at, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("alert", "is_asked"),
    [
        (incident(), True),
        (incident("forecast_errors:forecast_rmse_within_budget"), True),
        (incident("forecast_errors:forecasts_beat_naive"), False),
        (incident(days=0.1), False),
        (incident(state="MUTED"), False),
        (incident(state="UNKNOWN"), False),
    ],
    ids=["bias", "error", "another check", "seen on one day", "muted", "unknown"],
)
def test_an_incident_of_bias_or_error_asks_when_it_lasts(alert: Alert, is_asked: bool) -> None:
    asked = ask_for_training([alert], [], NOW, every_days=7)
    assert (asked is not None) == is_asked
    assert asked is None or asked.alert_id == alert.alert_id


@pytest.mark.parametrize(("check", "is_asked"), [(BIAS, True), ("feature_table:observations_are_plausible", False)])
def test_an_incident_of_a_series_asks_by_what_fails_in_it(check: str, is_asked: bool) -> None:
    found = {check: {"a": Finding(NOW.date(), "3 GWh too high")}}
    evidence = Evidence(NOW.date(), found, {check: Source(check, "error")}, {check: 2})
    alert = replace(incident("series:a"), evidence=evidence.to_json())
    assert (ask_for_training([alert], [], NOW, every_days=7) is not None) == is_asked


def test_all_incidents_together_ask_for_one_training_in_some_days() -> None:
    second = replace(incident(days=9), alert_id="another", fingerprint="forecast_errors:forecast_rmse_within_budget")
    first = ask_for_training([incident(), second], [], NOW, every_days=7)
    assert first is not None
    assert first.alert_id == "another", "the oldest asks"
    assert ask_for_training([second], [first], NOW + timedelta(days=6, hours=23), every_days=7) is None
    again = ask_for_training([second], [first], NOW + timedelta(days=7), every_days=7)
    assert again is not None
    assert again.key != first.key
    assert ask_for_training([second], [], NOW, every_days=0) is None


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def look(instance: dg.DagsterInstance, ledger: MemoryLedger) -> dg.RunRequest | dg.SkipReason:
    found = retraining_sensor(dg.build_sensor_context(instance=instance), ledger=ledger, settings=Settings())
    assert isinstance(found, dg.RunRequest | dg.SkipReason)
    return found


@pytest.mark.parametrize("version", ["7", None], ids=["a version", "a run that failed"])
def test_the_sensor_asks_once_and_records_what_became_of_it(instance: dg.DagsterInstance, version: str | None) -> None:
    ledger = MemoryLedger()
    ledger.save_alerts([incident(at=datetime.now(UTC))])
    request = look(instance, ledger)
    assert isinstance(request, dg.RunRequest)
    # The tick died before the run was made: it is the same request again.
    again = look(instance, ledger)
    assert isinstance(again, dg.RunRequest)
    assert (again.run_key, again.tags) == (request.run_key, request.tags)

    @dg.asset
    def trained_model() -> dg.MaterializeResult[None]:
        if version is None:
            raise ValueError
        return dg.MaterializeResult(metadata={"model_version": version})

    dg.materialize([trained_model], instance=instance, tags=dict(request.tags), raise_on_error=False)
    assert "made" in str(look(instance, ledger).skip_message)  # type: ignore[union-attr]
    (recorded,) = ledger.retrainings()
    assert (recorded.version, recorded.ended_at is not None) == (version, True)
    assert "no lasting incident" in str(look(instance, ledger).skip_message)  # type: ignore[union-attr]


def test_while_a_training_runs_none_is_asked_for(instance: dg.DagsterInstance) -> None:
    ledger = MemoryLedger()
    ledger.save_alerts([incident(at=datetime.now(UTC))])
    instance.add_run(dg.DagsterRun("training_job", status=dg.DagsterRunStatus.STARTED))
    assert "in progress" in str(look(instance, ledger).skip_message)  # type: ignore[union-attr]
    assert ledger.retrainings() == []


def test_a_platform_follows_its_own_runs(instance: dg.DagsterInstance) -> None:
    ledger = MemoryLedger()
    ledger.save_retraining(Retraining("key", BIAS, NOW))
    done = dg.DagsterRunStatus.SUCCESS
    instance.add_run(dg.DagsterRun("south_training_job", status=done, tags={tag_key("south", ASKED): "key"}))
    assert isinstance(look(instance, ledger), dg.RunRequest)


def test_a_story_goes_from_detection_to_recovery() -> None:
    alert = replace(incident(days=3), state="RESOLVED", resolved=NOW + timedelta(days=4))
    asked = Retraining("key", alert.alert_id, NOW, NOW + timedelta(minutes=5), DECISION.challenger_version)
    another = replace(asked, key="another", alert_id="another@1")
    decision = replace(DECISION, verdict="refresh", decided_at=NOW + timedelta(minutes=6))
    told = story(alert, [asked, another], [decision])
    assert [step.happened for step in told] == ["detected", "asked", "retrained", "promoted", "resolved"]
    held = replace(decision, verdict="hold")
    assert [step.happened for step in story(alert, [asked], [held])][3] == "held"
    failed = replace(asked, version=None)
    assert [step.happened for step in story(alert, [failed], [])] == ["detected", "asked", "failed", "resolved"]
    assert [step.happened for step in story(incident(), [], [])] == ["detected"]
