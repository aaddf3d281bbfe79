"""Builds rows of `feature_table` and `held_observations` from observations, safe against concurrent loads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pandas as pd

from forecasting_platform.errors import OverlappingWritesError
from forecasting_platform.forecasting.block_training import series_blocks
from forecasting_platform.forecasting.series.covariates.exogenous import (
    MAX_DAYS_AHEAD,
    Exogenous,
    KnownByTargetDay,
    is_exogenous,
)
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import (
    DAILY,
    Calendars,
    without_zeros_of_closed_days,
)
from forecasting_platform.forecasting.series.features.feature_table import (
    WINDOW_DAYS,
    build_features,
    days_depending_on,
    observations_period,
)
from forecasting_platform.forecasting.series.frames import (
    FEATURE_TABLE,
    HELD_OBSERVATIONS,
    OBSERVATIONS,
    PLANNED_VALUES,
)
from forecasting_platform.forecasting.series.quality.holding import (
    Accepted,
    days_judged_by,
    deciding_period,
    held_observations,
    without_held,
)
from forecasting_platform.ports.engine import BlockWork, Engine, Read
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.feature_blocks import FeatureBuild, decode_block, encode_block
from forecasting_platform.services.frame_parts import FrameParts

MAX_BUILDS = 20


@dataclass(frozen=True, slots=True)
class BuiltFeatures:
    """The rows of `FEATURE_TABLE` of some days that were built and stored.

    Attributes:
        row_days: the day of each row.
        series: how many have rows.
        held: observations of the days, and of the days around the loaded ones, that are held back.
        as_of: when the newest of the observations became known; None where there are none.
    """

    days: DateRange
    row_days: pd.Series
    series: int
    held: pd.DataFrame
    as_of: pd.Timestamp | None


def build_feature_table(
    store: TableStore,
    engine: Engine,
    loaded: DateRange,
    country: str,
    exogenous: Sequence[Exogenous] = (),
    accepted: Accepted | None = None,
    calendars: Calendars = DAILY,
) -> BuiltFeatures:
    """Build and store the features of loaded days, and of the later days that depend on them.

    A loaded value may let go, or hold back, values of days before and after; their rows are built anew too. Done again
    where another load recorded values meanwhile: whoever wrote last has then written what is known. One that dies
    before it has looked again is repeated as any failed load.

    Args:
        engine: works on blocks of series, whose features need nothing of other blocks.
        country: whose holidays are flagged.
        exogenous: series that get no rows of their own.
        accepted: days of a series that are not held back, whatever their values.
        calendars: the days on which values of each series are due.

    Raises:
        OverlappingWritesError: values came during each of `MAX_BUILDS` builds.
    """
    loaded = _reaching_back(loaded, exogenous)
    for _ in range(MAX_BUILDS):
        stored = store.read_newest(FEATURE_TABLE.only())["ds"]
        newest = max(loaded.end, stored.max().date()) if len(stored) else loaded.end
        judged = days_judged_by(loaded, newest)
        read = DateRange(deciding_period(judged).start, judged.end + timedelta(days=WINDOW_DAYS))
        # Counted before anything is read: what comes from here on is noticed at the end.
        known = _count_known(store, read, exogenous)
        before = store.read(HELD_OBSERVATIONS, read)
        is_judged = before["ds"].between(pd.Timestamp(judged.start), pd.Timestamp(judged.end))
        build = FeatureBuild(
            judged=judged,
            days=days_depending_on(loaded, newest),
            country=country,
            exogenous=exogenous,
            accepted=accepted,
            calendars=calendars,
            moment=datetime.now(UTC),
            # Outside the judged days the earlier judgement stands.
            held_before=before[~is_judged],
            versions=_versions(store, read, exogenous),
            exogenous_observations=OBSERVATIONS.empty(),
        )
        with FrameParts() as first, FrameParts() as again:
            built, features = _build(store, engine, read, build, first), first
            # What is held otherwise than before changes rows of more days than were loaded.
            days = days_depending_on(_with_changes(loaded, before[is_judged], built.held), newest)
            if days != build.days:
                built, features = _build(store, engine, read, replace(build, days=days), again), again
            store.replace(FEATURE_TABLE, features, days)
        # After the features: a build that ends between the two leaves the change to be found by the next.
        store.replace(HELD_OBSERVATIONS, built.held, judged)
        if _count_known(store, read, exogenous) == known:
            return built
    raise OverlappingWritesError("feature_table", loaded, MAX_BUILDS)


def _build(
    store: TableStore, engine: Engine, read: DateRange, build: FeatureBuild, features: FrameParts
) -> BuiltFeatures:
    """Build every series, block by block; its rows are added to `features`."""
    names = store.read_newest(OBSERVATIONS.only(), at_or_before=read.end)["unique_id"]
    is_shared = is_exogenous(names.tolist(), build.exogenous)
    # Exogenous series have no rows of their own, and all series may look at them.
    shared = build(0, store.read(OBSERVATIONS, read, unique_ids=names[is_shared].tolist()))
    work = BlockWork(replace(build, exogenous_observations=shared.plausible), encode_block, decode_block)
    found, row_days, series = [shared], [FEATURE_TABLE.empty()["ds"]], 0
    for block in engine.map_blocks(work, [Read(OBSERVATIONS, read)], series_blocks(names[~is_shared])):
        features.add(block.features)
        row_days.append(block.features["ds"])
        series += block.features["unique_id"].nunique()
        found.append(replace(block, features=FEATURE_TABLE.empty()))
    held = pd.concat([block.held for block in found], ignore_index=True)
    as_of = max((block.as_of for block in found if block.as_of is not None), default=None)
    return BuiltFeatures(build.days, pd.concat(row_days, ignore_index=True), series, held, as_of)


def features_as_of(
    store: TableStore,
    days: DateRange,
    country: str,
    as_of: datetime | None = None,
    exogenous: Sequence[Exogenous] = (),
    accepted: Accepted | None = None,
    calendars: Calendars = DAILY,
) -> pd.DataFrame:
    """Rows of `FEATURE_TABLE`, rebuilt from the observations that were known at `as_of` (inclusive), or now.

    They are what `feature_table` held of these days after a load that ended at `as_of`; nothing is written.
    """
    window = observations_period(days)
    known = without_zeros_of_closed_days(store.read_observations(deciding_period(window), as_of=as_of), calendars)
    held = held_observations(known, window, accepted, calendars=calendars, moment=as_of or datetime.now(UTC))
    plausible = without_held(known, held)
    versions = _versions(store, deciding_period(window), exogenous, as_of)
    return build_features(plausible, days, country, exogenous, calendars, versions)


def _planned(exogenous: Sequence[Exogenous]) -> list[KnownByTargetDay]:
    return [declared for declared in exogenous if isinstance(declared, KnownByTargetDay)]


def _with_days_ahead(days: DateRange) -> DateRange:
    return DateRange(days.start, days.end + timedelta(days=MAX_DAYS_AHEAD))


def _count_known(store: TableStore, days: DateRange, exogenous: Sequence[Exogenous]) -> tuple[int, int]:
    """Versions of values, and of plans where any are declared, that features of some days depend on."""
    if not _planned(exogenous):
        return store.count(OBSERVATIONS, days), 0
    ahead = _with_days_ahead(days)
    return store.count(OBSERVATIONS, ahead), store.count(PLANNED_VALUES, ahead)


def _versions(
    store: TableStore, period: DateRange, exogenous: Sequence[Exogenous], as_of: datetime | None = None
) -> pd.DataFrame | None:
    """Every version of the values known by target day, of plans and of days that have come; None if none is declared.

    Args:
        period: days of the features that look at them; the days ahead of it are read too.
    """
    planned, reach = _planned(exogenous), _with_days_ahead(period)
    if not planned:
        return None
    names = store.read_newest(OBSERVATIONS)["unique_id"]
    # Only their own values: all others would be read in every version for nothing.
    own = names[is_exogenous(names.tolist(), planned)].tolist()
    plans = store.read(PLANNED_VALUES, reach)
    known = [plans[is_exogenous(plans["unique_id"].tolist(), planned)], store.read(OBSERVATIONS, reach, unique_ids=own)]
    versions = pd.concat(known, ignore_index=True)
    return versions if as_of is None else versions[versions["available_at"] <= as_of]


def plausible_observations(store: TableStore, period: DateRange, calendars: Calendars = DAILY) -> pd.DataFrame:
    """The newest version of each value of the period that is not held back, nor the 0 of a closed day."""
    known = without_held(store.read_observations(period), store.read(HELD_OBSERVATIONS, period))
    return without_zeros_of_closed_days(known, calendars)


def _reaching_back(loaded: DateRange, exogenous: Sequence[Exogenous]) -> DateRange:
    """The loaded days, and those before at which a value that came with them counts as known."""
    ahead = max((declared.known_days_ahead for declared in _planned(exogenous)), default=0)
    return DateRange(loaded.start - timedelta(days=min(ahead, MAX_DAYS_AHEAD)), loaded.end)


def _with_changes(loaded: DateRange, known: pd.DataFrame, held: pd.DataFrame) -> DateRange:
    """The loaded days, extended to the first and last day whose held-back values changed."""
    before, now = (set(zip(rows["unique_id"], rows["ds"], rows["y"], strict=True)) for rows in (known, held))
    changed = [day.date() for _, day, _ in before ^ now]
    return DateRange(min([loaded.start, *changed]), max([loaded.end, *changed]))
