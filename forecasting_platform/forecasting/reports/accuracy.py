"""Accuracy of the forecasts of record per series over windows of days, and the numbers of a decision, as tables."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.monitoring.control.references import SeriesReference
from forecasting_platform.forecasting.monitoring.control.report import WINDOWS
from forecasting_platform.forecasting.promotion.decisions import AUTOMATIC, PromotionDecision
from forecasting_platform.forecasting.promotion.paired_tests import newey_west
from forecasting_platform.forecasting.series.arrays import Floats

COLUMNS = [
    "unique_id", "window_days", "days", "mean_y", "mean_y_hat", "bias", "bias_error", "rmse", "mae",
    "coverage_80", "coverage_95", "skill_naive", "skill_seasonal_naive",
]  # fmt: skip


def accuracy_report(errors: pd.DataFrame, windows: Sequence[int] = WINDOWS, newest: date | None = None) -> pd.DataFrame:
    """One row for each series and window, both in order.

    Args:
        errors: rows of `FORECAST_ERRORS`.
        windows: lengths in days, each ending on the newest day that has an actual.
        newest: that day, where these are some series of many.

    Returns:
        `days` with an actual; means, `bias` (mean of `y_hat - y`) with its standard error, RMSE and MAE
        in the unit of the series; coverages as shares; skills as 1 - RMSE / RMSE of the naive
        forecasts. Empty without errors.
    """
    if errors.empty:
        return pd.DataFrame(columns=COLUMNS)
    errors = forecasts_of_record(errors)
    last = errors["ds"].max() if newest is None else pd.Timestamp(newest)
    rows = [
        (unique_id, window, *_measures(series[series["ds"] > last - timedelta(days=window)]))
        for unique_id, series in errors.groupby("unique_id", sort=True)
        for window in windows
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _measures(rows: pd.DataFrame) -> tuple[float, ...]:
    error = rows["y_hat"] - rows["y"]
    rmse = float(np.sqrt(np.mean(error**2)))
    return (
        rows["ds"].nunique(),
        float(rows["y"].mean()),
        float(rows["y_hat"].mean()),
        float(error.mean()),
        standard_error(error.groupby(rows["ds"]).mean().to_numpy()),
        rmse,
        float(error.abs().mean()),
        *(float(rows["y"].between(rows[f"y_hat_lo_{level}"], rows[f"y_hat_hi_{level}"]).mean()) for level in (80, 95)),
        *(_skill(rmse, rows, f"y_hat_{name}") for name in ("naive", "seasonal_naive")),
    )


def standard_error(daily: Floats) -> float:
    """Standard error of the mean of autocorrelated days (Newey & West 1987, doi:10.2307/1913610).

    The lag is their rule of 1994, 4 (n / 100)^(2/9); NaN for fewer than two days.

    >>> standard_error(np.array([1.0, -1.0, 1.0, -1.0])) < 0.5
    True
    """
    n = len(daily)
    if n < 2:
        return float("nan")
    lags = min(n - 1, int(4 * (n / 100) ** (2 / 9)))
    return float(np.sqrt(max(0.0, float(newey_west(daily, lags))) / n))


def vintage_report(errors: pd.DataFrame, windows: Sequence[int] = WINDOWS, newest: date | None = None) -> pd.DataFrame:
    """Bias and RMSE by first published and by latest actuals: one row a series and window.

    Args:
        errors: rows of `FORECAST_ERRORS`; days whose first value is not known are left out.
    """
    known = errors.dropna(subset=["y_first"])
    by_first = accuracy_report(known.assign(y=known["y_first"]), windows, newest)
    by_latest = accuracy_report(known, windows, newest)
    keys, measures = ["unique_id", "window_days"], ["bias", "rmse"]
    return by_first[[*keys, *measures]].merge(by_latest[[*keys, *measures]], on=keys, suffixes=("_first", "_latest"))


def decision_table(decision: PromotionDecision) -> pd.DataFrame:
    """The numbers of a decision, one a row: `what`, `found`, and `needed` for a promotion (empty: no threshold)."""
    statistics, policy = decision.evidence.get("statistics", {}), decision.evidence.get("policy", {})
    inputs = decision.evidence.get("inputs", {})
    found = {
        "loss of the challenger": statistics.get("challenger_loss"),
        "loss of the champion": statistics.get("champion_loss"),
        "cutoffs compared": statistics.get("cutoffs"),
        "gain in the backtest": statistics.get("relative_gain"),
        "chance a year of such a gain without being better": statistics.get("chance_better"),
        "gain that survives resampling": statistics.get("bootstrap_gain"),
        "gain that would be seen": statistics.get("least_detectable_gain"),
        "days newer": statistics.get("days_newer"),
        "recipes compared within a year": (inputs.get("tries") or {}).get("number"),
        "constant series, which decide nothing": len(inputs.get("constant", ())) or None,
        "days left out as not normal": inputs.get("left_out", {}).get("days"),
    }
    shadow = statistics.get("shadow") or {}
    found |= {f"shadow: {name.replace('_', ' ')}": value for name, value in shadow.items()}
    found |= {name.replace("_", " "): value for name, value in decision.evidence.get(AUTOMATIC, {}).items()}
    asked = statistics.get("asked", {})
    needed = {
        "gain in the backtest": policy.get("min_gain"),
        "chance a year of such a gain without being better": asked.get("recipe", policy.get("recipe_alpha")),
        "gain that survives resampling": 0.0 if policy else None,
        "shadow: lower": 0.0,
    }
    rows = [(what, value, needed.get(what)) for what, value in found.items() if value is not None]
    table = pd.DataFrame(rows, columns=["what", "found", "needed"], dtype=object)
    return table.assign(needed=["" if value is None else value for value in table["needed"]])


def detection_report(references: Mapping[str, SeriesReference]) -> pd.DataFrame:
    """Days until a true change of each size pages, at one false page a year: one row a series and size.

    Returns:
        `change` is a bias in standard deviations of a day's mean error, or a factor on the errors;
        `median_days` is None where it takes more than 200 days.
    """
    rows = [
        (unique_id, f"{chart} {'×' if chart == 'rmse' else ''}{size}{'' if chart == 'rmse' else 'σ'}", days)
        for unique_id, reference in sorted(references.items())
        for chart, sizes in reference.days_to_detect.items()
        for size, days in sizes.items()
    ]
    return pd.DataFrame(rows, columns=["unique_id", "change", "median_days"])


def _skill(rmse: float, rows: pd.DataFrame, baseline: str) -> float:
    against = float(np.sqrt(np.mean((rows[baseline] - rows["y"]) ** 2)))
    return 1 - rmse / against if against > 0 else float("nan")
