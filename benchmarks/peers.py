"""Forecasts of other packages at given cutoffs. Runs in the peers' own environment, knows nothing of ours.

    python peers.py PEER SERIES.csv FORECASTS.csv

SERIES.csv: `unique_id`, `country`, `ds`, `y`, `is_cutoff`. The peer is fitted anew at every cutoff, on all
days up to and including it (a missing day is given the value before it), in one thread, with its package's
defaults: weekly season for the statistical ones, the country's holidays for Prophet, usual lags and dates for
LightGBM. FORECASTS.csv: one row a series, cutoff and day, with quantiles and the CPU seconds of its fit.
"""

import time
from collections.abc import Callable, Iterator
from itertools import product

import lightgbm
import numpy as np
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean
from mlforecast.utils import PredictionIntervals
from peer_script import HORIZON, LEVELS, SEASON, main  # stands beside this script
from prophet import Prophet
from statsforecast import models as statistical

Quantiles = dict[str, np.ndarray]
"""`y_hat`, and `lo_80`, `hi_80` and so on; each of shape (HORIZON,)."""


def smoothed(model: Callable[[], object]) -> Callable[[pd.DataFrame, str], Quantiles]:
    """A model of statsforecast."""

    def forecast(history: pd.DataFrame, _country: str) -> Quantiles:
        found = model().forecast(y=history["y"].to_numpy(), h=HORIZON, level=list(LEVELS))
        bounds = {f"{side}_{level}": found[f"{side}-{level}"] for level in LEVELS for side in ("lo", "hi")}
        return {"y_hat": found["mean"], **bounds}

    return forecast


def prophet(history: pd.DataFrame, country: str) -> Quantiles:
    """Prophet with the country's holidays; quantiles of its own simulated futures."""
    model = Prophet(daily_seasonality=False)
    model.add_country_holidays(country)
    model.fit(history[["ds", "y"]])
    future = model.make_future_dataframe(HORIZON, include_history=False)
    futures = model.predictive_samples(future)["yhat"]
    bounds = {
        f"{side}_{level}": np.quantile(futures, 0.5 + sign * level / 200, axis=1)
        for level in LEVELS
        for side, sign in (("lo", -1), ("hi", 1))
    }
    return {"y_hat": model.predict(future)["yhat"].to_numpy(), **bounds}


def light_gbm(history: pd.DataFrame, _country: str) -> Quantiles:
    """LightGBM on lags and dates through mlforecast, with its conformal intervals of 30 windows."""
    forecaster = MLForecast(
        models={"lgbm": lightgbm.LGBMRegressor(verbosity=-1, n_jobs=1)},
        freq="D",
        lags=[1, 2, 3, 4, 5, 6, 7, 14, 28, 364],
        lag_transforms={1: [RollingMean(7), RollingMean(28), RollingMean(91)]},
        date_features=["dayofweek", "dayofyear"],
    )
    forecaster.fit(history[["unique_id", "ds", "y"]], prediction_intervals=PredictionIntervals(n_windows=30, h=HORIZON))
    found = forecaster.predict(HORIZON, level=list(LEVELS))
    bounds = {f"{side}_{level}": found[f"lgbm-{side}-{level}"].to_numpy() for level in LEVELS for side in ("lo", "hi")}
    return {"y_hat": found["lgbm"].to_numpy(), **bounds}


PEERS: dict[str, Callable[[pd.DataFrame, str], Quantiles]] = {
    "Naive": smoothed(statistical.Naive),
    "SeasonalNaive": smoothed(lambda: statistical.SeasonalNaive(season_length=SEASON)),
    "AutoETS": smoothed(lambda: statistical.AutoETS(season_length=SEASON)),
    "AutoTheta": smoothed(lambda: statistical.AutoTheta(season_length=SEASON)),
    "MSTL": smoothed(lambda: statistical.MSTL(season_length=[SEASON, 365])),
    "LightGBM": light_gbm,
    "Prophet": prophet,
    "AutoARIMA": smoothed(lambda: statistical.AutoARIMA(season_length=SEASON)),
}


def forecasts(peer: str, series: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """A peer's forecasts of each series at each cutoff, cutoff by cutoff."""
    daily = {
        (unique_id, country): rows.set_index("ds")[["y"]].asfreq("D").ffill().reset_index().assign(unique_id=unique_id)
        for (unique_id, country), rows in series.groupby(["unique_id", "country"])
    }
    # What a first call compiles or imports is no part of a fit.
    (_, country), first = next(iter(daily.items()))
    PEERS[peer](first.head(1000), country)
    for cutoff, (unique_id, country) in product(series.loc[series["is_cutoff"], "ds"].unique(), daily):
        history = daily[unique_id, country]
        if cutoff not in set(series.loc[series["is_cutoff"] & (series["unique_id"] == unique_id), "ds"]):
            continue
        began = time.process_time()
        quantiles = PEERS[peer](history[history["ds"] <= cutoff], country)
        yield pd.DataFrame(quantiles).assign(
            unique_id=unique_id, cutoff=cutoff, step=np.arange(1, HORIZON + 1), seconds=time.process_time() - began
        )


if __name__ == "__main__":
    main(forecasts)
