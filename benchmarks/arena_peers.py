"""Forecasts of other packages with the same covariates, at given cutoffs. Runs in the peers' own environment.

    python arena_peers.py PEER PANEL.csv FORECASTS.csv

PANEL.csv: `unique_id`, `country`, `ds`, `y`, `is_cutoff`, and a column for each covariate, known of the days ahead as
well. Each peer is fitted anew at every cutoff on all days up to and including it, in one thread, with its package's
defaults: the covariates as regressors where it takes some, weekly season, the country's holidays for Prophet. The
pooled ones see all series at once.
FORECASTS.csv: one row a series, cutoff and day, with quantiles and the CPU seconds of its fit.
"""

import time
from collections.abc import Callable, Iterator

import flaircast
import lightgbm
import numpy as np
import pandas as pd
from catboost import CatBoostRegressor
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean
from mlforecast.utils import PredictionIntervals
from peer_script import HORIZON, LEVELS, SEASON, SIDES, main  # stands beside this script
from prophet import Prophet
from statsforecast import models as statistical

OWN = ("unique_id", "country", "ds", "y", "is_cutoff")
Forecast = Callable[[pd.DataFrame, pd.DataFrame, list[str], str], pd.DataFrame]
"""Of the history, the days ahead, the covariates and the country: `y_hat` and bounds."""


def each(forecast: Forecast) -> Forecast:
    """A peer that is fitted on each series by itself."""

    def of_all(history: pd.DataFrame, ahead: pd.DataFrame, covariates: list[str], country: str) -> pd.DataFrame:
        parts = []
        for unique_id, rows in history.groupby("unique_id"):
            coming = ahead[ahead["unique_id"] == unique_id]
            # A covariate that never changed says nothing, and some refuse it.
            used = [name for name in covariates if rows[name].nunique() > 1]
            parts.append(forecast(rows, coming, used, country).assign(unique_id=unique_id, ds=coming["ds"].array))
        return pd.concat(parts, ignore_index=True)

    return of_all


def statistical_model(make: Callable[[], object], *, with_covariates: bool = False) -> Forecast:
    """A model of statsforecast on each series."""

    def forecast(history: pd.DataFrame, ahead: pd.DataFrame, covariates: list[str], _country: str) -> pd.DataFrame:
        given = {"X": history[covariates].to_numpy(), "X_future": ahead[covariates].to_numpy()}
        model = make().forecast(
            y=history["y"].to_numpy(),
            h=HORIZON,
            level=list(LEVELS),
            **(given if with_covariates and covariates else {}),
        )
        return pd.DataFrame({"y_hat": model["mean"]} | {f"{side}_{lv}": model[f"{side}-{lv}"] for side, _, lv in SIDES})

    return each(forecast)


def of_futures(futures: np.ndarray) -> dict[str, np.ndarray]:
    """The bounds of simulated futures with shape (days, draws)."""
    return {f"{side}_{lv}": np.quantile(futures, 0.5 + sign * lv / 200, axis=1) for side, sign, lv in SIDES}


def prophet(history: pd.DataFrame, ahead: pd.DataFrame, covariates: list[str], country: str) -> pd.DataFrame:
    """Prophet with regressors and the country's holidays; quantiles of its own simulated futures."""
    model = Prophet(daily_seasonality=False)
    model.add_country_holidays(country)
    for name in covariates:
        model.add_regressor(name)
    model.fit(history[["ds", "y", *covariates]])
    coming = ahead[["ds", *covariates]]
    bounds = of_futures(model.predictive_samples(coming)["yhat"])
    return pd.DataFrame({"y_hat": model.predict(coming)["yhat"].to_numpy()} | bounds)


def flair(history: pd.DataFrame, ahead: pd.DataFrame, covariates: list[str], _country: str) -> pd.DataFrame:
    """FLAIR with the covariates, which it sees as weekly means; mean and quantiles of its own sample paths."""
    given = {"X_hist": history[covariates].to_numpy(), "X_future": ahead[covariates].to_numpy()} if covariates else {}
    futures = flaircast.forecast(history["y"].to_numpy(), HORIZON, "D", n_samples=500, seed=0, **given).T
    return pd.DataFrame({"y_hat": futures.mean(axis=1)} | of_futures(futures))


def boosted(model: object) -> Forecast:
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
        given = {"X_df": ahead[["unique_id", "ds", *covariates]]} if covariates else {}
        found = forecaster.predict(HORIZON, level=list(LEVELS), **given)
        bounds = {f"{side}_{lv}": found[f"m-{side}-{lv}"] for side, _, lv in SIDES}
        return pd.DataFrame({"unique_id": found["unique_id"], "ds": found["ds"], "y_hat": found["m"], **bounds})

    return forecast


PEERS: dict[str, Forecast] = {
    "SeasonalNaive": statistical_model(lambda: statistical.SeasonalNaive(season_length=SEASON)),
    "Theta": statistical_model(lambda: statistical.AutoTheta(season_length=SEASON)),
    "AutoETS": statistical_model(lambda: statistical.AutoETS(season_length=SEASON)),
    "AutoARIMA": statistical_model(lambda: statistical.AutoARIMA(season_length=SEASON), with_covariates=True),
    "Prophet": each(prophet),
    "FLAIR": each(flair),
    "LightGBM": boosted(lightgbm.LGBMRegressor(verbosity=-1, n_jobs=1)),
    "CatBoost": boosted(CatBoostRegressor(verbose=0, thread_count=1, allow_writing_files=False)),
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
