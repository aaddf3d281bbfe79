"""Checks of `feature_table`."""

from datetime import timedelta

import dagster as dg
import pandas as pd

from forecasting_platform.errors import examples
from forecasting_platform.forecasting.monitoring.control.drift_questions import EARLIER_WEEKS, LEVEL, DriftQuestion
from forecasting_platform.forecasting.monitoring.findings import Finding, Findings
from forecasting_platform.forecasting.series.covariates.exogenous import (
    exogenous_columns,
    exogenous_from,
    is_exogenous,
)
from forecasting_platform.forecasting.series.covariates.exogenous_values import unknown_columns
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, HELD_OBSERVATIONS
from forecasting_platform.forecasting.series.lifetime import MIN_SILENT_DAYS, last_days
from forecasting_platform.forecasting.series.quality.holding import FAR_OFF, NOT_YET, TOO_LOW
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.checks.results import FINDINGS, check_result, silent_findings
from forecasting_platform.orchestration.metadata.values import table
from forecasting_platform.orchestration.partitions import checked_period
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.drift import DriftJudge
from forecasting_platform.services.feature_table import plausible_observations
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import declared_not_normal

RHYTHM_DAYS = 730
"""How far back a series' gaps are looked at."""


def _held_check(name: str, description: str, reason: str, severity: dg.AssetCheckSeverity) -> dg.AssetChecksDefinition:
    """Make a check that fails when values of the days are held back for one reason."""

    @dg.asset_check(asset=feature_table, name=name, description=description)
    def check(
        context: dg.AssetCheckExecutionContext,
        table_store: dg.ResourceParam[TableStore],
        settings: dg.ResourceParam[Settings],
    ) -> dg.AssetCheckResult:
        days = checked_period(context)
        every = table_store.read(HELD_OBSERVATIONS, days)
        held = every[every["reason"] == reason].drop(columns="reason").reset_index(drop=True)
        waiting = every.loc[every["reason"] == NOT_YET, "unique_id"]
        not_yet = f"; not yet complete: the newest value of {examples(sorted(set(waiting)))}" if len(waiting) else ""
        return dg.AssetCheckResult(
            passed=held.empty,
            severity=severity,
            description=f"{days}: {_said_of(held, reason)}{not_yet}",
            metadata={
                "held": len(held),
                "not_yet_complete": len(waiting),
                "held_series": held["unique_id"].nunique(),
                "sample": table(held.assign(ds=held["ds"].dt.date).head(20)),
                FINDINGS: _findings(held, reason).to_json(),
                "runbook": dg.MetadataValue.url(settings.runbook_url(name)),
            },
        )

    return check


def _findings(held: pd.DataFrame, reason: str) -> Findings:
    first = held.sort_values("ds", kind="stable").drop_duplicates("unique_id")
    bad = {
        name: Finding(day.date(), f"{y:.6g} is {reason} and held back")
        for name, day, y in first[["unique_id", "ds", "y"]].to_numpy(dtype=object)
    }
    return Findings(len(bad), bad)


def _said_of(held: pd.DataFrame, reason: str) -> str:
    if held.empty:
        return "nothing is held back"
    found = examples(f"{name} {day:%Y-%m-%d}: {y:.6g}" for name, day, y in held[["unique_id", "ds", "y"]].to_numpy())
    return (
        f"{len(held)} values are {reason} and held back, nothing else waits for them: {found}. Have the publisher "
        "mend them and load again; accept right ones by FORECASTING_ACCEPTED_VALUES, then materialize feature_table"
    )


observations_are_plausible = _held_check(
    "observations_are_plausible",
    "No value of the days is held back because it lies far off its series' past; the others go on.",
    FAR_OFF,
    dg.AssetCheckSeverity.ERROR,
)
newest_values_are_complete = _held_check(
    "newest_values_are_complete",
    "No newest value of a series is held back because it is too low for a whole day; the others go on.",
    TOO_LOW,
    dg.AssetCheckSeverity.WARN,
)


@dg.asset_check(asset=feature_table)
def feature_table_has_every_series(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
    calendars: dg.ResourceParam[Calendars],
) -> dg.AssetCheckResult:
    """Every observed value of the days has a feature row, except held-back values and exogenous series."""
    days = checked_period(context)
    keys = ["unique_id", "ds"]
    observed = plausible_observations(table_store, days, calendars)[keys]
    observed = observed[~is_exogenous(observed["unique_id"].tolist(), exogenous_from(settings.exogenous))]
    built = table_store.read(FEATURE_TABLE.only(), days)
    # Both are ordered by key: where all are there nothing is looked for.
    is_same = len(observed) == len(built) and all(
        (observed[key].to_numpy() == built[key].to_numpy()).all() for key in keys
    )
    found = observed.iloc[:0] if is_same else observed.merge(built, on=keys, how="left", indicator="found")
    missing = found if is_same else found.query("found == 'left_only'")
    return dg.AssetCheckResult(
        passed=missing.empty,
        description=f"{days}: {len(built)} of {len(observed)} observed values have a feature row",
        metadata={"missing": len(missing), "sample": missing[keys].head(5).astype(str).to_json(orient="records")},
    )


@dg.asset_check(asset=feature_table)
def exogenous_values_are_known(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """The last day has a value of every declared exogenous column; a missing one is forecast by the season's mean."""
    end = checked_period(context).end
    names = exogenous_columns(exogenous_from(settings.exogenous), settings.horizon_days)
    rows = table_store.read(FEATURE_TABLE.only("exogenous"), DateRange(end, end))
    # Without rows nothing is forecast from that day, which other checks tell of.
    unknown = unknown_columns(rows["exogenous"], names) if names and len(rows) else []
    return dg.AssetCheckResult(
        passed=not unknown,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{end}: no value of {examples(unknown)}" if unknown else f"{end}: {len(names)} columns are known",
        metadata={
            "columns": len(names),
            "unknown": len(unknown),
            "runbook": dg.MetadataValue.url(settings.runbook_url("exogenous_values_are_known")),
        },
    )


@dg.asset_check(asset=feature_table)
def every_series_goes_on(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
    calendars: dg.ResourceParam[Calendars],
) -> dg.AssetCheckResult:
    """No series ended in the last week: none was silent for longer than its own rhythm explains."""
    end = checked_period(context).end
    days_of_rows = FEATURE_TABLE.only()
    newest = table_store.read_newest(days_of_rows, at_or_before=end)
    last = newest.set_index("unique_id")["ds"]
    silent = last[last < last.max() - timedelta(days=MIN_SILENT_DAYS)].index.tolist()
    known = table_store.read(days_of_rows, DateRange(end - timedelta(days=RHYTHM_DAYS), end), unique_ids=silent)
    series = last_days(known, last.max().date() if silent else None, calendars).query("ended")
    news = series.query("is_news")
    found = examples(f"{name} ({day.date()})" for name, day in news["last"].items())
    return dg.AssetCheckResult(
        passed=news.empty,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{end}: ended, with their last day: {found}" if len(news) else f"{end}: {len(last)} series go on",
        metadata={
            "series": len(last),
            "ended": table(series.drop(columns="covered").reset_index().astype({"last": str})),
            "ended_this_week": len(news),
            FINDINGS: silent_findings(news["last"], len(last), "it has ended"),
            "runbook": dg.MetadataValue.url(settings.runbook_url("every_series_goes_on")),
        },
    )


def _drift_check(question: DriftQuestion, description: str) -> dg.AssetChecksDefinition:
    """Make a check that compares the newest days with the years before, exogenous series too."""

    @dg.asset_check(asset=feature_table, name=question.name, description=description)
    def check(
        context: dg.AssetCheckExecutionContext,
        table_store: dg.ResourceParam[TableStore],
        settings: dg.ResourceParam[Settings],
        calendars: dg.ResourceParam[Calendars],
    ) -> dg.AssetCheckResult:
        drift = DriftJudge(table_store, exogenous_from(settings.exogenous), calendars, declared_not_normal(settings))
        budget = settings.false_pages_of(question.name)
        found = drift.report(question, checked_period(context).end, pages_a_year=budget)
        return check_result(found, settings.runbook_url(question.name), dg.AssetCheckSeverity.WARN)

    return check


feature_table_matches_reference = _drift_check(
    LEVEL, "The newest days look like the three years before, seasons and slow trends taken out; exogenous series too."
)
actuals_match_earlier_years = _drift_check(
    EARLIER_WEEKS,
    "The level moved against the same weeks of earlier years as it has moved before; that of exogenous series too.",
)
