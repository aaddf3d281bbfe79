"""Claims about `raw_observations`: one that stops a bad load, and a suite that a person reads."""

import dagster as dg
import pandas as pd

from forecasting_platform.adapters.great_expectations_quality import QualityReport, validate_days, write_page
from forecasting_platform.forecasting.data_quality import (
    history_period,
    implausible_values,
    judge_days,
    structural_problem,
)
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.metadata import table
from forecasting_platform.orchestration.partitions import checked_period
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings

# Features and forecasts are there before Great Expectations is even imported.
AFTER_EVERYTHING = {"dagster/priority": "-10"}
WARN = dg.AssetCheckSeverity.WARN


@dg.asset_check(asset=raw_observations, blocking=True)
def observations_are_plausible(
    context: dg.AssetCheckExecutionContext, table_store: dg.ResourceParam[TableStore]
) -> dg.AssetCheckResult:
    """The loaded days have the right shape and no value is wildly beyond its series' past; else features wait."""
    days = checked_period(context)
    observations = table_store.read_observations(days)
    if problem := structural_problem(observations, days):
        return dg.AssetCheckResult(passed=False, description=f"{days}: {problem}")
    wild = implausible_values(observations, table_store.read_observations(history_period(days)))
    return dg.AssetCheckResult(
        passed=wild.empty,
        description=f"{days}: {len(wild)} of {len(observations)} values are implausible" + _remedy(wild),
        metadata={"rows": len(observations), "implausible": len(wild), "sample": table(wild.head(20))},
    )


def _remedy(wild: pd.DataFrame) -> str:
    if wild.empty:
        return ""
    return "; have the publisher mend them and load again, or, if they are right, materialize feature_table alone"


@dg.asset_check(asset=raw_observations, op_tags=AFTER_EVERYTHING)
def observations_meet_expectations(
    context: dg.AssetCheckExecutionContext,
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """The loaded days pass the Great Expectations suite: kinds, uniqueness, completeness, range, jumps, flat lines."""
    days = checked_period(context)
    observations = table_store.read_observations(days)
    judged = judge_days(observations, table_store.read_observations(history_period(days)), days)
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
            "unexpected_rows": table(report.sample),
            **_data_docs(report, settings, context.op_execution_context.run_id),
        },
    )


def _data_docs(report: QualityReport, settings: Settings, run_id: str) -> dict[str, dg.MetadataValue[str]]:
    if settings.data_docs_dir is None:
        return {}
    page = write_page(settings.data_docs_dir, run_id, report.page).resolve()
    return {"data_docs": dg.MetadataValue.url(page.as_uri()), "data_docs_file": dg.MetadataValue.path(page)}
