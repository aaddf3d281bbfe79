"""Feed -> `raw_observations`."""

import dagster as dg

from forecasting_platform.forecasting.plots import observations_plot
from forecasting_platform.orchestration.metadata import plot, show_on_last_day
from forecasting_platform.orchestration.partitions import daily_partitions, one_run, partition_period
from forecasting_platform.ports.observation_feed import ObservationFeed
from forecasting_platform.ports.table_store import TableStore


@dg.asset(partitions_def=daily_partitions, backfill_policy=one_run, group_name="load", kinds={"http", "postgres"})
def raw_observations(
    context: dg.AssetExecutionContext,
    observation_feed: dg.ResourceParam[ObservationFeed],
    table_store: dg.ResourceParam[TableStore],
) -> dg.MaterializeResult[None]:
    """A row is a value of a day as first known at `available_at`; a revision is a new row, a reload none.

    Refreshed each midnight for the day before and a window of earlier days, or for any range on request.
    """
    days = partition_period(context)
    document = observation_feed.fetch(days)
    context.log.info(
        f"{document.source}: {document.size_bytes:,} bytes, {len(document.observations):,} values of {days}"
    )
    report = table_store.record_observations(
        document.observations, days, available_at=document.fetched_at, quarantined=document.quarantined
    )
    context.log.info(f"recorded {report.totals}")
    for day, counts in report.by_day.iterrows():
        rows = {f"rows_{name}": int(count) for name, count in counts.items()}
        context.add_asset_metadata({**rows, "dagster/partition_row_count": sum(rows.values())}, partition_key=str(day))
    show_on_last_day(context, {"values": plot(observations_plot(document.observations))})
    return dg.MaterializeResult(
        metadata={
            **{f"load_{name}": count for name, count in report.totals.items()},
            "load_days_without_value": sum(not counts.any() for _day, counts in report.by_day.iterrows()),
            "load_unpublished_values": len(document.unpublished),
            "feed": document.source,
            "feed_bytes": document.size_bytes,
            "feed_sha256": document.sha256,
        }
    )
