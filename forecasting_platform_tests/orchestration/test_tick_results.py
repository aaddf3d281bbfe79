"""A schedule or sensor whose look fails is an incident, until a look succeeds or it is switched off."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.orchestration.sensors import alert_sensor
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.dagster_internals import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
    SerializableErrorInfo,
    TickData,
    TickStatus,
    instance_for_test,
)

ORIGIN = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("forecasting_platform"), "__repository__"), "reconcile_sensor"
)
SENSOR = InstigatorState(ORIGIN, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE)
REFUSED = SerializableErrorInfo("forecasting_platform.errors.FeedUnavailableError: http://feed is unavailable", [], "F")
AROUND = SerializableErrorInfo("dagster.SensorExecutionError: in evaluation", [], "S", cause=REFUSED)


EVENTS = {"module": "dagster._core.storage.event_log", "class": "ConsolidatedSqliteEventLogStorage"}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One whose event log is read by number, as that in Postgres."""
    with instance_for_test({"event_log_storage": EVENTS | {"config": {"base_dir": str(tmp_path)}}}) as found:
        found.add_instigator_state(SENSOR)
        yield found


def tick(instance: dg.DagsterInstance, status: TickStatus, at: float) -> None:
    error, kind, selector = AROUND if status is TickStatus.FAILURE else None, InstigatorType.SENSOR, SENSOR.selector_id
    instance.create_tick(
        TickData(ORIGIN.get_id(), "reconcile_sensor", kind, status, at, error=error, selector_id=selector)
    )


def test_a_look_that_fails_is_an_incident_until_one_succeeds_or_it_is_switched_off(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_ALERT_PENDING_SECONDS", "0")
    ledger = MemoryLedger()

    def states() -> list[str]:
        alert_sensor(dg.build_sensor_context(instance=instance), ledger=ledger, settings=Settings())
        return [alert.state for alert in ledger.alerts() if alert.fingerprint == "tick_failure:reconcile_sensor"]

    tick(instance, TickStatus.SKIPPED, 1000.0)
    assert states() == []
    tick(instance, TickStatus.FAILURE, 2000.0)
    # One that is under way says nothing yet.
    tick(instance, TickStatus.STARTED, 3000.0)
    assert states() == ["FIRING"]
    (alert,) = ledger.alerts()
    assert alert.summary.startswith("reconcile_sensor failed: FeedUnavailableError: http://feed is unavailable")
    tick(instance, TickStatus.SKIPPED, 4000.0)
    assert states() == ["RESOLVED"]
    tick(instance, TickStatus.FAILURE, 5000.0)
    assert sorted(states()) == ["FIRING", "RESOLVED"]
    instance.update_instigator_state(SENSOR.with_status(InstigatorStatus.STOPPED))
    assert states() == ["RESOLVED", "RESOLVED"]
