"""Backtests policies: simulates a grid of them over the stored history, with fits in parallel on all cores."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date

import pandas as pd

from forecasting_platform.errors import InsufficientHistoryError, UnknownSeriesError
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.policy_backtest.cycles import (
    FIRST_TRAINING_DAYS,
    Cycle,
    recipes_of,
    run_cycle,
    training_days,
)
from forecasting_platform.forecasting.policy_backtest.policies import DEFAULT_POLICY, Policy
from forecasting_platform.forecasting.policy_backtest.simulation import simulate_policies
from forecasting_platform.forecasting.policy_backtest.summary import summarize
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.ports.table_store import TableStore

Progress = Callable[[str], None]
_shared: dict[str, tuple[pd.DataFrame, tuple[Recipe, Recipe]]] = {}
"""What a worker process is given once instead of with each day."""


def backtest_policies(
    features: pd.DataFrame, recipe: Recipe, grid: Sequence[Policy], progress: Progress
) -> pd.DataFrame:
    """`summarize` of a grid of policies, the default policy among them.

    Args:
        features: rows of `FEATURE_TABLE`.

    Raises:
        InsufficientHistoryError: too few days to train once and go on.
    """
    if features.empty:
        raise InsufficientHistoryError(0, FIRST_TRAINING_DAYS + 1)
    wanted = sorted({*grid, DEFAULT_POLICY}, key=lambda policy: (policy.train_every_days, policy.rule))
    period = DateRange(features["ds"].min().date(), features["ds"].max().date())
    days = training_days(list(period), {policy.train_every_days for policy in wanted})
    cycles = []
    for done, found in enumerate(_cycles(features, days, recipe), start=1):
        cycles.append(found)
        if done % 25 == 0 or done == len(days):
            progress(f"{done} of {len(days)} training days")
    recipes = recipes_of(recipe)
    return summarize(simulate_policies(features, cycles, wanted, lambda day: run_cycle(features, day, recipes)))


def _cycles(features: pd.DataFrame, days: Sequence[date], recipe: Recipe) -> Iterator[Cycle]:
    arguments = features, recipes_of(recipe)
    # Not forked: libraries that hold threads do not survive it.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, initializer=_share, initargs=arguments) as pool:
        yield from pool.map(_cycle, days)


def _share(features: pd.DataFrame, recipes: tuple[Recipe, Recipe]) -> None:
    _shared["arguments"] = features, recipes


def _cycle(day: date) -> Cycle:
    features, recipes = _shared["arguments"]
    return run_cycle(features, day, recipes)


def stored_history(store: TableStore, days: DateRange | None, unique_ids: Sequence[str]) -> pd.DataFrame:
    """The stored rows of `FEATURE_TABLE`, of these series if any are named.

    Raises:
        UnknownSeriesError: a series that is not stored.
    """
    features = store.read(FEATURE_TABLE, days)
    known = sorted(features["unique_id"].unique())
    if unknown := set(unique_ids) - set(known):
        raise UnknownSeriesError(unknown, known)
    return features[features["unique_id"].isin(unique_ids)] if unique_ids else features
