"""Checks of `forecast_errors`: does the champion still forecast as well as in its backtest?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import dagster as dg
import pandas as pd

from forecasting_platform.errors import examples
from forecasting_platform.forecasting.monitoring.control.daily_sums import DailySums
from forecasting_platform.forecasting.monitoring.control.questions import (
    bias_report,
    coverage_report,
    judge_revisions,
    naive_report,
    rmse_report,
)
from forecasting_platform.forecasting.monitoring.control.references import SeriesReference, references_from
from forecasting_platform.forecasting.monitoring.control.report import CONTROL_DAYS, ControlReport
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from, is_exogenous
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, not_normal_of
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform.forecasting.series.lifetime import days_late, last_days
from forecasting_platform.orchestration.assets.forecast_errors import forecast_errors
from forecasting_platform.orchestration.checks.results import FINDINGS, check_result, silent_findings
from forecasting_platform.orchestration.partitions import checked_period
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.daily_sums import daily_errors
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import declared_not_normal

MAX_MISSING_DAYS = 3


def champion_metadata(model_registry: ModelRegistry) -> Mapping[str, Any]:
    """The champion's metadata, with the references of its backtest; empty without a champion."""
    champion = model_registry.version_at("champion")
    return model_registry.load(champion).metadata if champion else {}


def judged_without(metadata: Mapping[str, Any], settings: Settings) -> NotNormal:
    """The periods of which nothing is judged: those that are declared by now, and of the champion's recipe."""
    return declared_not_normal(settings) | not_normal_of(metadata)


class _Report(Protocol):
    def __call__(
        self,
        sums: DailySums,
        references: Mapping[str, SeriesReference],
        /,
        *,
        pages_a_year: float,
        calendars: Calendars,
    ) -> ControlReport: ...


def _revisions(sums: DailySums, references: Mapping[str, SeriesReference], **_: object) -> ControlReport:
    return judge_revisions(sums, references)


@dataclass(frozen=True, slots=True)
class _Question:
    """A check of the newest errors."""

    description: str
    report: _Report
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR


CONTROL = {
    "forecast_bias_within_budget": _Question(
        "The mean of predictions is where the mean of actuals is, as far as the budget of false pages lets one say.",
        bias_report.judge,
    ),
    "forecast_rmse_within_budget": _Question(
        "Errors are as wide as in the backtest at the same season and step.", rmse_report.judge
    ),
    "forecast_coverage_within_budget": _Question(
        "The 80 % interval holds as many of the actuals as it did in the backtest.",
        coverage_report.judge,
    ),
    "forecasts_beat_naive": _Question(
        "The forecasts are not clearly behind the better naive forecast.",
        naive_report.judge,
        dg.AssetCheckSeverity.WARN,
    ),
    "revisions_leave_errors_unchanged": _Question(
        "Errors computed from first published actuals agree with errors computed from the latest ones.",
        _revisions,
        dg.AssetCheckSeverity.WARN,
    ),
}


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=forecast_errors, description=question.description)
        for name, question in CONTROL.items()
    ],
    can_subset=True,
)
def forecast_control(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    model_registry: dg.ResourceParam[ModelRegistry],
    settings: dg.ResourceParam[Settings],
    calendars: dg.ResourceParam[Calendars],
) -> Iterator[dg.AssetCheckResult]:
    """Compare the newest errors with the references of the champion's backtest: both are read once.

    One that cannot be evaluated stops no other: its error is raised after their results.
    """
    asked = [key.name for key in context.op_execution_context.selected_asset_check_keys]
    champion = champion_metadata(model_registry)
    references, not_normal = references_from(champion), judged_without(champion, settings)
    end = checked_period(context).end
    newest = DateRange(end - timedelta(days=CONTROL_DAYS), end)
    errors = daily_errors(table_store, newest, not_normal, settings.horizon_days)
    failures: dict[str, Exception] = {}
    for name in sorted(asked):
        question, budget = CONTROL[name], settings.false_pages_of(name)
        try:
            found = question.report(errors, references, pages_a_year=budget, calendars=calendars)
            result = check_result(found, settings.runbook_url(name), question.severity, name=name)
        except Exception as error:  # noqa: BLE001 - raised below
            failures[name] = error
        else:
            yield result
    if failures:
        # Dagster shows the notes of an error, but not the members of a group of errors.
        first = next(iter(failures.values()))
        for name, failure in failures.items():
            first.add_note(f"{name} could not be evaluated: {failure!r}")
        raise first


@dg.asset_check(asset=forecast_errors)
def actuals_are_complete(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
    calendars: dg.ResourceParam[Calendars],
) -> dg.AssetCheckResult:
    """Every series that has not ended has actuals up to the days that were forecast and on which a value is due.

    An error where all of them are late, since the feed is stale then; a warning where some are. Exogenous series are
    no actuals, and may be declared to come late.
    """
    days = checked_period(context)
    window = DateRange(days.end - timedelta(days=CONTROL_DAYS), days.end)
    observations, issued = table_store.read_observations(window), table_store.count(FORECASTS, window)
    exogenous = is_exogenous(observations["unique_id"].tolist(), exogenous_from(settings.exogenous))
    known = last_days(observations[~exogenous], calendars=calendars)
    known = known[~known["ended"]]
    going_on, missing = known["last"], days_late(known, days.end, calendars, datetime.now(UTC))
    late = going_on[missing > MAX_MISSING_DAYS]
    is_known = len(going_on) > 0 and issued > 0
    is_stale = len(late) == len(going_on)
    complete_to = going_on.min().date() if len(going_on) else None
    # That the feed is stale in all series is an incident of the check's own, which silences others.
    found = silent_findings(late, len(going_on), "its actuals are late")
    return dg.AssetCheckResult(
        passed=not is_known or late.empty,
        severity=dg.AssetCheckSeverity.ERROR if is_stale else dg.AssetCheckSeverity.WARN,
        description=f"actuals are complete up to {complete_to or 'no day'}, looked at up to {days.end}" + _named(late),
        metadata={
            "state": "unknown" if not is_known else "good" if late.empty else "bad",
            "watermark": str(complete_to),
            "missing_days": int(missing.max()) if is_known else -1,
            "late_series": len(late),
            "most_missing_days": MAX_MISSING_DAYS,
            **({FINDINGS: found} if is_known and not is_stale else {}),
            "runbook": dg.MetadataValue.url(settings.runbook_url("actuals_are_complete")),
        },
    )


def _named(late: "pd.Series[pd.Timestamp]") -> str:
    if late.empty:
        return ""
    found = examples(f"{unique_id} ({day:%Y-%m-%d})" for unique_id, day in late.items())
    return f"; {len(late)} series are over {MAX_MISSING_DAYS} days late, with their last day: {found}"
