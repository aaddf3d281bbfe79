"""Claims about `forecast_errors`: does the champion still forecast as it did in its backtest?"""

from datetime import timedelta

import dagster as dg
import pandas as pd

from forecasting_platform.forecasting.control import (
    WINDOW_DAYS,
    bias_report,
    coverage_report,
    naive_report,
    newest_window,
    rmse_report,
)
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.frames import FORECAST_ERRORS
from forecasting_platform.orchestration.assets.forecast_errors import forecast_errors
from forecasting_platform.orchestration.checks.results import check_result
from forecasting_platform.orchestration.partitions import checked_period
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore


def _window(context: dg.AssetCheckExecutionContext, table_store: TableStore) -> pd.DataFrame:
    end = checked_period(context).end
    return newest_window(table_store.read(FORECAST_ERRORS, DateRange(end - timedelta(days=2 * WINDOW_DAYS), end)))


def _backtest_rmse(model_registry: ModelRegistry) -> dict[str, float]:
    champion = model_registry.version_at("champion")
    series = model_registry.load(champion).metadata["series"] if champion else {}
    rmse = {unique_id: found["scores"]["rmse"] for unique_id, found in series.items()}
    return {unique_id: value for unique_id, value in rmse.items() if value is not None}


@dg.asset_check(asset=forecast_errors)
def forecast_bias_within_budget(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    model_registry: dg.ResourceParam[ModelRegistry],
) -> dg.AssetCheckResult:
    """Over the newest 28 days the mean of predictions is near the mean of actuals."""
    return check_result(bias_report(_window(context, table_store), _backtest_rmse(model_registry)))


@dg.asset_check(asset=forecast_errors)
def forecast_rmse_within_budget(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    model_registry: dg.ResourceParam[ModelRegistry],
) -> dg.AssetCheckResult:
    """Over the newest 28 days the RMSE is near the backtest's."""
    return check_result(rmse_report(_window(context, table_store), _backtest_rmse(model_registry)))


@dg.asset_check(asset=forecast_errors)
def forecast_coverage_within_budget(
    context: dg.AssetCheckExecutionContext, table_store: dg.ResourceParam[TableStore]
) -> dg.AssetCheckResult:
    """Over the newest 28 days the 80 % interval holds enough of the actuals."""
    return check_result(coverage_report(_window(context, table_store)))


@dg.asset_check(asset=forecast_errors)
def forecasts_beat_naive(
    context: dg.AssetCheckExecutionContext, table_store: dg.ResourceParam[TableStore]
) -> dg.AssetCheckResult:
    """Over the newest 28 days the forecasts are not clearly behind the better naive forecast."""
    return check_result(naive_report(_window(context, table_store)), dg.AssetCheckSeverity.WARN)
