"""Checks of `forecasts`."""

from datetime import timedelta

import dagster as dg

from forecasting_platform.forecasting.monitoring.control.questions import churn_report
from forecasting_platform.forecasting.monitoring.control.references import references_from
from forecasting_platform.forecasting.monitoring.control.report import CONTROL_DAYS
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform.orchestration.assets.forecasts import forecasts
from forecasting_platform.orchestration.checks.forecast_errors import champion_metadata, judged_without
from forecasting_platform.orchestration.checks.results import check_result
from forecasting_platform.orchestration.partitions import checked_period
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.daily_sums import daily_moves
from forecasting_platform.settings import Settings


@dg.asset_check(asset=forecasts)
def forecasts_have_ordered_intervals(
    context: dg.AssetCheckExecutionContext, table_store: dg.ResourceParam[TableStore]
) -> dg.AssetCheckResult:
    """Each forecast lies inside its 80 % interval, and the 80 % interval inside the 95 % one."""
    bounds = ["y_hat_lo_95", "y_hat_lo_80", "y_hat", "y_hat_hi_80", "y_hat_hi_95"]
    rows = table_store.read(FORECASTS.only(*bounds), checked_period(context))
    ordered = (rows[bounds].diff(axis=1).iloc[:, 1:] >= 0).all(axis=1)
    bad = rows.loc[~ordered, ["unique_id", "cutoff", "ds"]]
    return dg.AssetCheckResult(
        passed=bad.empty,
        description=f"{len(rows) - len(bad)} of {len(rows)} forecasts have ordered intervals",
        metadata={"crossed": len(bad), "sample": bad.head(5).astype(str).to_json(orient="records")},
    )


@dg.asset_check(asset=forecasts)
def forecasts_are_stable(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    model_registry: dg.ResourceParam[ModelRegistry],
    settings: dg.ResourceParam[Settings],
    calendars: dg.ResourceParam[Calendars],
) -> dg.AssetCheckResult:
    """Forecasts of the same day change from one cutoff to the next as much as in the backtest."""
    name, end = "forecasts_are_stable", checked_period(context).end
    newest = DateRange(end - timedelta(days=CONTROL_DAYS), end)
    champion = champion_metadata(model_registry)
    moves = daily_moves(table_store, newest, judged_without(champion, settings), settings.horizon_days)
    report = churn_report.judge(
        moves,
        references_from(champion),
        pages_a_year=settings.false_pages_of(name),
        as_of=end,
        calendars=calendars,
    )
    return check_result(report, settings.runbook_url(name), dg.AssetCheckSeverity.WARN)
