"""Whether the forecasts still hold: each question answered per series from `forecast_errors`.

A series is judged only after enough days have matured; until then it is unknown, which is not good
and not bad. Thresholds compare with the model's own backtest, not with fixed numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

WINDOW_DAYS = 28
LEAST_DAYS = 7


@dataclass(frozen=True, slots=True)
class ControlReport:
    """One question's answer.

    Attributes:
        passed: no judged series fails.
        series: one row a series: `unique_id`, `days` (matured), `value`, `threshold`, `state` (`good`,
            `bad` or `unknown`).
        summary: one sentence for a person.
    """

    passed: bool
    series: pd.DataFrame
    summary: str


@dataclass(frozen=True, slots=True)
class ControlPolicy:
    """What is still good.

    Attributes:
        most_bias: |mean of forecasts - mean of actuals|, in units of the backtest's RMSE.
        most_rmse: RMSE of the window, in units of the backtest's.
        least_coverage: share of actuals inside the 80 % interval.
        most_to_naive: RMSE, in units of the better naive forecast's on the same days.
    """

    most_bias: float = 1.0
    most_rmse: float = 2.0
    least_coverage: float = 0.55
    most_to_naive: float = 1.25


POLICY = ControlPolicy()


def newest_window(errors: pd.DataFrame, days: int = WINDOW_DAYS) -> pd.DataFrame:
    """The rows of the newest `days` days that have an actual."""
    if errors.empty:
        return errors
    return errors[errors["ds"] > errors["ds"].max() - timedelta(days=days)]


def bias_report(errors: pd.DataFrame, rmse: Mapping[str, float], policy: ControlPolicy = POLICY) -> ControlReport:
    """Mean of predictions against mean of actuals.

    Args:
        errors: rows of `FORECAST_ERRORS` of one window.
        rmse: each series' RMSE in the backtest of its model.
    """

    def bias(rows: pd.DataFrame, unit: float) -> float:
        return abs(float((rows["y_hat"] - rows["y"]).mean())) / unit

    return _report("bias", errors, bias, policy.most_bias, rmse=rmse)


def rmse_report(errors: pd.DataFrame, rmse: Mapping[str, float], policy: ControlPolicy = POLICY) -> ControlReport:
    """RMSE of the window against the backtest's."""

    def ratio(rows: pd.DataFrame, unit: float) -> float:
        return _rmse(rows, "y_hat") / unit

    return _report("RMSE ratio", errors, ratio, policy.most_rmse, rmse=rmse)


def coverage_report(errors: pd.DataFrame, policy: ControlPolicy = POLICY) -> ControlReport:
    """Share of actuals inside the 80 % interval."""

    def coverage(rows: pd.DataFrame, _unit: float) -> float:
        return float(rows["y"].between(rows["y_hat_lo_80"], rows["y_hat_hi_80"]).mean())

    return _report("coverage of 80 %", errors, coverage, policy.least_coverage, at_least=True)


def naive_report(errors: pd.DataFrame, policy: ControlPolicy = POLICY) -> ControlReport:
    """RMSE against the better of the two naive forecasts on the same days."""

    def ratio(rows: pd.DataFrame, _unit: float) -> float:
        best = min(_rmse(rows, "y_hat_naive"), _rmse(rows, "y_hat_seasonal_naive"))
        own = _rmse(rows, "y_hat")
        if best == 0:
            return 1.0 if own == 0 else float("inf")
        return own / best

    return _report("RMSE to the better naive", errors, ratio, policy.most_to_naive)


def _rmse(rows: pd.DataFrame, column: str) -> float:
    return float(np.sqrt(np.mean((rows[column] - rows["y"]) ** 2)))


def _report(
    name: str,
    errors: pd.DataFrame,
    measure: Callable[[pd.DataFrame, float], float],
    threshold: float,
    *,
    rmse: Mapping[str, float] | None = None,
    at_least: bool = False,
) -> ControlReport:
    judged: list[dict[str, Any]] = []
    for unique_id, rows in errors.groupby("unique_id", sort=True):
        unit = 1.0 if rmse is None else rmse.get(str(unique_id), float("nan"))
        days = rows["ds"].nunique()
        known = days >= LEAST_DAYS and np.isfinite(unit) and unit > 0
        value = measure(rows, unit) if known else float("nan")
        good = value >= threshold if at_least else value <= threshold
        state = ("good" if good else "bad") if known else "unknown"
        judged.append({"unique_id": unique_id, "days": days, "value": value, "threshold": threshold, "state": state})
    series = pd.DataFrame(judged, columns=["unique_id", "days", "value", "threshold", "state"])
    bad = series[series["state"] == "bad"]
    return ControlReport(bad.empty, series, _summary(name, series, bad, "at least" if at_least else "at most"))


def _summary(name: str, series: pd.DataFrame, bad: pd.DataFrame, relation: str) -> str:
    if not bad.empty:
        worst = ", ".join(f"{row.unique_id} {row.value:.2f}" for row in bad.head(5).itertuples())
        return f"{name} of {len(bad)} series is out of budget ({relation} {bad['threshold'].iloc[0]:g}): {worst}"
    known = int((series["state"] == "good").sum())
    if not known:
        return f"{name}: unknown, no series has {LEAST_DAYS} matured days yet"
    return f"{name} of {known} series is within budget; {len(series) - known} unknown"
