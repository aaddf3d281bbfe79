"""`raw_observations` -> `feature_table`."""

import dagster as dg

from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.forecasting.series.quality.holding import accepted_days
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.metadata.values import show_row_counts
from forecasting_platform.orchestration.partitions import daily_partitions, one_run, partition_period
from forecasting_platform.orchestration.pools import TABLE_STORE
from forecasting_platform.orchestration.retries import retried_when_unavailable
from forecasting_platform.ports.engine import Engine
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.feature_table import build_feature_table
from forecasting_platform.settings import Settings


@dg.asset(
    partitions_def=daily_partitions,
    backfill_policy=one_run,
    pool=TABLE_STORE,
    group_name="load",
    owners=["team:data-engineering"],
    kinds={"postgres"},
    deps=[raw_observations],
)
@retried_when_unavailable
def feature_table(
    context: dg.AssetExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    engine: dg.ResourceParam[Engine],
    settings: dg.ResourceParam[Settings],
    calendars: dg.ResourceParam[Calendars],
) -> dg.MaterializeResult[None]:
    """A row is what was known of a series at the end of a day: lags, means, weekday effects, levels, holidays,
    and what is known then of exogenous columns, which have no rows of their own.

    Refreshed with every load: for the same days, and for the days after them whose rows look back at these. Values
    that are held back (`held_observations`) count as not observed.
    """
    loaded = partition_period(context)
    exogenous, accepted = exogenous_from(settings.exogenous), accepted_days(settings.accepted_values)
    built = build_feature_table(table_store, engine, loaded, settings.holiday_country, exogenous, accepted, calendars)
    show_row_counts(context, loaded, built.row_days)
    return dg.MaterializeResult(
        metadata={
            "rows": len(built.row_days),
            "series": built.series,
            "days": len(loaded),
            "other_days_rebuilt": len(built.days) - len(loaded),
            "held_back": len(built.held),
            # Built as of this time, the same rows come again, whatever is revised later.
            "as_of": built.as_of.isoformat() if built.as_of else "nothing was known",
        }
    )
