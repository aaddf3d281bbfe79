"""What it brings to declare days: an event that is known in advance, and a period that is not normal.

`make bench NAME=declared_days DATA=folder`: every JSON feed of the folder (dd/mm/yyyy), or the simulated supply without
one. Into each series that is not nearly constant an event is put (30 % more on one in 45 days, drawn at random, 10 %
less on the day before), and into another copy a drop (40 % less for 60 days). Each is backtested with it declared and
not.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy import COUNTRIES, feeds
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.scores import root_mean_square
from forecasting_platform.forecasting.series.covariates.events import Event, Events
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, NotNormalPeriod
from forecasting_platform.services.backtests.recipe_backtest import RecipeBacktest, backtest

DIFFERENT_VALUES = 50
DAYS_AN_EVENT, EVENT, BEFORE = 45, 1.3, 0.9
DROP, DROP_DAYS, DAYS_AFTER, REFIT_DAYS = 0.6, 60, 210, 30
DAYS_BEFORE_END = (300, 400, 500)
"""Where a drop begins."""

Cells = npt.NDArray[np.bool_]


def with_event(observations: pd.DataFrame, seed: int = 3) -> tuple[pd.DataFrame, tuple[date, ...]]:
    """The values with an event, and its days."""
    every = pd.date_range(observations["ds"].min(), observations["ds"].max())
    drawn = np.random.default_rng(seed).choice(len(every), len(every) // DAYS_AN_EVENT, replace=False)
    days = every[np.sort(drawn)]
    on, before = (observations["ds"].isin(of) for of in (days, days - timedelta(days=1)))
    factor = np.where(on, EVENT, np.where(before, BEFORE, 1.0))
    return observations.assign(y=observations["y"] * factor), tuple(days.date)


def measure_event(feed: str, observations: pd.DataFrame, recipe: Recipe) -> Iterator[dict[str, Any]]:
    """RMSE with the event declared to that without, on its days, on those before, and on the others."""
    changed, days = with_event(observations)
    declared = replace(recipe, events=Events((Event("sale", days, days_before=1),)))
    without, known = backtest(changed, recipe), backtest(changed, declared)
    ds = known.results.cutoffs[:, None] + np.arange(1, recipe.horizon + 1)
    on, before = (np.isin(ds + more, np.array(days, dtype="datetime64[D]")) for more in (0, 1))
    places: dict[str, Cells] = {"on the day": on, "the day before": before & ~on, "other days": ~(on | before)}
    for series, unique_id in enumerate(known.results.unique_ids):
        for place, cells in places.items():
            errors = [found.results.served_errors[series][cells] for found in (known, without)]
            ratio = root_mean_square(errors[0]) / root_mean_square(errors[1])
            yield {"what": "event", "feed": feed, "unique_id": unique_id, "when": place, "rmse_ratio": round(ratio, 3)}


def measure_drop(feed: str, observations: pd.DataFrame, recipe: Recipe, ago: int) -> Iterator[dict[str, Any]]:
    """RMSE and interval score after the drop, to those without any drop, and coverage of 80 %."""
    start = observations["ds"].max().date() - timedelta(days=ago)
    end = start + timedelta(days=DROP_DAYS - 1)
    inside = observations["ds"].between(pd.Timestamp(start), pd.Timestamp(end))
    dropped = observations.assign(y=observations["y"].where(~inside, DROP * observations["y"]))
    often = replace(recipe, refit_days=REFIT_DAYS)
    declared = replace(often, not_normal=NotNormal((NotNormalPeriod(start, end, "drop"),)))
    found = {
        "no drop": backtest(observations, often),
        "declared": backtest(dropped, declared),
        "not declared": backtest(dropped, often),
    }
    for series, unique_id in enumerate(found["no drop"].results.unique_ids):
        unit = _after(found["no drop"], series, end)
        for name, of in found.items():
            rmse, score, coverage = _after(of, series, end)
            yield {
                "what": "drop", "feed": feed, "unique_id": unique_id, "when": f"{ago} days before the end",
                "recipe": name, "rmse_ratio": round(rmse / unit[0], 3), "score_ratio": round(score / unit[1], 3),
                "coverage_80": round(coverage, 3),
            }  # fmt: skip


def _after(found: RecipeBacktest, series: int, end: date) -> tuple[float, float, float]:
    after = (found.results.cutoffs > np.datetime64(end)) & (
        found.results.cutoffs <= np.datetime64(end) + DAYS_AFTER
    )  # fmt: skip
    of_80 = [np.nanmean(cells[series, after, :, 0]) for cells in (found.intervals.score, found.intervals.inside)]
    return root_mean_square(found.results.served_errors[series, after]), float(of_80[0]), float(of_80[1])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of JSON feeds")
    rows = []
    for feed, observations in feeds(parser.parse_args().data):
        own = observations[observations.groupby("unique_id")["y"].transform("nunique") > DIFFERENT_VALUES]
        recipe = Recipe(country=next((code for word, code in COUNTRIES.items() if word in feed), "IE"))
        rows += measure_event(feed, own, recipe)
        for ago in DAYS_BEFORE_END:
            rows += measure_drop(feed, own, recipe, ago)
    table = pd.DataFrame(rows)
    events, drops = (table[table["what"] == what].dropna(axis=1) for what in ("event", "drop"))
    means = events.groupby("when", sort=False)["rmse_ratio"].mean()
    after = drops.groupby("recipe", sort=False)[["rmse_ratio", "score_ratio", "coverage_80"]].mean().round(3)
    covered = float(after["coverage_80"]["declared"])
    aims = [
        Aim(
            "RMSE on days of an event", float(means["on the day"].round(3)), "<= 0.8", bool(means["on the day"] <= 0.8)
        ),
        Aim("RMSE on other days", float(means["other days"].round(3)), "<= 1.02", bool(means["other days"] <= 1.02)),
        Aim("coverage of 80 % after a declared drop", covered, "0.78 to 0.82", 0.78 <= covered <= 0.82),
    ]
    rows = [*events.to_dict("records"), *drops.to_dict("records"), *after.reset_index().to_dict("records")]
    report("declared_days", rows, aims)


if __name__ == "__main__":
    main()
