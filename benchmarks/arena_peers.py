"""Forecasts of other packages with the same covariates, at given cutoffs. Runs in the peers' own environment.

    python arena_peers.py PEER PANEL.csv FORECASTS.csv

PANEL.csv: `unique_id`, `country`, `ds`, `y`, `is_cutoff`, and a column for each covariate, known of the days ahead as
well. Each peer is fitted anew at every cutoff on all days up to and including it, in one thread, with its package's
defaults: the covariates as regressors, weekly season, the country's holidays for Prophet. The pooled ones see all
series at once.
FORECASTS.csv: one row a series, cutoff and day, with quantiles and the CPU seconds of its fit.
"""

import time
from collections.abc import Callable, Iterator

import lightgbm
import numpy as np
import pandas as pd
from catboost import CatBoostRegressor
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean
from mlforecast.utils import PredictionIntervals
from peers import HORIZON, LEVELS, SEASON, main  # stands beside this script
from prophet import Prophet
from statsforecast import models as statistical

OWN = ("unique_id", "country", "ds", "y", "is_cutoff")
SIDES = [(side, sign, level) for level in LEVELS for side, sign in (("lo", -1), ("hi", 1))]


def each(forecast: Callable[[pd.DataFrame, pd.DataFrame, list[str], str], pd.DataFrame]) -> "Peer":
    """A peer that is fitted on each series by itself."""

    def of_all(history: pd.DataFrame, ahead: pd.DataFrame, covariates: list[str], country: str) -> pd.DataFrame:
        parts = []
        for unique_id, rows in history.groupby("unique_id"):
            coming = ahead[ahead["unique_id"] == unique_id]
            parts.append(forecast(rows, coming, covariates, country).assign(unique_id=unique_id, ds=coming["ds"].array))
        return pd.concat(parts, ignore_index=True)

    return of_all


def auto_arima(history: pd.DataFrame, ahead: pd.DataFrame, covariates: list[str], _country: str) -> pd.DataFrame:
    """AutoARIMA with regressors; a covariate that never changed is left out, which it refuses."""
    used = [name for name in covariates if history[name].nunique() > 1]
    given = {"X": history[used].to_numpy(), "X_future": ahead[used].to_numpy()} if used else {}
    model = statistical.AutoARIMA(season_length=SEASON)
    found = model.forecast(y=history["y"].to_numpy(), h=HORIZON, level=list(LEVELS), **given)
    return pd.DataFrame({"y_hat": found["mean"]} | {f"{side}_{lv}": found[f"{side}-{lv}"] for side, _, lv in SIDES})


def seasonal_naive(history: pd.DataFrame, _ahead: pd.DataFrame, _covariates: list[str], _country: str) -> pd.DataFrame:
    """The value a whole number of weeks before."""
    model = statistical.SeasonalNaive(season_length=SEASON)
    found = model.forecast(y=history["y"].to_numpy(), h=HORIZON, level=list(LEVELS))
    return pd.DataFrame({"y_hat": found["mean"]} | {f"{side}_{lv}": found[f"{side}-{lv}"] for side, _, lv in SIDES})


def prophet(history: pd.DataFrame, ahead: pd.DataFrame, covariates: list[str], country: str) -> pd.DataFrame:
    """Prophet with regressors and the country's holidays; quantiles of its own simulated futures."""
    model = Prophet(daily_seasonality=False)
    model.add_country_holidays(country)
    for name in covariates:
        model.add_regressor(name)
    model.fit(history[["ds", "y", *covariates]])
    coming = ahead[["ds", *covariates]]
    futures = model.predictive_samples(coming)["yhat"]
    bounds = {f"{side}_{lv}": np.quantile(futures, 0.5 + sign * lv / 200, axis=1) for side, sign, lv in SIDES}
    return pd.DataFrame({"y_hat": model.predict(coming)["yhat"].to_numpy()} | bounds)


def boosted(model: object) -> "Peer":
    """Trees over all series at once through mlforecast: lags, rolling means, dates, covariates; conformal intervals."""

    def forecast(history: pd.DataFrame, ahead: pd.DataFrame, covariates: list[str], _country: str) -> pd.DataFrame:
        forecaster = MLForecast(
            models={"m": model},
            freq="D",
            lags=[1, 2, 3, 4, 5, 6, 7, 14, 28],
            lag_transforms={1: [RollingMean(7), RollingMean(28), RollingMean(91)]},
            date_features=["dayofweek", "dayofyear"],
        )
        intervals = PredictionIntervals(n_windows=5, h=HORIZON)
        known = history[["unique_id", "ds", "y", *covariates]]
        forecaster.fit(known, static_features=[], prediction_intervals=intervals)
        found = forecaster.predict(HORIZON, level=list(LEVELS), X_df=ahead[["unique_id", "ds", *covariates]])
        bounds = {f"{side}_{lv}": found[f"m-{side}-{lv}"] for side, _, lv in SIDES}
        return pd.DataFrame({"unique_id": found["unique_id"], "ds": found["ds"], "y_hat": found["m"], **bounds})

    return forecast


Peer = Callable[[pd.DataFrame, pd.DataFrame, list[str], str], pd.DataFrame]
PEERS: dict[str, Peer] = {
    "SeasonalNaive": each(seasonal_naive),
    "LightGBM": boosted(lightgbm.LGBMRegressor(verbosity=-1, n_jobs=1)),
    "CatBoost": boosted(CatBoostRegressor(verbose=0, thread_count=1, allow_writing_files=False)),
    "Prophet": each(prophet),
    "AutoARIMA": each(auto_arima),
}


def forecasts(peer: str, panel: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """A peer's forecasts at each cutoff."""
    covariates, country = [name for name in panel.columns if name not in OWN], str(panel["country"].iloc[0])
    for cutoff in panel.loc[panel["is_cutoff"], "ds"].unique():
        is_ahead = (panel["ds"] > cutoff) & (panel["ds"] <= cutoff + pd.Timedelta(days=HORIZON))
        began = time.process_time()
        found = PEERS[peer](panel[panel["ds"] <= cutoff], panel[is_ahead], covariates, country)
        seconds = (time.process_time() - began) / panel["unique_id"].nunique()
        yield found.assign(cutoff=cutoff, step=(found["ds"] - cutoff).dt.days, seconds=seconds).drop(columns="ds")


if __name__ == "__main__":
    main(forecasts)
