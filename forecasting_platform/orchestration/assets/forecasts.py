"""`champion_model` -> `forecasts`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd

from forecasting_platform.errors import NoChampionError
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.frames import FEATURE_TABLE, FORECASTS
from forecasting_platform.forecasting.issuing import issue_forecasts, keep_issued, match_errors
from forecasting_platform.forecasting.plots import HISTORY_DAYS, forecasts_plot
from forecasting_platform.orchestration.assets.champion_model import champion_model
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.metadata import plot, show_on_last_day
from forecasting_platform.orchestration.partitions import daily_partitions, one_run, partition_period
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore


@dg.asset(
    partitions_def=daily_partitions,
    backfill_policy=one_run,
    group_name="forecast",
    kinds={"postgres"},
    deps=[champion_model, feature_table],
)
def forecasts(
    context: dg.AssetExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    model_registry: dg.ResourceParam[ModelRegistry],
) -> dg.MaterializeResult[None]:
    """A row is one forecast of one day, made by the champion at the end of day `cutoff` (the partition).

    Refreshed after each load, for the next 15 days. A forecast once issued stands as the record; days
    that the champion was trained on get none. Intervals learn from the champion's earlier forecasts whose
    actuals have come.
    """
    cutoffs = partition_period(context)
    champion = model_registry.version_at("champion")
    if champion is None:
        raise NoChampionError("forecasting_platform")
    features = table_store.read(FEATURE_TABLE, cutoffs)
    since = DateRange(min(champion.cutoff, cutoffs.start), cutoffs.end)
    recorded = table_store.read(FORECASTS, since)
    recorded = recorded[recorded["model_version"] == champion.version]
    issued = issue_forecasts(
        model_registry.load(champion),
        features,
        model_version=champion.version,
        issued_at=datetime.now(UTC),
        matured=match_errors(recorded, table_store.read_observations(since), since),
    )
    record = keep_issued(issued, recorded[recorded["cutoff"] >= pd.Timestamp(cutoffs.start)])
    table_store.replace(FORECASTS, record, cutoffs, model_version=champion.version)
    show_on_last_day(context, _newest_forecast(table_store, cutoffs, record))
    return dg.MaterializeResult(
        metadata={
            "forecasts": len(record),
            "cutoffs": record["cutoff"].nunique(),
            "model_version": champion.version,
            "champion_cutoff": champion.cutoff.isoformat(),
        }
    )


def _newest_forecast(table_store: TableStore, cutoffs: DateRange, record: pd.DataFrame) -> dict[str, Any]:
    if record.empty:
        return {"note": "no cutoff of this range is at or after the champion's own cutoff"}
    history = table_store.read_observations(DateRange(cutoffs.end - timedelta(days=HISTORY_DAYS), cutoffs.end))
    return {"newest_forecast": plot(forecasts_plot(record, history))}
