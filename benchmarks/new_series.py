"""Forecasts of a series from its first 1 to 59 days: coverage, width and error, against the naive interval.

`make bench NAME=new_series DATA=folder`: every JSON feed of the folder (dd/mm/yyyy), or simulated supply without one.
Each series in turn is cut to its first days at several places of its life and given, as the app would, to a model that
never saw it: one trained on the other series of its feed, one on the other feeds, and one of before there was anything
to learn. The peer is the naive interval of the days known (FPP3, 5.5). `FULL=0`: fewer places and ages.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy import feeds
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.first_days import FirstDays
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.new_series import answer_from
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features

FULL = os.environ.get("FULL", "1") != "0"
AGES = (1, 2, 3, 4, 6, 7, 9, 14, 20, 30, 45, 59) if FULL else (1, 4, 9, 30)
PLACES = 20 if FULL else 4
HORIZON, NEWEST_DAYS, END = 15, 1_000, date(2023, 6, 30)
RECIPE = Recipe(horizon=HORIZON, backtest_days=91)
LEVELS = {80: 1.2816, 95: 1.9600}
"""Level in percent -> the normal distribution's quantile, for the peer."""


def on_common_days(observations: pd.DataFrame) -> pd.DataFrame:
    """The newest days of each series, moved by whole weeks so that all end together: feeds end years apart."""
    newest = observations.sort_values("ds").groupby("unique_id").tail(NEWEST_DAYS)
    late = (pd.Timestamp(END) - newest.groupby("unique_id")["ds"].transform("max")).dt.days
    return newest.assign(ds=newest["ds"] + pd.to_timedelta(late // 7 * 7, unit="D"))


def trained(observations: pd.DataFrame) -> ForecastModel:
    """A model of these series."""
    period = DateRange(observations["ds"].min().date(), END)
    return train(build_features(observations, period, RECIPE.country), END, RECIPE, code_version="benchmark").model


def first_days(series: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame, Floats, Floats]]:
    """Age, feature row, the days known and what came after, at each place of a life; NaN where nothing came."""
    days = pd.date_range(series["ds"].min(), series["ds"].max())
    y = series.set_index("ds")["y"].reindex(days)
    length = 2 * AGES[-1] + HORIZON
    for start in np.unique(np.linspace(0, max(0, len(y) - length), PLACES).astype(int)):
        window = y.iloc[start : start + length]
        known = window.dropna()
        rows = known.rename_axis("ds").rename("y").reset_index().assign(unique_id=series["unique_id"].iloc[0])
        period = DateRange(window.index[0].date(), window.index[-1].date())
        features = build_features(rows, period, RECIPE.country)
        for age in (age for age in AGES if age < len(known)):
            ahead = pd.date_range(known.index[age - 1] + timedelta(days=1), periods=HORIZON)
            yield age, features.iloc[[age - 1]], known.to_numpy()[:age], window.reindex(ahead).to_numpy(dtype=float)


def naive_interval(known: Floats, quantile: float) -> tuple[Floats, Floats]:
    """The last value ± the quantile of its changes, growing with the root of the step; of one value its own size."""
    spread = float(np.sqrt(np.mean(np.diff(known) ** 2))) if len(known) > 1 else abs(float(known[0]))
    width = quantile * spread * np.sqrt(np.arange(1, HORIZON + 1))
    return known[-1] - width, known[-1] + width


def scored(y: Floats, low: Floats, high: Floats, level: int) -> tuple[float, float]:
    """Share inside, and Winkler's interval score (Gneiting & Raftery 2007)."""
    known = np.isfinite(y)
    y, low, high = y[known], low[known], high[known]
    beyond = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return float(np.mean(beyond == 0)), float(np.mean(high - low + 2 / (1 - level / 100) * beyond))


def measured(learnt_from: str, model: ForecastModel, series: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One row a place and age: ours and the peer's."""
    unit = float(series["y"].abs().mean()) or 1.0
    for age, row, known, y in first_days(series):
        if not np.isfinite(y).any():
            continue
        taken_in, day = answer_from(model, row), row["ds"].item().date()
        days = [day + timedelta(days=step) for step in range(1, HORIZON + 1)]
        found = taken_in.predict(taken_in.inputs(days, unique_ids=row["unique_id"].tolist()), tuple(LEVELS))
        line = {"learnt from": learnt_from, "unique_id": row["unique_id"].item(), "days known": age}
        line |= {"error": float(np.nanmean(np.abs(y - found.y_hat))) / unit}
        line |= {"naive error": float(np.nanmean(np.abs(y - known[-1]))) / unit}
        for level, quantile in LEVELS.items():
            for who, (low, high) in (("", found.bounds[level]), ("naive ", naive_interval(known, quantile))):
                line[f"{who}coverage {level}"], score = scored(y, low, high, level)
                line[f"{who}score {level}"] = score / unit
        yield line


def lines(observations: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Each series as a new one to each model."""
    for feed, rows in observations.groupby("feed"):
        others = observations[observations["feed"] != feed]
        elsewhere = trained(others) if len(others) else None
        for unique_id, series in rows.groupby("unique_id"):
            beside = rows[rows["unique_id"] != unique_id]
            models = {"the other feeds": elsewhere, "the others of its feed": trained(beside) if len(beside) else None}
            any_model = next((model for model in models.values() if model is not None), None)
            if any_model is not None:
                models["nothing"] = replace(any_model, first_days=FirstDays.default(any_model.candidates, HORIZON))
            for learnt_from, model in models.items():
                if model is not None:
                    yield from measured(learnt_from, model, series)


def by_age(found: pd.DataFrame) -> pd.DataFrame:
    """Means over places, then over series, of each age; error and scores against the peer's."""
    keys = ["learnt from", "days known"]
    means = found.groupby([*keys, "unique_id"]).mean().groupby(level=keys).mean().reset_index()
    for name in ("error", *(f"score {level}" for level in LEVELS)):
        means[f"{name} to naive"] = means.pop(name) / means.pop(f"naive {name}")
    return means


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of JSON feeds")
    named = [
        rows.assign(feed=name, unique_id=name + "/" + rows["unique_id"])
        for name, rows in feeds(parser.parse_args().data)
    ]
    found = pd.DataFrame(lines(on_common_days(pd.concat(named, ignore_index=True))))
    ages = by_age(found)
    # Each age counts alike: of one value, the peer's interval is as wide as the value.
    whole = ages.drop(columns="days known").groupby("learnt from").mean().reset_index()
    whole["series"] = found.groupby("learnt from")["unique_id"].nunique().to_numpy()
    rows = [*whole.to_dict("records"), *ages.to_dict("records")]
    worst = {name: float(whole[name].min()) for name in ("coverage 80", "coverage 95")}
    score = float(whole["score 80 to naive"].max())
    aims = [
        Aim("least coverage of 80 %", worst["coverage 80"], ">= 0.8", worst["coverage 80"] >= 0.8),
        Aim("least coverage of 95 %", worst["coverage 95"], ">= 0.95", worst["coverage 95"] >= 0.95),
        Aim("interval score of 80 % to the naive interval's", score, "<= 0.75", score <= 0.75),
    ]
    report("new_series", rows, aims)


if __name__ == "__main__":
    main()
