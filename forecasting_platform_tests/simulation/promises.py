"""What must hold once every failed run was asked for again, and sensors and deliveries have looked once more."""

from datetime import timedelta

import pandas as pd

from forecasting_platform.adapters import alert_outbox
from forecasting_platform.errors import ForecastingPlatformError, NoChallengerError
from forecasting_platform.forecasting.models.issuing import match_errors
from forecasting_platform.forecasting.monitoring.incidents import latest_alerts
from forecasting_platform.forecasting.promotion.decisions import first_break
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.features import build_features, observations_period
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS, FORECASTS, OBSERVATIONS
from forecasting_platform.forecasting.series.reconciliation import days_to_reload, differing_values
from forecasting_platform_tests.simulation import actors
from forecasting_platform_tests.simulation.models import HORIZON
from forecasting_platform_tests.simulation.world import World


def heal(world: World) -> None:
    """What the platform does by itself afterwards: nobody dies, and each does its work alone."""
    world.scheduler.trace.append("--- healing")
    for days in list(world.unfinished):
        world.unfinished.remove(days)
        actors.load(world, days)()
    if world.loaded:
        _reconcile(world)
    if world.loaded and world.server.aliases.get("champion"):
        actors.forecast(world, _hull(world.loaded))()
    if world.server.count:
        for _ in range(4):
            _attempt(world, "the promotion sensor", actors.sensor(world, 1))
        if "champion" not in world.server.aliases:
            actors.training(world, "newer")()
            _attempt(world, "the promotion sensor", actors.sensor(world, 1))
    if world.app_has_told:
        actors.app(world, [world.app_trouble])()
    actors.teller(world, world.results)()
    # What a sender that died had claimed is due again.
    world.clock.advance(2 * alert_outbox.CLAIM)
    actors.delivery(world)()
    actors.delivery(world)()


def _reconcile(world: World) -> None:
    """`reconcile_sensor`: days on which the feed has other values than the table are loaded again."""
    days = _hull(world.loaded)
    differing = differing_values(world.feed_state.fetch(days).observations, world.tables.read_observations(days))
    if len(differing):
        actors.load(world, days_to_reload(differing, days.end))()


def _attempt(world: World, who: str, body: actors.Body) -> object:
    try:
        return body()
    except NoChallengerError:
        return None
    except ForecastingPlatformError as error:
        world.breaks(f"{who} cannot work any more: {error}")
        return None


def check(world: World, deaths: int) -> None:
    """Note each promise that is broken."""
    if world.loaded:
        _check_values(world)
        _check_features(world)
        _check_errors(world)
    if world.server.count:
        _check_champion(world)
    _check_incidents(world, deaths)


def _hull(periods: list[DateRange]) -> DateRange:
    return DateRange(min(days.start for days in periods), max(days.end for days in periods))


def _check_values(world: World) -> None:
    versions = world.tables.read(OBSERVATIONS)
    repeated = versions.groupby(["unique_id", "ds"])["y"].diff() == 0
    if repeated.any():
        world.breaks(f"a value stands twice: {versions[repeated].to_dict('records')}")
    days = _hull(world.loaded)
    published = world.feed_state.fetch(days).observations
    is_loaded = published["ds"].map(lambda ds: any(ds.date() in period for period in world.loaded))
    differing = differing_values(published[is_loaded], world.tables.read_observations(days))
    if len(differing):
        world.breaks(f"values of loaded days differ from the feed's: {differing.to_dict('records')}")


def _check_features(world: World) -> None:
    days = _hull(world.loaded)
    observations = world.tables.read_observations(observations_period(days))
    expected = build_features(observations, days, actors.COUNTRY)
    found = world.tables.read(FEATURE_TABLE, days)
    is_loaded = lambda rows: rows["ds"].map(lambda ds: any(ds.date() in period for period in world.loaded))  # noqa: E731
    expected, found = (rows[is_loaded(rows)].reset_index(drop=True) for rows in (expected, found))
    if not expected.equals(found):
        stale = sorted({f"{ds:%m-%d}" for ds in _differing_days(expected, found)})
        world.breaks(f"features are not those of the newest observations: {stale}")


def _differing_days(expected: pd.DataFrame, found: pd.DataFrame) -> set[pd.Timestamp]:
    together = expected.merge(found, how="outer", indicator="in_which")
    return set(together.loc[together["in_which"] != "both", "ds"])


def _check_errors(world: World) -> None:
    days = _hull(world.loaded)
    reach = DateRange(days.start - timedelta(days=HORIZON), days.end)
    forecasts = world.tables.read(FORECASTS, reach)
    if len(forecasts):
        expected = match_errors(forecasts, world.tables.read(OBSERVATIONS, days), days)
        if not expected.equals(world.tables.read(FORECAST_ERRORS, days)):
            world.breaks(f"errors of {days} are not those of the forecasts and the newest values")


def _check_champion(world: World) -> None:
    decisions = world.entries.decisions()
    if broken := first_break(decisions):
        world.breaks(f"the ledger's chain: {broken}")
    named = next((found.challenger_version for found in decisions if found.moves_champion), None)
    champion = world.server.aliases.get("champion")
    usable = set(world.server.versions) - world.server.damaged
    if usable and (champion is None or champion not in usable):
        world.breaks(f"the champion is {champion}, though {sorted(usable)} could serve")
    elif usable and champion != named and named in usable:
        world.breaks(f"the champion is {champion}, though the newest moving decision names {named}")


def _check_incidents(world: World, deaths: int) -> None:
    last: dict[str, str] = {}
    for evaluation in world.results:
        if evaluation.result != "unknown":
            last[evaluation.fingerprint] = evaluation.result
    alerts = world.entries.alerts()
    newest = latest_alerts(alerts)
    for fingerprint, became in last.items():
        state = newest[fingerprint].state if fingerprint in newest else "RESOLVED"
        # A later result may have said that nothing is known.
        allowed = {"RESOLVED", "UNKNOWN"} if became == "passed" else {"PENDING", "FIRING", "UNKNOWN"}
        if state not in allowed:
            world.breaks(f"the last result of {fingerprint} is {became}, its incident is {state}")
    if waiting := world.entries.waiting_messages():
        world.breaks(f"messages wait for ever: {[message.key for message in waiting]}")
    for alert in alerts:
        told = world.people.told
        if alert.announced and not told[alert.alert_id, "FIRING"]:
            world.breaks(f"nobody was told of {alert.alert_id}")
        if alert.announced and not alert.is_open and not told[alert.alert_id, "RESOLVED"]:
            world.breaks(f"nobody was told that {alert.alert_id} is over")
        if (alert.delivered is None) and alert.announced:
            world.breaks(f"{alert.alert_id} was told, and does not say so")
    for key, times in world.people.told.items():
        if times > 1 + deaths + world.deliveries - 1:
            world.breaks(f"{key} was told {times} times, with {deaths} deaths and {world.deliveries} deliveries")
