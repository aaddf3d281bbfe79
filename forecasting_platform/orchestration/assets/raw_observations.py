"""Feed -> `raw_observations`."""

import dagster as dg

from forecasting_platform.forecasting.reports.plots import observations_plot
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.orchestration.catalog.external import fetches
from forecasting_platform.orchestration.metadata.load import load_metadata, named_days, partition_metadata
from forecasting_platform.orchestration.metadata.values import plot, show_on_last_day
from forecasting_platform.orchestration.partitions import daily_partitions, one_run, partition_period
from forecasting_platform.orchestration.pools import TABLE_STORE
from forecasting_platform.orchestration.retries import retried_when_unavailable
from forecasting_platform.ports.observation_feed import ObservationFeed
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.loading.feed_loads import FeedLoads
from forecasting_platform.services.loading.raw_observations import load_observations
from forecasting_platform.settings import Settings


@dg.asset(
    partitions_def=daily_partitions,
    backfill_policy=one_run,
    pool=TABLE_STORE,
    group_name="load",
    owners=["team:data-engineering"],
    kinds={"http", "postgres"},
)
@retried_when_unavailable
def raw_observations(
    context: dg.AssetExecutionContext,
    observation_feed: dg.ResourceParam[ObservationFeed],
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
    calendars: dg.ResourceParam[Calendars],
    feed_loads: dg.ResourceParam[FeedLoads],
) -> dg.MaterializeResult[None]:
    """A row is a value of a day as first known at `available_at`; a revision adds a row, a reload none.

    A second feed of exogenous values that cannot be used never blocks a load.

    Refreshed each midnight for the day before and a window of earlier days, or for any range on request. A day
    that the feed has no value for is materialized with 0 rows; a feed that cannot be used materializes nothing.
    """
    days = partition_period(context)
    load = load_observations(observation_feed, table_store, days, feed_loads, context.log)
    document, report = load.document, load.report
    for fetch in fetches(document, settings):
        context.log_event(fetch)
    closed = calendars.closed_for_all(days)
    if without_value := report.empty_days - closed:
        context.log.warning(f"no value for {named_days(without_value)}; these days are materialized with 0 rows")
    for day, metadata in partition_metadata(document, report, closed):
        context.add_asset_metadata(metadata, partition_key=day.isoformat())
    show_on_last_day(context, {"values": plot(observations_plot(document.observations))})
    return dg.MaterializeResult(
        metadata=load_metadata(load, days, max_refused_share=settings.max_refused_share, closed=closed)
    )
