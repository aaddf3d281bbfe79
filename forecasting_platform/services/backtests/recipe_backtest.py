"""Tries a recipe on past days: what it would have forecast, and its scores. Whether it beats another: `judgement`.

From a frame of values or from stored feature rows; nothing is stored or registered. `forecasting_platform.backtest` and
`forecast` in a notebook are functions of this module.
"""

import time
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from forecasting_platform.errors import InsufficientHistoryError, InvalidDataError, InvalidRangeError
from forecasting_platform.forecasting.models.candidates.candidate import Candidate, FittedCandidate, Task
from forecasting_platform.forecasting.models.intervals import WalkForward
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.recipes.recipe_file import read_recipe
from forecasting_platform.forecasting.models.training.backtest import MIN_HISTORY_DAYS, Backtest
from forecasting_platform.forecasting.models.training.backtest import backtest as run_backtest
from forecasting_platform.forecasting.models.training.training import judge_intervals, train
from forecasting_platform.forecasting.promotion.block_evidence import evaluated_as
from forecasting_platform.forecasting.reports.backtest import backtest_forecasts, backtest_scores
from forecasting_platform.forecasting.reports.plots import backtest_plot
from forecasting_platform.forecasting.series.covariates.exogenous_values import refuse_never_known, unknown_columns
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.features.panel import Panel, panel_from
from forecasting_platform.forecasting.series.quality.checked_values import checked_values


@dataclass(frozen=True, repr=False)
class RecipeBacktest:
    """What a recipe would have forecast on past days, fitted anew as it went along.

    Attributes:
        recipe: the recipe.
        name: how verdicts name it.
        panel: the data, all days.
        results: forecasts of every candidate and weights, at each cutoff.
        cpu_seconds: processor time that the whole backtest took.
        fit_seconds: by candidate, the processor time of its fits.
    """

    recipe: Recipe
    name: str
    panel: Panel
    results: Backtest
    cpu_seconds: float
    fit_seconds: dict[str, float]

    def __repr__(self) -> str:
        cutoffs = self.results.cutoffs
        size = f"{len(self.panel.unique_ids)} series at {len(cutoffs)} cutoffs, {cutoffs[0]}..{cutoffs[-1]}"
        return f"<Backtest of recipe {self.name!r}: {size}; see .scores, .forecasts and .plot()>"

    @property
    def not_normal_days(self) -> int:
        """How many values are left out, in all series, since their days are not normal."""
        mask = self.panel.not_normal
        return 0 if mask is None else int((self.panel.observed & mask).sum())

    @cached_property
    def intervals(self) -> WalkForward:
        """How the intervals that would have been served did."""
        return judge_intervals(self.results, self.panel)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores by series and steps ahead; see `backtest_scores`."""
        return backtest_scores(self.results, self.panel, self.intervals)

    @cached_property
    def forecasts(self) -> pd.DataFrame:
        """Every forecast that would have been served, with its actual and the candidates'; see `backtest_forecasts`."""
        return backtest_forecasts(self.results)

    def plot(self) -> bytes:
        """RMSE by days ahead of every candidate, as PNG; a notebook shows it in place of the object."""
        return backtest_plot(self.results)

    _repr_png_ = plot

    def on_the_cutoffs_of(self, other: "RecipeBacktest") -> "RecipeBacktest":
        """This recipe with the other's horizon, cutoffs and refits; itself where they are the same.

        Raises:
            InvalidDataError: the two are of different data, which nothing can be said about.
        """
        if not _same_data(self.panel, other.panel):
            raise InvalidDataError("the two recipes were backtested on different data; backtest both on the same frame")
        recipe = evaluated_as(self.recipe, other.recipe)
        return self if recipe == self.recipe else _backtest_panel(self.panel, recipe, self.name)


def backtest(
    observations: pd.DataFrame, recipe: Recipe | str | Path | None = None, *, name: str | None = None
) -> RecipeBacktest:
    """Backtest a recipe on values.

    Args:
        observations: columns `unique_id`, `ds` (days) and `y`, in any order; others are ignored.
        recipe: or the path of a recipe file; the default one by default.
        name: how verdicts name it; the file's name by default.

    Raises:
        RecipeFileError: something in the file cannot be used; names the key.
        ConfigurationError: the recipe declares an exogenous column that the frame has no value of.
        InvalidFrameError: a column is missing, a day or value is none, or a series has a day twice.
        InsufficientHistoryError: too few days.
    """
    chosen = _recipe(recipe)
    return backtest_features(_features(observations, chosen), chosen, name=name or _name_of(recipe))


def backtest_features(features: pd.DataFrame, recipe: Recipe, *, name: str) -> RecipeBacktest:
    """Backtest a recipe on rows of `FEATURE_TABLE`.

    Raises:
        ConfigurationError: the recipe declares an exogenous column that no row has a value of.
        InsufficientHistoryError: too few days.
    """
    if features.empty:
        raise InsufficientHistoryError(0, MIN_HISTORY_DAYS)
    never = unknown_columns(features["exogenous"], recipe.exogenous_columns)
    refuse_never_known({column: float(column not in never) for column in recipe.exogenous_columns}, recipe.exogenous)
    return _backtest_panel(panel_from(features), recipe, name)


def forecast(
    observations: pd.DataFrame,
    recipe: Recipe | str | Path | None = None,
    *,
    cutoff: date | None = None,
    days: int | None = None,
) -> pd.DataFrame:
    """Train on values and forecast the days after them.

    Args:
        observations: as `backtest` takes them.
        recipe: or the path of a recipe file; the default one by default.
        cutoff: the last day that may be known, inclusive; by default the newest.
        days: days ahead, up to 366; by default the recipe's horizon.

    Returns:
        `unique_id`, `cutoff`, `ds`, `y_hat`, the bounds `y_hat_lo_80` and so on, and the two naive forecasts. Series
        that have ended have no rows.

    Raises:
        InvalidFrameError, RecipeFileError: see `backtest`.
        InsufficientHistoryError: too few days up to the cutoff.
        InvalidRangeError: no day, or days that lie too far ahead.
    """
    chosen = _recipe(recipe)
    count = chosen.horizon if days is None else days
    if count < 1:
        raise InvalidRangeError(f"{count} days ahead cannot be forecast; ask for 1 or more")
    features = _features(observations, chosen)
    last = cutoff or features["ds"].max().date()
    model = train(features, last, chosen, code_version="notebook").model
    ahead = [day.date() for day in pd.date_range(last, periods=count + 1)[1:]]
    return model.predict(model.inputs(ahead)).to_frame()


def _recipe(recipe: Recipe | str | Path | None) -> Recipe:
    if isinstance(recipe, str | Path):
        return read_recipe(Path(recipe), Recipe())
    return recipe or Recipe()


def _name_of(recipe: Recipe | str | Path | None) -> str:
    if isinstance(recipe, str | Path):
        return Path(recipe).stem
    return "default" if recipe is None else "recipe"


def _features(observations: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    values = checked_values(observations)
    period = DateRange(values["ds"].min().date(), values["ds"].max().date())
    return build_features(values, period, recipe.country, recipe.exogenous, recipe.calendars)


def _backtest_panel(panel: Panel, recipe: Recipe, name: str) -> RecipeBacktest:
    seconds = dict.fromkeys(recipe.names, 0.0)
    timed = replace(
        recipe,
        candidates=tuple(
            _Timed(prior_weight=each.prior_weight, of=each, seconds=seconds) for each in recipe.candidates
        ),
    )
    panel, began = panel.without(recipe.not_normal), time.process_time()
    results = run_backtest(panel, timed)
    return RecipeBacktest(recipe, name, panel, results, time.process_time() - began, seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed(Candidate):
    """A candidate whose fits are timed."""

    fitted: ClassVar[type[FittedCandidate]] = FittedCandidate  # type: ignore[type-abstract] # `of` has the real one
    of: Candidate
    seconds: dict[str, float]

    @property
    def name(self) -> str:
        return self.of.name

    @property
    def window_days(self) -> int:
        return self.of.window_days

    def fit(self, panel: Panel, task: Task) -> FittedCandidate:
        began = time.process_time()
        fitted = self.of.fit(panel, task)
        self.seconds[self.name] += time.process_time() - began
        return fitted


def _same_data(first: Panel, second: Panel) -> bool:
    same = first.unique_ids == second.unique_ids and np.array_equal(first.days, second.days)
    return same and np.array_equal(first.y, second.y, equal_nan=True)
