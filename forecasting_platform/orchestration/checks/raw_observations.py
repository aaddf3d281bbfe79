"""Checks of `raw_observations`: two that stop a bad load, and a suite for a person to read."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from forecasting_platform.adapters.great_expectations_quality import QualityReport, validate_days, write_page
from forecasting_platform.forecasting.monitoring.findings import Finding, Findings
from forecasting_platform.forecasting.monitoring.next_steps import OF_FEED
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.forecasting.series.quality.data_quality import (
    history_period,
    judge_days,
    structural_problem,
)
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.checks.results import FINDINGS
from forecasting_platform.orchestration.metadata.load import (
    EXOGENOUS_REFUSED,
    FEEDS,
    LOAD_PROBLEM,
    REFUSED,
    REFUSED_VALUES,
)
from forecasting_platform.orchestration.metadata.values import table
from forecasting_platform.orchestration.names import asset_key
from forecasting_platform.orchestration.partitions import checked_period
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings

# Features and forecasts are there before Great Expectations is even imported.
AFTER_EVERYTHING = {"dagster/priority": "-10"}
SAMPLE_ROWS = 20
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


@dg.asset_check(asset=raw_observations, blocking=True)
def feed_document_gives_values(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """The newest load took values from its document, and refused none; features wait where it gave none, or too few."""
    loaded = _newest_load(context.op_execution_context, settings)
    if loaded is None:
        return dg.AssetCheckResult(passed=True, description="nothing was loaded yet")
    shown = {name: loaded.metadata[name] for name in _SHOWN_OF_LOAD if name in loaded.metadata}
    problem, of_feed, of_exogenous = (shown[name].value if name in shown else None for name in _SENTENCES)
    said = [
        of_feed or "what was refused is not known",
        *([f"of the second feed {of_exogenous}"] if of_exogenous else []),
    ]
    # Of several feeds each has a check of its own for its refusals.
    is_told = FEEDS in loaded.metadata or (REFUSED_VALUES in shown and not shown[REFUSED_VALUES].value)
    return dg.AssetCheckResult(
        passed=not problem and is_told,
        severity=ERROR if problem else WARN,
        description=f"{checked_period(context)}: {f'{problem}: ' if problem else ''}{'; '.join(map(str, said))}",
        metadata={**shown, "runbook": dg.MetadataValue.url(settings.runbook_url("feed_document_gives_values"))},
    )


def feed_checks(names: Iterable[str]) -> list[dg.AssetChecksDefinition]:
    """A check for each of several feeds: one that fails says so alone, and the other series go on."""
    return [_feed_check(name) for name in names]


def _feed_check(name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=raw_observations,
        name=f"feed_document_gives_values{OF_FEED}{name}",
        description=f"The newest load took all values of the feed {name!r} and refused none; only its own series wait.",
    )
    def check(context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        loaded = _newest_load(context.op_execution_context, settings)
        found = _of_several(loaded).get(name)
        if found is None:
            return dg.AssetCheckResult(passed=True, description=f"nothing was loaded of the feed {name!r} yet")
        problem, refused = found["problem"], found.get("refused")
        return dg.AssetCheckResult(
            passed=not problem and not found.get("refused_values"),
            severity=ERROR if problem else WARN,
            description=f"{checked_period(context)}, feed {name!r}: {'; '.join(filter(None, (problem, refused)))}",
            metadata={
                **{key: value for key, value in found.items() if value is not None},
                "runbook": dg.MetadataValue.url(settings.runbook_url("feed_document_gives_values")),
            },
        )

    return check


def _of_several(loaded: dg.AssetMaterialization | None) -> dict[str, dict[str, Any]]:
    """What a load shows of each of several feeds."""
    shown: Any = loaded.metadata[FEEDS].value if loaded and FEEDS in loaded.metadata else {}
    return shown


_SENTENCES = (LOAD_PROBLEM, REFUSED, EXOGENOUS_REFUSED)
_SHOWN_OF_LOAD = (*_SENTENCES, REFUSED_VALUES, "feed")


def _newest_load(context: dg.OpExecutionContext, settings: Settings) -> dg.AssetMaterialization | None:
    """That of the check's own run, or else the newest there is."""
    loaded = asset_key(settings.mounted_as, "raw_observations")
    made = dg.DagsterEventType.ASSET_MATERIALIZATION
    own = context.instance.get_records_for_run(context.run_id, of_type=made, limit=1, ascending=False).records
    entry = own[0].event_log_entry if own else None
    if entry is None or entry.asset_materialization is None or entry.asset_materialization.asset_key != loaded:
        entry = context.instance.get_latest_materialization_event(loaded)
    return entry.asset_materialization if entry else None


@dg.asset_check(asset=raw_observations, blocking=True)
def observations_are_well_formed(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """The loaded days have the columns, kinds and keys that everything after them needs; else features wait."""
    days = checked_period(context)
    observations = table_store.read_observations(days)
    problem = structural_problem(observations, days)
    return dg.AssetCheckResult(
        passed=problem is None,
        description=f"{days}: {problem or f'{len(observations)} values'}",
        metadata={
            "rows": len(observations),
            "runbook": dg.MetadataValue.url(settings.runbook_url("observations_are_well_formed")),
        },
    )


@dg.asset_check(asset=raw_observations, op_tags=AFTER_EVERYTHING)
def observations_meet_expectations(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
    calendars: dg.ResourceParam[Calendars],
) -> dg.AssetCheckResult:
    """The loaded days pass the Great Expectations suite: kinds, uniqueness, completeness, range, jumps, flat lines."""
    days = checked_period(context)
    observations = table_store.read_observations(days)
    history = table_store.read_observations(history_period(days))
    judged = judge_days(observations, history, days, calendars=calendars, moment=datetime.now(UTC))
    if observations.empty and judged.empty:
        return dg.AssetCheckResult(
            passed=True, severity=WARN, description=f"{days}: nothing was published", metadata={"rows": 0}
        )
    report = validate_days(observations, judged, days)
    unmet = report.expectations.loc[~report.expectations["met"], "expectation"].tolist()
    return dg.AssetCheckResult(
        passed=report.passed,
        severity=WARN,
        description=f"{days}: " + (f"not so: {'; '.join(unmet)}" if unmet else "every expectation is met"),
        metadata={
            "rows": len(observations),
            "series_with_a_past": judged["unique_id"].nunique(),
            "expectations": table(report.expectations),
            "unexpected_rows": table(report.unexpected.head(SAMPLE_ROWS)),
            **_findings_of(report, judged["unique_id"].nunique()),
            **_data_docs(report, settings, context.op_execution_context.run_id),
        },
    )


def _findings_of(report: QualityReport, judged: int) -> dict[str, str]:
    """What is found series by series; nothing where an expectation is not met that is of no series."""
    found = report.unexpected
    if not set(report.expectations.loc[~report.expectations["met"], "expectation"]) <= set(found["expectation"]):
        return {}
    first = found.sort_values("ds", kind="stable").drop_duplicates("unique_id")
    bad = {
        name: Finding(date.fromisoformat(day), f"not so: {said}")
        for name, day, said in first[["unique_id", "ds", "expectation"]].to_numpy(dtype=object)
    }
    return {FINDINGS: Findings(judged, bad).to_json()}


def _data_docs(report: QualityReport, settings: Settings, run_id: str) -> dict[str, dg.MetadataValue[str]]:
    if settings.data_docs_dir is None:
        return {}
    page = write_page(settings.data_docs_dir, run_id, report.page).resolve()
    return {"data_docs": dg.MetadataValue.url(page.as_uri()), "data_docs_file": dg.MetadataValue.path(page)}
