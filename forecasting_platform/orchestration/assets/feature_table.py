"""`raw_observations` -> `feature_table`."""

import dagster as dg

from forecasting_platform.forecasting.features import build_features, observations_period
from forecasting_platform.forecasting.frames import FEATURE_TABLE
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.partitions import daily_partitions, one_run, partition_period
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings


@dg.asset(
    partitions_def=daily_partitions,
    backfill_policy=one_run,
    group_name="load",
    kinds={"postgres"},
    deps=[raw_observations],
)
def feature_table(
    context: dg.AssetExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[None]:
    """A row is what was known of a series at the end of a day: lags, means, weekday effects, levels, holidays.

    Refreshed with every load, for the same days.
    """
    days = partition_period(context)
    observations = table_store.read_observations(observations_period(days))
    features = build_features(observations, days, settings.holiday_country)
    written = table_store.replace(FEATURE_TABLE, features, days)
    return dg.MaterializeResult(
        metadata={
            "rows": written,
            "series": features["unique_id"].nunique(),
            "days": len(days),
            # Built as of this time, the same rows come again, whatever is revised later.
            "as_of": observations["available_at"].max().isoformat() if len(observations) else "nothing was known",
        }
    )
