"""A report as Dagster shows it."""

import dagster as dg

from forecasting_platform.forecasting.control import ControlReport
from forecasting_platform.orchestration.metadata import table


def check_result(
    report: ControlReport, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.AssetCheckResult:
    """The report's verdict, its sentence, and one row a series."""
    states = report.series["state"].value_counts()
    return dg.AssetCheckResult(
        passed=report.passed,
        severity=severity,
        description=report.summary,
        metadata={
            "series": table(report.series),
            **{f"series_{state}": int(states.get(state, 0)) for state in ("good", "bad", "unknown")},
        },
    )
