"""`forecasts` -> `forecast_errors`."""

import dagster as dg

from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.monitoring.control.questions import watermark
from forecasting_platform.forecasting.reports.plots import errors_plot
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.orchestration.assets.forecasts import forecasts
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.metadata.values import plot, show_on_last_day, show_row_counts
from forecasting_platform.orchestration.partitions import daily_partitions, earlier_cutoffs, one_run, partition_period
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.forecast_errors import match_forecast_errors
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import declared_not_normal


@dg.asset(
    partitions_def=daily_partitions,
    backfill_policy=one_run,
    group_name="control",
    owners=["team:data-science"],
    kinds={"postgres"},
    deps=[dg.AssetDep(forecasts, partition_mapping=earlier_cutoffs(horizon_days=15)), raw_observations],
)
def forecast_errors(
    context: dg.AssetExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
    calendars: dg.ResourceParam[Calendars],
) -> dg.MaterializeResult[None]:
    """A row is a forecast of this day (the partition) matched with its actual.

    Refreshed after each load, for every day that got a value or a revision.
    """
    days = partition_period(context)
    found = match_forecast_errors(table_store, days, settings.horizon_days, calendars)
    matched = found.matched
    show_row_counts(context, days, matched["ds"])
    if len(matched):
        shown = errors_plot(forecasts_of_record(matched), declared_not_normal(settings, context.log.warning))
        show_on_last_day(context, {"means": plot(shown)})
    return dg.MaterializeResult(
        metadata={
            "matched": len(matched),
            "days_with_errors": matched["ds"].nunique(),
            "actuals_complete_to": str(watermark(found.versions, calendars)),
        }
    )
