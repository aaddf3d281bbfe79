"""Tries a recipe on past days: what it would have forecast, its scores, and whether it beats another one.

From a frame of values or from stored feature rows, with the same rule that promotes a challenger; nothing is stored or
registered. `forecasting_platform.backtest`, `judge` and `forecast` in a notebook are the functions of this module.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

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
from forecasting_platform.forecasting.promotion.decision_inputs import Evidence, ScoredVersion
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.promotion.evidence import compare_backtests, evaluated_as
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import decide
from forecasting_platform.forecasting.promotion.tries import ComparedRecipes, count_tries
from forecasting_platform.forecasting.reports.backtest import backtest_forecasts, backtest_scores
from forecasting_platform.forecasting.reports.plots import backtest_plot, decision_plot
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


@dataclass(frozen=True, repr=False)
class Judgement:
    """Whether a recipe beats another one, by the rule that promotes challengers.

    Attributes:
        challenger, champion: the two backtests, on the same cutoffs.
        decision: verdict, reason and the numbers behind them.
        losses: of both at each cutoff, in units of the seasonal naive forecast's RMSE; columns `cutoff`,
            `challenger`, `champion`.
        by_series: columns `unique_id`, `rmse_challenger`, `rmse_champion` on the same cells, and `gain`, the share of
            the champion's RMSE that the challenger saves.
    """

    challenger: RecipeBacktest
    champion: RecipeBacktest
    decision: PromotionDecision
    losses: pd.DataFrame
    by_series: pd.DataFrame

    def __repr__(self) -> str:
        return f"<Judgement of {self.challenger.name!r} against {self.champion.name!r}: {self.verdict}. {self.reason}>"

    @property
    def verdict(self) -> str:
        """`promote`, `hold`, `reject`, or `refresh` of an equal recipe."""
        return self.decision.verdict

    @property
    def reason(self) -> str:
        """Why, with the gain that would have been found."""
        return self.decision.reason

    @property
    def statistics(self) -> dict[str, Any]:
        """Losses, gain, chance and the least gain that would have been found; see docs/promotion.md."""
        found: dict[str, Any] = self.decision.evidence["statistics"]
        return found

    def plot(self) -> bytes:
        """Losses of both over the cutoffs, as PNG; a notebook shows it in place of the object."""
        return decision_plot(self.decision)

    _repr_png_ = plot


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


def judge(
    challenger: RecipeBacktest, champion: RecipeBacktest, *, compared: Iterable[ComparedRecipes] = ()
) -> Judgement:
    """Whether a recipe is better than another one, as the platform judges challengers.

    The champion's recipe is backtested again where its horizon, cutoffs or refits are not the challenger's.

    Args:
        compared: the comparisons of the last year in a platform's ledger, which make the chance smaller that is asked
            of one more; without them it is asked of the challenger as the first recipe of a year.

    Raises:
        InvalidDataError: the two are of different data.
        MissingMetricError: nothing could be scored.
    """
    policy, at = PromotionPolicy.packaged(), datetime.now(UTC)
    recipes = challenger.recipe.fingerprint, champion.recipe.fingerprint
    tries = count_tries(compared, recipes, at, policy.promising_p)
    champion = champion.on_the_cutoffs_of(challenger)
    not_normal = challenger.recipe.not_normal | champion.recipe.not_normal
    loss = challenger.recipe.loss
    results = compare_backtests(challenger.panel, challenger.results, champion.results, not_normal, loss)
    other = results.champion or results.challenger
    decision = decide(
        _scored(challenger, results.challenger),
        _scored(champion, other),
        results.naive,
        policy,
        horizon=challenger.recipe.horizon,
        decided_at=at,
        decided_by="backtest",
        tries=tries,
        left_out=results.left_out,
        loss=loss,
    )
    cutoffs = pd.to_datetime(pd.Series(results.challenger.cutoffs))
    losses = pd.DataFrame({"cutoff": cutoffs, "challenger": results.challenger.loss, "champion": other.loss})
    return Judgement(challenger, champion, decision, losses, _by_series(results.challenger, other))


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


def _scored(found: RecipeBacktest, evidence: Evidence) -> ScoredVersion:
    recipe = found.recipe
    return ScoredVersion(found.name, found.panel.days[-1].item(), recipe.fingerprint, evidence, recipe.declared_days)


def _by_series(challenger: Evidence, champion: Evidence) -> pd.DataFrame:
    rows = [(name, rmse, champion.rmse[name]) for name, rmse in challenger.rmse.items()]
    frame = pd.DataFrame(rows, columns=["unique_id", "rmse_challenger", "rmse_champion"])
    gain = 1 - frame["rmse_challenger"] / frame["rmse_champion"].where(frame["rmse_champion"] > 0)
    return frame.assign(gain=gain)
