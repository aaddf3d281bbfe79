"""Series for the tests of the core: long frames of `unique_id`, `ds`, `y`."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.training import Training, train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features

END = date(2023, 6, 30)


def observations(values: dict[str, list[float] | np.ndarray], end: date = END) -> pd.DataFrame:
    """Each series' values, the last one on `end`; NaN is a day without one."""
    frames = [
        pd.DataFrame({"unique_id": name, "ds": pd.date_range(end=pd.Timestamp(end), periods=len(y)), "y": y})
        for name, y in values.items()
    ]
    return pd.concat(frames, ignore_index=True).dropna()


def seasonal(days: int, seed: int = 0, noise: float = 3.0) -> np.ndarray:
    """A positive series with weekly and yearly seasons."""
    t = np.arange(days)
    rng = np.random.default_rng(seed)
    return 100 + 20 * np.cos(2 * np.pi * t / 365.25) - 15 * (t % 7 >= 5) + rng.normal(0, noise, days)


def features_of(rows: pd.DataFrame, end: date = END) -> pd.DataFrame:
    """The feature rows of every observed day."""
    return build_features(rows, DateRange(rows["ds"].min().date(), end), "IE")


def trained(values: dict[str, list[float] | np.ndarray], recipe: Recipe | None = None, end: date = END) -> Training:
    """A model of these series, trained at `end`."""
    rows = observations(values, end)
    return train(features_of(rows, end), end, recipe or Recipe(backtest_days=200, refit_days=60), code_version="test")


def days_after(count: int, end: date = END) -> list[date]:
    """The days after `end`."""
    return [end + timedelta(days=step) for step in range(1, count + 1)]
