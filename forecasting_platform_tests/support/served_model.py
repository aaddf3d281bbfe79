"""A small model made by hand, and what it was made of."""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
from flask import Flask

from forecasting_platform.forecasting.models.candidates.naive import FittedNaive
from forecasting_platform.forecasting.models.candidates.seasonal_naive import FittedSeasonalNaive
from forecasting_platform.forecasting.models.trained.first_days import FirstDays
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES
from forecasting_platform.forecasting.series.lifetime import UNKNOWN_RHYTHM_DAYS

SERIES = ("Corrib production", 'Größe "x"; drop table')


FIRST_DAY, CUTOFF, NEWEST = date(2023, 1, 1), date(2023, 6, 15), date(2023, 6, 30)


HORIZON = 15
CANDIDATES = (FittedNaive(), FittedSeasonalNaive())


MakeApp = Callable[..., Flask]


def make_observations() -> pd.DataFrame:
    days = pd.date_range(FIRST_DAY, NEWEST)
    level = 30 + 5 * np.sin(np.arange(len(days)) / 3)
    return pd.concat(
        [pd.DataFrame({"unique_id": name, "ds": days, "y": level * (n + 1)}) for n, name in enumerate(SERIES)]
    )


def make_model(features: pd.DataFrame, *, weight: float = 0.75) -> ForecastModel:
    """Naive and seasonal naive, weighed, knowing the features up to `CUTOFF`."""
    seen = features[features["ds"] <= pd.Timestamp(CUTOFF)]
    known = seen.drop_duplicates("unique_id", keep="last")
    limits = [getattr(seen.groupby("unique_id")[list(FEATURE_NAMES)], side)().to_numpy() for side in ("min", "max")]
    probabilities = np.array([0.005, 0.025, 0.1, 0.5, 0.9, 0.975, 0.995])
    spread = np.sqrt(np.arange(1, HORIZON + 1))[:, None] * np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
    return ForecastModel(
        unique_ids=SERIES,
        cutoff=CUTOFF,
        horizon=HORIZON,
        country="IE",
        candidates=CANDIDATES,
        weights=np.array([[weight, 1 - weight]] * len(SERIES)),
        probabilities=probabilities,
        error_quantiles=np.array([spread, 2 * spread]),
        calm_volatility=np.full(len(SERIES), np.inf),
        lower_bound=np.array([0.0, -np.inf]),
        plausible=np.array([[-1e6, 1e6]] * len(SERIES)),
        features=known[list(FEATURE_NAMES)].to_numpy(),
        feature_days=known["ds"].to_numpy().astype("datetime64[D]"),
        ended_after_days=np.full(len(SERIES), UNKNOWN_RHYTHM_DAYS),
        trained_ranges=np.stack(limits, axis=2),
        is_new=np.zeros(len(SERIES), dtype=bool),
        first_days=FirstDays.default(CANDIDATES, HORIZON, probabilities),
        metadata={
            "series": {SERIES[0]: {"winner": "naive", "scores": {"mase": 0.5}, "coverage": {"80": 0.81}}},
            "evidence": {"for": "promotion alone"},
        },
    )


def issued(model: ForecastModel, features: pd.DataFrame, cutoff: date) -> pd.DataFrame:
    known = model.with_features(features[features["ds"] == pd.Timestamp(cutoff)])
    forecasts = known.predict(
        known.inputs(list(DateRange(cutoff + timedelta(days=1), cutoff + timedelta(days=HORIZON))))
    )
    return forecasts.to_frame().assign(model_version="1", issued_at=pd.Timestamp(cutoff, tz="UTC"))
