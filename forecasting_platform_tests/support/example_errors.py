"""Forecasts of two series and what came of them, off by as much as a test wants."""

from datetime import timedelta

import pandas as pd

from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS

UNIT = {"a": 2.0, "b": 4.0}


def errors(version: str, off: float, days: int = 8, *, width: float = 100.0, second: int = 0) -> pd.DataFrame:
    """Forecasts of two series from each of some cutoffs, all off by the same."""
    cutoffs = pd.date_range("2023-07-01", periods=days)
    rows = [
        {
            "unique_id": unique_id,
            "cutoff": cutoff,
            "ds": cutoff + timedelta(days=step),
            "model_version": version,
            "issued_at": cutoff.tz_localize("UTC") + timedelta(seconds=second),
            "y": 10.0,
            "y_first": 10.0,
            "y_hat": 10.0 + off,
            "y_hat_naive": 11.0,
            "y_hat_seasonal_naive": 12.0,
            **{f"y_hat_{side}_{level}": 10.0 + off + sign * width for level in (80, 95) for side, sign in SIDES},
        }
        for unique_id in UNIT
        for cutoff in cutoffs
        for step in (1, 2)
    ]
    return FORECAST_ERRORS.conform(pd.DataFrame(rows))


SIDES = (("lo", -1), ("hi", 1))
