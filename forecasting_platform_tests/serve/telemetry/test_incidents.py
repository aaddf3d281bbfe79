"""A champion that cannot be served is told to a person."""

from contextlib import suppress

import pytest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.errors import InvalidArtifactError, StoreUnavailableError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.monitoring.next_steps import NEXT_STEPS
from forecasting_platform.ports.ledger import AlertsChange
from forecasting_platform_tests.support.breakable_registry import Registry, watch_of
from serve.forecasts.champion import ChampionWatch
from serve.telemetry.incidents import CHAMPION_LOADS, Incidents
from serve.telemetry.metrics import Metrics
from serve.telemetry.prediction_log import PredictionLog


def look(watch: ChampionWatch) -> None:
    with suppress(InvalidArtifactError):
        watch.look()


@pytest.fixture
def registry(model: ForecastModel) -> Registry:
    registry = Registry()
    registry.promote(model)
    registry.broken = frozenset({"2"})
    return registry


def test_a_broken_version_opens_one_incident_and_the_next_good_one_ends_it(
    registry: Registry, model: ForecastModel
) -> None:
    ledger, watch = MemoryLedger(), watch_of(registry)
    incidents = Incidents(ledger, watch.trouble)
    look(watch)
    incidents.report()
    assert ledger.alerts() == []
    registry.promote(model)
    for _ in range(3):
        look(watch)
        incidents.report()
    (alert,) = ledger.alerts()
    assert (alert.fingerprint, alert.state, alert.severity, alert.delivered) == (
        CHAMPION_LOADS,
        "PENDING",
        "error",
        None,
    )
    assert alert.summary == (
        "version 2 is champion but cannot be served, so version 1 goes on answering: "
        "model version 2 cannot be used: a byte differs. Train a new version or roll back. "
        f"Next: {NEXT_STEPS['champion_loads']}"
    )
    registry.promote(model)
    look(watch)
    incidents.report()
    assert [found.state for found in ledger.alerts()] == ["RESOLVED"]


def test_an_alias_back_at_the_version_that_answers_ends_the_trouble(registry: Registry, model: ForecastModel) -> None:
    watch = watch_of(registry)
    look(watch)
    registry.promote(model)
    look(watch)
    assert watch.trouble() is not None
    registry.move_champion(registry.get_version("1"), expected="2")
    look(watch)
    assert watch.trouble() is None


def test_a_champion_that_lost_its_alias_answers_on_and_is_told(registry: Registry, model: ForecastModel) -> None:
    watch = watch_of(registry)
    look(watch)
    del registry._aliases["champion"]
    look(watch)
    assert watch.trouble() == "no version has the alias champion any more, so version 1 goes on answering"
    registry.move_champion(registry.get_version("1"), expected=None)
    look(watch)
    assert watch.trouble() is None


def test_a_champion_that_the_platform_did_not_register_is_told(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watch_of(registry)
    look(watch)

    def foreign(alias: object) -> None:
        raise InvalidArtifactError("7", "it has no tag 'cutoff', so this platform did not register it")

    monkeypatch.setattr(registry, "version_at", foreign)
    look(watch)
    assert "version 7 is champion but cannot be served, so version 1 goes on answering" in str(watch.trouble())


def test_an_incident_of_an_earlier_process_is_ended_by_the_first_good_look(
    registry: Registry, model: ForecastModel
) -> None:
    ledger = MemoryLedger()
    Incidents(ledger, lambda: "broken").report()
    assert [found.state for found in ledger.alerts()] == ["PENDING"]
    Incidents(ledger, lambda: None).report()
    assert [found.state for found in ledger.alerts()] == ["RESOLVED"]


def test_a_trouble_that_another_app_took_for_over_is_told_again() -> None:
    ledger = MemoryLedger()
    in_trouble = Incidents(ledger, lambda: "broken")
    in_trouble.report()
    Incidents(ledger, lambda: None).report()
    for _ in range(3):
        in_trouble.report()
    assert [found.is_open for found in ledger.alerts()] == [True, False]


class DownLedger(MemoryLedger):
    down = True

    def change_alerts(self, change: AlertsChange) -> int:
        if self.down:
            raise StoreUnavailableError("the ledger", "gone")
        return super().change_alerts(change)


def test_a_ledger_that_was_down_is_told_when_it_is_back() -> None:
    ledger = DownLedger()
    incidents = Incidents(ledger, lambda: "broken")
    with pytest.raises(StoreUnavailableError):
        incidents.report()
    ledger.down = False
    incidents.report()
    assert [found.summary for found in ledger.alerts()] == [f"broken. Next: {NEXT_STEPS['champion_loads']}"]


def test_metrics_tell_a_refused_version_and_how_long_the_registry_is_silent(
    registry: Registry, model: ForecastModel
) -> None:
    from prometheus_client import generate_latest

    watch = watch_of(registry)
    metrics = Metrics(watch, PredictionLog(None))
    look(watch)
    assert b"forecasting_app_champion_refused 0.0" in generate_latest(metrics.registry)
    assert b"forecasting_app_registry_silent_seconds " in generate_latest(metrics.registry)
    registry.promote(model)
    look(watch)
    assert b"forecasting_app_champion_refused 1.0" in generate_latest(metrics.registry)
