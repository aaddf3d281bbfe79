"""The daily partitions, and the range of days a run is about."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import dagster as dg

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.settings import Settings

daily_partitions = dg.DailyPartitionsDefinition(start_date="2018-01-01")
"""One partition a day (UTC), named `YYYY-MM-DD`; a day exists once it is over. The first day: `partition_by`."""

one_run = dg.BackfillPolicy.single_run()
"""Any range of days is one backfill in one run."""

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def earlier_cutoffs(horizon_days: int) -> dg.TimeWindowPartitionMapping:
    """Maps a day to the cutoffs whose forecasts include it."""
    return dg.TimeWindowPartitionMapping(
        start_offset=-horizon_days, end_offset=-1, allow_nonexistent_upstream_partitions=True
    )


def partition_by(settings: Settings, assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """Give the assets the first day and the horizon of the settings."""
    partitions = dg.DailyPartitionsDefinition(start_date=settings.first_partition_date.isoformat())
    mapping = earlier_cutoffs(settings.horizon_days)

    def partitioned(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.partitions_def is None:
            return spec
        deps = [dg.AssetDep(dep.asset_key, partition_mapping=dep.partition_mapping and mapping) for dep in spec.deps]
        return spec.replace_attributes(partitions_def=partitions, deps=deps)

    return [asset.map_asset_specs(partitioned) for asset in assets]


class _PartitionedContext(Protocol):
    @property
    def partition_key_range(self) -> dg.PartitionKeyRange: ...


def partition_period(context: _PartitionedContext) -> DateRange:
    """The days a partitioned run is about."""
    keys = context.partition_key_range
    return DateRange(date.fromisoformat(keys.start), date.fromisoformat(keys.end))


def range_tags(days: DateRange) -> dict[str, str]:
    """Run tags that make one run of a range of days."""
    return {RANGE_START: days.start.isoformat(), RANGE_END: days.end.isoformat()}


def days_of_tags(tags: Mapping[str, str]) -> DateRange | None:
    """The days of a run, None if it has no partition."""
    day = tags.get(PARTITION)
    start, end = tags.get(RANGE_START, day), tags.get(RANGE_END, day)
    return DateRange(date.fromisoformat(start), date.fromisoformat(end)) if start and end else None


DEFAULT_CHECKED_DAYS = 31


def checked_period(context: dg.AssetCheckExecutionContext) -> DateRange:
    """The days that a check looks at: those of its run, or the newest 31 without a run's range."""
    if asked := days_of_tags(context.op_execution_context.run.tags):
        return asked
    newest = datetime.now(UTC).date() - timedelta(days=1)
    return DateRange(newest - timedelta(days=DEFAULT_CHECKED_DAYS - 1), newest)
