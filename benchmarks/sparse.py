"""Demand that mostly is 0: the candidate for it, alone and beside the default recipe, on 24 simulated series.

`make bench NAME=sparse`. A day has demand with a chance that moves slowly, 53 % at most, and on every fourth series
falls to a seventh in the end; the size of a day's demand is Poisson's. Backtest of 730 days, 15 days ahead.
"""

import numpy as np
import pandas as pd

from benchmarks.results_file import Aim, report
from forecasting_platform import Recipe, backtest
from forecasting_platform.forecasting.models.recipes.recipe import default_candidates

SERIES, DAYS = 24, 1000
DEFAULT = "default recipe"
RECIPES = {
    DEFAULT: Recipe(),
    "intermittent_demand alone": Recipe(default_candidates(["naive", "intermittent_demand"])),
    "intermittent_demand beside it": Recipe(
        default_candidates(["naive", "seasonal_naive", "exponential_smoothing", "direct_ridge", "intermittent_demand"])
    ),
}


def demand() -> pd.DataFrame:
    """`unique_id`, `ds`, `y` of the simulated series."""
    rng, days, at = np.random.default_rng(5), pd.date_range("2021-01-01", periods=DAYS), np.arange(DAYS)
    series = []
    for number in range(SERIES):
        level, period, phase = 0.3 * rng.random(), rng.integers(60, 200), 6 * rng.random()
        chance = np.clip(0.05 + level * (1 + 0.6 * np.sin(at / period + phase)), 0.01, 0.6)
        if number % 4 == 0:
            chance = np.where(at > 700, 0.15 * chance, chance)
        size = 1 + rng.poisson(2 + 4 * rng.random(), DAYS)
        y = np.where(rng.random(DAYS) < chance, size, 0).astype(float)
        series.append(pd.DataFrame({"unique_id": f"article {number}", "ds": days, "y": y}))
    return pd.concat(series, ignore_index=True)


def main() -> None:
    """Measure and report."""
    observations = demand()
    found = {name: backtest(observations, recipe) for name, recipe in RECIPES.items()}
    overall = {name: of.scores[of.scores["steps"] == "all"].set_index("unique_id") for name, of in found.items()}
    rows = [
        {
            "recipe": name,
            "rmse to the default's": float((scores["rmse"] / overall[DEFAULT]["rmse"]).mean()),
            "mae to the default's": float((scores["mae"] / overall[DEFAULT]["mae"]).mean()),
            "coverage 80": float(scores["coverage_80"].mean()),
            "coverage 95": float(scores["coverage_95"].mean()),
            "cpu seconds": found[name].cpu_seconds,
        }
        for name, scores in overall.items()
    ]
    better = rows[1]["mae to the default's"]
    report("sparse", rows, [Aim("absolute error of the candidate alone to the default's", better, "< 1", better < 1)])


if __name__ == "__main__":
    main()
