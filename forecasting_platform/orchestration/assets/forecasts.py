"""`champion_model` -> `forecasts`."""

from datetime import timedelta
from typing import Any

import dagster as dg
import pandas as pd

from forecasting_platform.errors import examples
from forecasting_platform.forecasting.reports.plots import HISTORY_DAYS, forecasts_plot
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import NotNormal
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform.orchestration.assets.champion_model import champion_model
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.metadata.values import plot, show_on_last_day, show_row_counts
from forecasting_platform.orchestration.partitions import daily_partitions, one_run, partition_period
from forecasting_platform.ports.engine import Engine
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.forecasts import issue
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import declared_not_normal


@dg.asset(
    partitions_def=daily_partitions,
    backfill_policy=one_run,
    group_name="forecast",
    owners=["team:data-science"],
    kinds={"postgres"},
    deps=[champion_model, feature_table],
)
def forecasts(
    context: dg.AssetExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    engine: dg.ResourceParam[Engine],
    model_registry: dg.ResourceParam[ModelRegistry],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[None]:
    """A row is one forecast of one day, made at the end of day `cutoff` (the partition), by the champion first.

    Refreshed after each load, for the next 15 days. A forecast once issued stands as the record; days that a
    version was trained on get none. Intervals learn from a version's earlier forecasts whose actuals have come.
    Challenger and previous champion forecast beside it, in its shadow, under their own `model_version`. A series
    new to the champion is on record from its first day.
    """
    cutoffs, not_normal = partition_period(context), declared_not_normal(settings, context.log.warning)
    issued = issue(table_store, engine, model_registry, cutoffs, not_normal)
    for number, reason in issued.failed.items():
        context.log.warning(f"version {number} forecasts no shadow: {reason}")
    record = issued.record
    show_row_counts(context, cutoffs, table_store.read(FORECASTS.only(), cutoffs)["cutoff"])
    show_on_last_day(context, _newest_forecast(table_store, cutoffs, record, not_normal))
    return dg.MaterializeResult(
        metadata={
            "forecasts": len(record),
            "cutoffs": record["cutoff"].nunique(),
            "model_version": issued.champion.version,
            "champion_cutoff": issued.champion.cutoff.isoformat(),
            "shadow_versions": ", ".join(issued.shadows) or "none",
            "new_series": examples(issued.new_series) or "none",
        }
    )


def _newest_forecast(
    table_store: TableStore, cutoffs: DateRange, record: pd.DataFrame, not_normal: NotNormal
) -> dict[str, Any]:
    if record.empty:
        return {"note": "no cutoff of this range is at or after the champion's own cutoff"}
    history = table_store.read_observations(DateRange(cutoffs.end - timedelta(days=HISTORY_DAYS), cutoffs.end))
    return {"newest_forecast": plot(forecasts_plot(record, history, not_normal))}
