"""Forecasts matched with actuals, and the backtest that they are compared with: what control judges."""

from datetime import timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.monitoring.control.chart_learning import learn_references
from forecasting_platform.forecasting.monitoring.control.references import CHARTS, SeriesReference
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS

NOISE = np.random.default_rng(5).standard_normal(1000)


def errors(days: int, *, bias: float = 0.0, scale: float = 1.0, half: float = 1.28, naive: float = 2.0) -> pd.DataFrame:
    """One-step forecasts of one series: actual 100, forecast off by `bias` and noise of variance one."""
    ds = pd.date_range("2023-07-01", periods=days)
    y_hat = 100 + bias + scale * NOISE[:days]
    return FORECAST_ERRORS.conform(
        pd.DataFrame(
            {
                "unique_id": "a",
                "cutoff": ds - timedelta(days=1),
                "ds": ds,
                "model_version": "1",
                "y_hat": y_hat,
                "y_hat_lo_80": y_hat - half,
                "y_hat_hi_80": y_hat + half,
                "y_hat_lo_95": y_hat - 2 * half,
                "y_hat_hi_95": y_hat + 2 * half,
                "y_hat_naive": 100 + naive * NOISE[500 : 500 + days],
                "y_hat_seasonal_naive": 100 + 9 * naive,
                "y": 100.0,
                "y_first": 100.0,
                "issued_at": pd.Timestamp("2023-06-30", tz="UTC"),
            }
        )
    )


def reference(*, without: str = "") -> SeriesReference:
    """A backtest whose errors are noise of variance one, twice as good as naive."""
    noise = np.random.default_rng(7).standard_normal((2, 640))
    streams = {
        "bias": noise[0],
        "rmse": noise[0],
        "coverage": (np.abs(noise[0]) > 1.28).astype(float),
        "naive": np.abs(noise[0]) - 2 * np.abs(noise[1]),
        "churn": np.abs(noise[0]),
    }
    charts = {name: found for name, stream in streams.items() if (found := learn_references(CHARTS[name], [stream])[0])}
    charts.pop(without, None)
    return SeriesReference(np.ones((4, 3)), "naive", charts, {"bias": {"1": 9.0, "2": None}, "rmse": {"1.5": 12.0}})


REFERENCES = {"a": reference()}


def forecasts(days: int, move: float) -> pd.DataFrame:
    """Two-day forecasts at consecutive cutoffs that differ by noise of a size."""
    rows = [
        {"unique_id": "a", "cutoff": cutoff, "ds": cutoff + timedelta(days=step), "model_version": "1",
         "issued_at": pd.Timestamp(cutoff, tz="UTC"), "y_hat": 100 + move * NOISE[number] * (step == 1)}
        for number, cutoff in enumerate(pd.date_range("2023-07-01", periods=days))
        for step in (1, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows)
