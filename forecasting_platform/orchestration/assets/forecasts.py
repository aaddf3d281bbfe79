"""`champion_model` -> `forecasts`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd

from forecasting_platform.errors import InvalidArtifactError, NoChampionError
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.frames import FEATURE_TABLE, FORECASTS
from forecasting_platform.forecasting.issuing import issue_forecasts, keep_issued, match_errors
from forecasting_platform.forecasting.plots import HISTORY_DAYS, forecasts_plot
from forecasting_platform.orchestration.assets.champion_model import champion_model
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.metadata import plot, show_on_last_day
from forecasting_platform.orchestration.partitions import daily_partitions, one_run, partition_period
from forecasting_platform.ports.model_registry import ModelRegistry, ModelVersion
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
    """A row is one forecast of one day, made at the end of day `cutoff` (the partition), by the champion first.

    Refreshed after each load, for the next 15 days. A forecast once issued stands as the record; days that a
    version was trained on get none. Intervals learn from a version's earlier forecasts whose actuals have come.
    Challenger and previous champion forecast beside it, in its shadow, under their own `model_version`.
    """
    cutoffs = partition_period(context)
    champion = model_registry.version_at("champion")
    if champion is None:
        raise NoChampionError("forecasting_platform")
    features = table_store.read(FEATURE_TABLE, cutoffs)
    record = _issue(table_store, model_registry, champion, features, cutoffs)
    shadows = _issue_shadows(context, table_store, model_registry, champion, features, cutoffs)
    show_on_last_day(context, _newest_forecast(table_store, cutoffs, record))
    return dg.MaterializeResult(
        metadata={
            "forecasts": len(record),
            "cutoffs": record["cutoff"].nunique(),
            "model_version": champion.version,
            "champion_cutoff": champion.cutoff.isoformat(),
            "shadow_versions": ", ".join(shadows) or "none",
        }
    )


def _issue(
    table_store: TableStore, registry: ModelRegistry, version: ModelVersion, features: pd.DataFrame, cutoffs: DateRange
) -> pd.DataFrame:
    """Issue and store one version's forecasts; its record of these cutoffs."""
    since = DateRange(min(version.cutoff, cutoffs.start), cutoffs.end)
    recorded = table_store.read(FORECASTS, since)
    recorded = recorded[recorded["model_version"] == version.version]
    issued = issue_forecasts(
        registry.load(version),
        features,
        model_version=version.version,
        issued_at=datetime.now(UTC),
        matured=match_errors(recorded, table_store.read_observations(since), since),
    )
    record = keep_issued(issued, recorded[recorded["cutoff"] >= pd.Timestamp(cutoffs.start)])
    table_store.replace(FORECASTS, record, cutoffs, model_version=version.version)
    return record


def _issue_shadows(
    context: dg.AssetExecutionContext,
    table_store: TableStore,
    registry: ModelRegistry,
    champion: ModelVersion,
    features: pd.DataFrame,
    cutoffs: DateRange,
) -> list[str]:
    """Let the other versions forecast too; one that cannot is left out, and the champion's record stands."""
    named = (registry.version_at("challenger"), registry.version_at("previous"))
    versions = {version.version: version for version in named if version is not None}
    issued = []
    for number in sorted(versions.keys() - {champion.version}, key=int):
        try:
            _issue(table_store, registry, versions[number], features, cutoffs)
        except InvalidArtifactError as error:
            context.log.warning(f"version {number} forecasts no shadow: {error}")
        else:
            issued.append(number)
    return issued


def _newest_forecast(table_store: TableStore, cutoffs: DateRange, record: pd.DataFrame) -> dict[str, Any]:
    if record.empty:
        return {"note": "no cutoff of this range is at or after the champion's own cutoff"}
    history = table_store.read_observations(DateRange(cutoffs.end - timedelta(days=HISTORY_DAYS), cutoffs.end))
    return {"newest_forecast": plot(forecasts_plot(record, history))}
