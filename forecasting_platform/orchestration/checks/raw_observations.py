"""Claims about `raw_observations`."""

import dagster as dg

from forecasting_platform.adapters.great_expectations_quality import validate_observations
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.metadata import table
from forecasting_platform.orchestration.partitions import checked_period
from forecasting_platform.ports.table_store import TableStore


@dg.asset_check(asset=raw_observations)
def observations_meet_expectations(
    context: dg.AssetCheckExecutionContext, table_store: dg.ResourceParam[TableStore]
) -> dg.AssetCheckResult:
    """The loaded days pass the Great Expectations suite: schema, uniqueness, numbers, range, completeness."""
    days = checked_period(context)
    observations = table_store.read_observations(days)
    if observations.empty:
        return dg.AssetCheckResult(
            passed=True,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{days}: nothing was published, so nothing was judged",
            metadata={"rows": 0},
        )
    report = validate_observations(observations, days)
    unmet = report.expectations.loc[~report.expectations["met"], "expectation"].tolist()
    return dg.AssetCheckResult(
        passed=report.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{days}: " + (f"not met: {', '.join(unmet)}" if unmet else "every expectation is met"),
        metadata={"expectations": table(report.expectations), "rows": len(observations)},
    )
