"""Converts a report to what Dagster shows of a check."""

from typing import Any

import dagster as dg
import pandas as pd

from forecasting_platform.forecasting.monitoring.control.report import ControlReport
from forecasting_platform.forecasting.monitoring.findings import Findings, silent_since
from forecasting_platform.forecasting.reports.many_series import MAX_SERIES, show_series
from forecasting_platform.forecasting.reports.plots import evidence_plot
from forecasting_platform.orchestration.metadata.values import plot, table

STATE = "state"
"""Metadata key of a report's state: what a check's `passed` cannot say is unknown."""

FINDINGS = "findings"
"""Metadata key of what a check found series by series; incidents of series are made of it."""


def silent_findings(last: "pd.Series[pd.Timestamp]", judged: int, said: str) -> str:
    """For `FINDINGS`: each series' last day is the newest that it has a value of."""
    return Findings(judged, silent_since(((str(name), day.date()) for name, day in last.items()), said)).to_json()


def check_result(
    report: ControlReport,
    runbook: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    *,
    name: str | None = None,
) -> dg.AssetCheckResult:
    """Convert a report to a check result: verdict, summary, the worst series, runbook, and a chart of the bad ones.

    Args:
        name: of the check, where it is one of several that are evaluated together.
    """
    states = report.series["state"].value_counts()
    metadata: dict[str, Any] = {
        STATE: report.state,
        # Dagster keeps what is shown for ever, each day anew.
        "worst_series": table(report.worst_series(MAX_SERIES)),
        **{f"series_{state}": int(states.get(state, 0)) for state in ("good", "bad", "unknown")},
        "runbook": dg.MetadataValue.url(runbook),
    }
    if len(quantiles := show_series(report.series, ()).quantiles):
        metadata["series_quantiles"] = table(quantiles)
    if (findings := report.findings()) is not None:
        metadata[FINDINGS] = findings.to_json()
    # To draw one costs more than to judge some hundred series.
    if len(report.daily) and not report.passed:
        metadata["chart"] = plot(evidence_plot(report.telling_days()))
    return dg.AssetCheckResult(
        check_name=name,
        passed=report.passed,
        # Unknown does not fail, but is not shown as if all were well.
        severity=dg.AssetCheckSeverity.WARN if report.state == "unknown" else severity,
        description=report.summary,
        metadata=metadata,
    )
