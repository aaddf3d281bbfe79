"""The daily partitions, and the range of days a run is about."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Protocol

import dagster as dg

from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.settings import Settings

daily_partitions = dg.DailyPartitionsDefinition(start_date=Settings().first_partition_date.isoformat())
"""One partition a day (UTC), named `YYYY-MM-DD`; a day exists once it is over."""

one_run = dg.BackfillPolicy.single_run()
"""Any range of days is one backfill in one run."""

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


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
    """The days a run is about; None of a run about no days."""
    day = tags.get(PARTITION)
    start, end = tags.get(RANGE_START, day), tags.get(RANGE_END, day)
    return DateRange(date.fromisoformat(start), date.fromisoformat(end)) if start and end else None


DEFAULT_CHECKED_DAYS = 31


def checked_period(context: dg.AssetCheckExecutionContext) -> DateRange:
    """The days a check is about: those of its run, or the newest 31 where it runs on its own."""
    if asked := days_of_tags(context.op_execution_context.run.tags):
        return asked
    last = daily_partitions.get_last_partition_key()
    newest = date.fromisoformat(last) if last else Settings().first_partition_date
    return DateRange(newest - timedelta(days=DEFAULT_CHECKED_DAYS - 1), newest)
