"""Claims about `feature_table`."""

from datetime import timedelta

import dagster as dg

from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.drift import REFERENCE_DAYS, WINDOW_DAYS, drift_report
from forecasting_platform.forecasting.frames import FEATURE_TABLE
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.checks.results import check_result
from forecasting_platform.orchestration.partitions import checked_period
from forecasting_platform.ports.table_store import TableStore


@dg.asset_check(asset=feature_table)
def feature_table_has_every_series(
    context: dg.AssetCheckExecutionContext, table_store: dg.ResourceParam[TableStore]
) -> dg.AssetCheckResult:
    """Every observed value of the days has its feature row."""
    days = checked_period(context)
    keys = ["unique_id", "ds"]
    observed = table_store.read_observations(days)[keys]
    built = table_store.read(FEATURE_TABLE, days)[keys]
    missing = observed.merge(built, on=keys, how="left", indicator="found").query("found == 'left_only'")
    return dg.AssetCheckResult(
        passed=missing.empty,
        description=f"{days}: {len(built)} of {len(observed)} observed values have a feature row",
        metadata={"missing": len(missing), "sample": missing[keys].head(5).astype(str).to_json(orient="records")},
    )


@dg.asset_check(asset=feature_table)
def feature_table_matches_reference(
    context: dg.AssetCheckExecutionContext, table_store: dg.ResourceParam[TableStore]
) -> dg.AssetCheckResult:
    """The newest days look like the three years before: drift of values relative to their own recent mean."""
    end = checked_period(context).end
    window = DateRange(end - timedelta(days=REFERENCE_DAYS + WINDOW_DAYS), end)
    return check_result(drift_report(table_store.read(FEATURE_TABLE, window)), dg.AssetCheckSeverity.WARN)
