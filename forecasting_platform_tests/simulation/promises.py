"""What must hold once every failed run was asked for again, and sensors and deliveries have looked once more."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

import pandas as pd

from forecasting_platform.errors import ForecastingPlatformError, NoChallengerError
from forecasting_platform.forecasting.monitoring.evaluations import latest_alerts
from forecasting_platform.forecasting.promotion.decisions import first_break
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import observations_period
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS, FORECASTS, OBSERVATIONS
from forecasting_platform.forecasting.series.quality.reconciliation import days_to_reload, differing_values
from forecasting_platform.services import alerts, feature_table
from forecasting_platform_tests.simulation import actors
from forecasting_platform_tests.simulation.models import HORIZON, matched
from forecasting_platform_tests.simulation.rows import Row, nanoseconds, rows_of
from forecasting_platform_tests.simulation.rows_store import FED
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
        if not _usable(world) & _known_to_recovery(world) or "champion" not in world.server.aliases:
            # The next scheduled one.
            actors.training(world, "newer")()
            _attempt(world, "the promotion sensor", actors.sensor(world, 1))
    if world.app_has_told:
        actors.app(world, [world.app_trouble])()
    actors.teller(world, world.results)()
    # What a sender that died had claimed is due again.
    world.clock.advance(2 * alerts.CLAIM)
    actors.delivery(world)()
    actors.delivery(world)()


def _usable(world: World) -> set[str]:
    """Versions that are there and whole."""
    return set(world.server.versions) - world.server.damaged


def _known_to_recovery(world: World) -> set[str]:
    """Versions that the promoter may serve by itself: those of aliases and of decisions that moved the champion.

    One that was a challenger until the next came was never judged: it serves by a person's word only.
    """
    moved = [found for found in world.entries.decisions() if found.moves_champion]
    decided = {version for found in moved for version in (found.challenger_version, found.champion_version) if version}
    return decided | set(world.server.aliases.values())


def _reconcile(world: World) -> None:
    """`reconcile_sensor`: days on which the feed has other values than the table are loaded again."""
    days = _hull(world.loaded)
    if _differing(world, days):
        stored = pd.DataFrame(world.tables.read_observations(days))
        differing = differing_values(pd.DataFrame(world.feed_state.fetch(days).observations), stored)
        actors.load(world, days_to_reload(differing, days.end))()


def _differing(world: World, days: DateRange) -> list[Row]:
    """Published values of these days that are not the newest stored ones."""
    stored = {row[:3] for row in rows_of(OBSERVATIONS, world.tables.read_observations(days))}
    return [row for row in rows_of(FED, world.feed_state.fetch(days).observations) if row not in stored]


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


def _of_loaded_days(world: World, rows: Iterable[Row]) -> list[Row]:
    loaded = {nanoseconds(day) for period in world.loaded for day in period}
    return [row for row in rows if row[1] in loaded]


def _check_values(world: World) -> None:
    versions = rows_of(OBSERVATIONS, world.tables.read(OBSERVATIONS))
    if repeated := [after for before, after in pairwise(versions) if before[:3] == after[:3]]:
        world.breaks(f"a value occurs twice: {repeated}")
    if differing := _of_loaded_days(world, _differing(world, _hull(world.loaded))):
        world.breaks(f"values of loaded days differ from the feed's: {differing}")


def _check_features(world: World) -> None:
    days = _hull(world.loaded)
    observations = world.tables.read_observations(observations_period(days))
    # As a build computes them, remembered where the values are those of an earlier seed.
    features = feature_table.build_features(observations, days, actors.COUNTRY)
    expected, found = (
        set(_of_loaded_days(world, rows_of(FEATURE_TABLE, frame)))
        for frame in (features, world.tables.read(FEATURE_TABLE, days))
    )
    if stale := sorted({f"{pd.Timestamp(row[1]):%m-%d}" for row in expected ^ found}):
        world.breaks(f"features are not those of the newest observations: {stale}")


def _check_errors(world: World) -> None:
    days = _hull(world.loaded)
    reach = DateRange(days.start - timedelta(days=HORIZON), days.end)
    forecasts = world.tables.read(FORECASTS, reach)
    expected = matched(forecasts, world.tables.read(OBSERVATIONS, days), days)
    found = world.tables.read(FORECAST_ERRORS, days)
    if len(forecasts) and rows_of(FORECAST_ERRORS, expected) != rows_of(FORECAST_ERRORS, found):
        world.breaks(f"errors of {days} are not those of the forecasts and the newest values")


def _check_champion(world: World) -> None:
    decisions = world.entries.decisions()
    if broken := first_break(decisions):
        world.breaks(f"the ledger's chain: {broken}")
    named = next((found.challenger_version for found in decisions if found.moves_champion), None)
    champion = world.server.aliases.get("champion")
    usable = _usable(world)
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
