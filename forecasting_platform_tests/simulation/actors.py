"""The processes of the platform: what each does, by the product's own functions, one port call after another."""

from collections.abc import Callable
from datetime import timedelta

import pandas as pd

from forecasting_platform.forecasting.monitoring.incidents import Evaluation, Result
from forecasting_platform.forecasting.promotion.decisions import newest_decision
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.services.feature_table import build_feature_table
from forecasting_platform.services.forecast_errors import match_forecast_errors
from forecasting_platform.services.forecasts import issue
from forecasting_platform.services.promotion.promoter import PROMOTION_SENSOR
from forecasting_platform_tests.simulation.models import HORIZON, SERIES, model_named
from forecasting_platform_tests.simulation.world import World
from forecasting_platform_tests.support.in_process_engine import in_process
from serve.telemetry.incidents import Incidents

COUNTRY = "IE"
Body = Callable[[], object]


def days_from(first: int, last: int) -> DateRange:
    """Days of the simulation: 1 is the day after the newest that a model has seen."""
    start = pd.Timestamp("2023-06-30").date()
    return DateRange(start + timedelta(days=first), start + timedelta(days=last))


def publisher(world: World, changes: list[dict[tuple[str, pd.Timestamp], float]]) -> Body:
    """The feed's owner: revises and adds values."""

    def body() -> None:
        for change in changes:
            world.feed.publish(change)

    return body


def load(world: World, days: DateRange) -> Body:
    """`load_job`: what the feed has is recorded, then the features that depend on it are built."""

    def body() -> None:
        world.unfinished.append(days)
        document = world.feed.fetch(days)
        world.store.record_observations(
            document.observations, days, available_at=document.fetched_at, quarantined=document.quarantined
        )
        build_feature_table(world.store, in_process(world.store), days, COUNTRY)  # type: ignore[arg-type] # acts as a store
        world.unfinished.remove(days)
        world.loaded.append(days)

    return body


def forecast(world: World, days: DateRange) -> Body:
    """`forecast_job`: forecasts of these cutoffs, errors of these days."""

    def body() -> None:
        issue(world.store, in_process(world.store), world.registry, days)  # type: ignore[arg-type] # acts as a store
        match_forecast_errors(world.store, days, HORIZON)  # type: ignore[arg-type] # acts as a store

    return body


def training(world: World, name: str) -> Body:
    """`training_job`: a new version, which becomes the challenger."""
    return lambda: world.registry.register(model_named(name), plots={}, run_tags={})


def promotion(world: World, decided_by: str = PROMOTION_SENSOR) -> Body:
    """`promotion_job`, asked for by the sensor or by `promote`."""
    return lambda: world.promoter.evaluate(decided_by)


def sensor(world: World, looks: int) -> Body:
    """`promotion_sensor`, and the runs that it asks for."""

    def body() -> None:
        for _ in range(looks):
            if _asks(world):
                world.promoter.evaluate(PROMOTION_SENSOR)

    return body


def _asks(world: World) -> bool:
    if world.promoter.versions.owed() is not None or world.promoter.shown_by_new_days():
        return True
    challenger, champion = world.registry.version_at("challenger"), world.registry.version_at("champion")
    serving = champion.version if champion else None
    if challenger is None or challenger.version == serving:
        return False
    return newest_decision(world.ledger.decisions(limit=50), challenger.version, serving) is None


def person(world: World, action: str, to_version: str | None = None) -> Body:
    """A command: `rollback`, `override`."""
    change = world.promoter.roll_back if action == "rollback" else world.promoter.override
    return lambda: change(to_version, "a drill", "a person")


def teller(world: World, results: list[Evaluation]) -> Body:
    """Whoever tells of results: the alert sensor, the failure sensor, a run."""
    return lambda: world.alerts.report(results)


def app(world: World, troubles: list[str | None]) -> Body:
    """The app, which tells whether the champion answers."""
    found: list[str | None] = [None]
    incidents = Incidents(world.ledger, lambda: found[0])  # type: ignore[arg-type] # acts as a ledger

    def body() -> None:
        world.app_has_told = True
        for trouble in troubles:
            found[0] = trouble
            incidents.report()

    return body


def delivery(world: World) -> Body:
    """Sends what waits in the outbox."""
    world.deliveries += 1
    return lambda: world.alerts.send_waiting()


def acknowledging(world: World) -> Body:
    """Somebody says that they are on whatever is open."""

    def body() -> None:
        for alert in world.ledger.alerts(open_only=True):
            world.ledger.acknowledge(alert.alert_id, "ann", world.clock.now())

    return body


def result(world: World, fingerprint: str, event_id: int, became: Result) -> Evaluation:
    """A result of something watched."""
    return Evaluation(fingerprint, event_id, became, "error", world.clock.now(), f"{fingerprint} {became}")


def values_of(days: DateRange, level: float) -> dict[tuple[str, pd.Timestamp], float]:
    """A value of each series for each day."""
    return {
        (name, pd.Timestamp(day)): level + index + day.day / 10 for index, name in enumerate(SERIES) for day in days
    }


FAULTS: dict[str, Callable[[World], object]] = {
    "deletes the champion": lambda world: _delete(world, "champion"),
    "deletes the previous champion": lambda world: _delete(world, "previous"),
    "deletes the challenger": lambda world: _delete(world, "challenger"),
    "damages the champion": lambda world: _damage(world, "champion"),
    "damages the previous champion": lambda world: _damage(world, "previous"),
    "damages the challenger": lambda world: _damage(world, "challenger"),
    "removes the alias champion": lambda world: world.mlflow.delete_registered_model_alias("", "champion"),
    "removes the alias previous": lambda world: world.mlflow.delete_registered_model_alias("", "previous"),
}
"""What happens to a registry from outside."""


def somebody(world: World, faults: list[str]) -> Body:
    """A person, or a disk, that breaks something in MLflow."""

    def body() -> None:
        for fault in faults:
            FAULTS[fault](world)

    return body


def _delete(world: World, alias: str) -> None:
    if version := world.server.aliases.get(alias):
        world.mlflow.delete_model_version("", version)


def _damage(world: World, alias: str) -> None:
    if version := world.server.aliases.get(alias):
        world.mlflow.damage(version)
