"""`raw_observations` -> `feature_table`."""

from collections.abc import Sequence

import dagster as dg
import pandas as pd

from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.exogenous import Exogenous, exogenous_from
from forecasting_platform.forecasting.features import build_features, days_depending_on, observations_period
from forecasting_platform.forecasting.frames import FEATURE_TABLE
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.partitions import daily_partitions, one_run, partition_period
from forecasting_platform.orchestration.pools import TABLE_STORE
from forecasting_platform.orchestration.retries import retried_when_unavailable
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings


@dg.asset(
    partitions_def=daily_partitions,
    backfill_policy=one_run,
    pool=TABLE_STORE,
    group_name="load",
    kinds={"postgres"},
    deps=[raw_observations],
)
@retried_when_unavailable
def feature_table(
    context: dg.AssetExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[None]:
    """A row is what was known of a series at the end of a day: lags, means, weekday effects, levels, holidays,
    and what is known then of exogenous columns, which have no rows of their own.

    Refreshed with every load: for the same days, and for the days after them whose rows look back at these.
    """
    loaded, exogenous = partition_period(context), exogenous_from(settings.exogenous)
    days = _days_to_build(table_store, loaded)
    observations, features = _build(table_store, days, settings.holiday_country, exogenous)
    # Another load may have built later days meanwhile, from values that came after these were read.
    while days != loaded and not observations.equals(table_store.read_observations(observations_period(days))):
        observations, features = _build(table_store, days, settings.holiday_country, exogenous)
    return dg.MaterializeResult(
        metadata={
            "rows": len(features),
            "series": features["unique_id"].nunique(),
            "days": len(loaded),
            "later_days_rebuilt": len(days) - len(loaded),
            # Built as of this time, the same rows come again, whatever is revised later.
            "as_of": observations["available_at"].max().isoformat() if len(observations) else "nothing was known",
        }
    )


def _days_to_build(table_store: TableStore, loaded: DateRange) -> DateRange:
    newest = table_store.read_newest(FEATURE_TABLE)["ds"]
    return days_depending_on(loaded, newest.max().date()) if len(newest) else loaded


def _build(
    table_store: TableStore, days: DateRange, country: str, exogenous: Sequence[Exogenous]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    observations = table_store.read_observations(observations_period(days))
    features = build_features(observations, days, country, exogenous)
    table_store.replace(FEATURE_TABLE, features, days)
    return observations, features
