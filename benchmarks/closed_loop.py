"""Days from a level shift to a champion that knows it, with and without trainings that incidents ask for.

`make bench NAME=closed_loop`: the simulated daily metered demand, which rises by 30 GWh (a third) on a random day.
20 seeds of noise and day; each is lived through by the clock alone and with the loop, where one trains every 15, 30
and 91 days. The rule, its judgement and control are the platform's own (`policy_backtest`). `FULL=0`: two seeds.
"""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from benchmarks.accuracy import FULL
from benchmarks.results_file import Aim, report
from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.policy_backtest.cycles import (
    FIRST_TRAINING_DAYS,
    run_cycle,
    training_days,
)
from forecasting_platform.forecasting.policy_backtest.policies import Outcome, Policy
from forecasting_platform.forecasting.policy_backtest.simulation import simulate_policies
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features

SEEDS = 20 if FULL else 2
SERIES, SHIFT = "Daily metered demand", 30.0
EVERY, INCIDENT_DAYS, AFTER_DAYS = (15, 30, 91), 7, 110
START = date(2018, 1, 1)


def main() -> None:
    """Measure and report."""
    rows = pd.DataFrame([row for seed in range(SEEDS) for row in of_seed(seed)])
    shown = rows.groupby(["train_every_days", "loop"], as_index=False).agg(
        days_to_knowing=("days_to_knowing", "mean"),
        worst_days=("days_to_knowing", "max"),
        trainings=("trainings", "mean"),
        rmse_60_days=("rmse_60_days", "mean"),
    )
    days = shown.set_index(["train_every_days", "loop"])["days_to_knowing"]
    saved = float(days[30, False] - days[30, True])
    aim = Aim("days saved where one trains every 30 days", saved, "> 0", saved > 0)
    report("closed_loop", shown.to_dict("records"), [aim])


def of_seed(seed: int) -> list[dict[str, object]]:
    """What each policy came to, of one seed."""
    rng = np.random.default_rng(seed)
    shift = START + timedelta(days=int(FIRST_TRAINING_DAYS + 20 + rng.integers(91)))
    features = shifted_features(seed, shift)
    recipes = (Recipe(), Recipe())
    period = DateRange(START, features["ds"].max().date())
    cycles = [run_cycle(features, day, recipes) for day in training_days(list(period), EVERY)]
    grid = [Policy(every, incident_days=loop) for every in EVERY for loop in (0, INCIDENT_DAYS)]
    found = simulate_policies(features, cycles, grid, lambda day: run_cycle(features, day, recipes))
    rows = [row_of(outcome, seed, shift, cycles[0].day) for outcome in found]
    print(pd.DataFrame(rows).to_string())
    return rows


def shifted_features(seed: int, shift: date) -> pd.DataFrame:
    """Rows of `FEATURE_TABLE` of the simulated series, risen from a day on."""
    period = DateRange(START, shift + timedelta(days=AFTER_DAYS))
    wide = simulate_gas_supply(period, seed=seed).rename_axis(index="ds", columns="unique_id")
    values = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
    series = values[values["unique_id"] == SERIES].copy()
    series.loc[series["ds"] >= pd.Timestamp(shift), "y"] += SHIFT
    return build_features(series, period, "IE")


def row_of(outcome: Outcome, seed: int, shift: date, first: date) -> dict[str, object]:
    """Days until a champion has learned from the first shifted day; those of the measured stretch where none has."""
    knowing = [day for day in outcome.champions if day >= shift]
    at = (shift - first).days
    after = outcome.errors[:, at : at + 60]
    return {
        "seed": seed,
        "train_every_days": outcome.policy.train_every_days,
        "loop": outcome.policy.incident_days > 0,
        "days_to_knowing": (knowing[0] - shift).days if knowing else AFTER_DAYS,
        "trainings": outcome.trainings,
        "moves": outcome.moves,
        "rmse_60_days": float(np.sqrt(np.nanmean(after**2))),
    }


if __name__ == "__main__":
    main()
