"""How good the forecasts of record were, over windows of days, per series."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

WINDOWS = (7, 28, 90)
COLUMNS = [
    "unique_id", "window_days", "days", "mean_y", "mean_y_hat", "bias", "rmse", "mae",
    "coverage_80", "coverage_95", "skill_naive", "skill_seasonal_naive",
]  # fmt: skip


def accuracy_report(errors: pd.DataFrame, windows: Sequence[int] = WINDOWS) -> pd.DataFrame:
    """One row for each series and window, both in order.

    Args:
        errors: rows of `FORECAST_ERRORS`.
        windows: lengths in days, each ending on the newest day that has an actual.

    Returns:
        `days` with an actual; means, `bias` (mean of `y_hat - y`), RMSE and MAE in the unit of the
        series; coverages as shares; skills as 1 - RMSE / RMSE of the naive forecasts. Empty
        without errors.
    """
    if errors.empty:
        return pd.DataFrame(columns=COLUMNS)
    newest = errors["ds"].max()
    rows = [
        (unique_id, window, *_measures(series[series["ds"] > newest - timedelta(days=window)]))
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
        rmse,
        float(error.abs().mean()),
        *(float(rows["y"].between(rows[f"y_hat_lo_{level}"], rows[f"y_hat_hi_{level}"]).mean()) for level in (80, 95)),
        *(_skill(rmse, rows, f"y_hat_{name}") for name in ("naive", "seasonal_naive")),
    )


def _skill(rmse: float, rows: pd.DataFrame, baseline: str) -> float:
    against = float(np.sqrt(np.mean((rows[baseline] - rows["y"]) ** 2)))
    return 1 - rmse / against if against > 0 else float("nan")
