"""A platform's life replayed: which policy of training, promotion and alerting would have served best.

Day by day over a stored history: the day's values arrive, a model is trained every so many days, a rule decides
whether it serves, the champion forecasts, control judges what matured. Every model sees the days up to its own
and no later one; all policies share fits, comparisons, cutoffs and actuals. Values are taken as they stand now, each
known at the end of its day: late days and revisions are not replayed, and of control only bias and spread are.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.models.backtest import FIRST_FIT_DAYS
from forecasting_platform.forecasting.models.model import ForecastModel
from forecasting_platform.forecasting.models.recipe import Recipe
from forecasting_platform.forecasting.models.steps_ahead import bucket_of
from forecasting_platform.forecasting.models.training import Training, train
from forecasting_platform.forecasting.monitoring.control_charts import accumulate_evidence, is_paging
from forecasting_platform.forecasting.monitoring.control_report import CONTROL_DAYS, MIN_DAYS
from forecasting_platform.forecasting.monitoring.references import (
    BIAS,
    RMSE,
    SeriesReference,
    add_control_references,
    references_from,
)
from forecasting_platform.forecasting.promotion.decision_inputs import Evidence, ScoredVersion
from forecasting_platform.forecasting.promotion.evidence import Comparison, compare_backtests
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import decide
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.calendar import season_of
from forecasting_platform.forecasting.series.inputs import build_inputs
from forecasting_platform.forecasting.series.panel import panel_from

Rule = Literal["evidence", "any gain", "always", "never"]
RULES: tuple[Rule, ...] = ("evidence", "any gain", "always", "never")
"""The platform's own; whoever scored lower on the same cutoffs; the newest; the first for ever."""

FIRST_TRAINING_DAYS = 2 * FIRST_FIT_DAYS
"""History before the first training: a year to fit on, and one to weigh the candidates by."""
BLOCK_DAYS, RESAMPLES = 60, 2000


@dataclass(frozen=True, slots=True)
class Policy:
    """What a replay lives by.

    Attributes:
        train_every_days: days between two trainings.
        pages_a_year: the budget of false pages.
    """

    train_every_days: int = 15
    rule: Rule = "evidence"
    pages_a_year: float = 1.0


DEFAULT_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Fit:
    """What a training gives: a model, and what control compares with."""

    model: ForecastModel
    recipe: Recipe
    references: Mapping[str, SeriesReference]


@dataclass(frozen=True, slots=True)
class Cycle:
    """A day on which some policy trains: each recipe's fit, and how they compare on what was known."""

    day: date
    fits: tuple[Fit, ...]
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Outcome:
    """One policy's life.

    Attributes:
        moves: of the alias, after the first champion.
        pages: times that control would have opened an incident.
        errors: `y_hat - y`; shape (S, C, horizon), NaN where not observed.
    """

    policy: Policy
    trainings: int
    moves: int
    pages: int
    errors: Floats

    @property
    def rmse(self) -> float:
        """Over all series, cutoffs and steps."""
        return float(np.sqrt(np.nanmean(self.errors**2)))


def policies(
    every_days: Sequence[int] = (15, 30, 91),
    rules: Sequence[Rule] = RULES,
    budgets: Sequence[float] = (0.5, 1.0, 4.0),
) -> list[Policy]:
    """The grid. A policy that never promotes is there once: how often it trains makes no difference.

    >>> len(policies())
    30
    """
    return [
        Policy(days, rule, pages)
        for days, rule, pages in itertools.product(every_days, rules, budgets)
        if rule != "never" or days == max(every_days)
    ]


def training_days(days: Sequence[date], every_days: Iterable[int]) -> list[date]:
    """The days on which at least one policy trains; all begin on the same one.

    Raises:
        InsufficientHistoryError: fewer days than the first training needs.
    """
    if len(days) <= FIRST_TRAINING_DAYS:
        raise InsufficientHistoryError(len(days), FIRST_TRAINING_DAYS + 1)
    positions = {at for every in every_days for at in range(FIRST_TRAINING_DAYS - 1, len(days) - 1, every)}
    return [days[position] for position in sorted(positions)]


def recipes_of(default: Recipe) -> tuple[Recipe, Recipe]:
    """Who stands for champion in turn: the default, and a rival fitted on two years only."""
    return default, default.with_options("direct_ridge", training_days=730)


def run_cycle(features: pd.DataFrame, day: date, recipes: tuple[Recipe, Recipe]) -> Cycle:
    """Train every recipe at the end of a day, and compare them.

    Args:
        features: rows of `FEATURE_TABLE`; those after `day` are not looked at.
    """
    trainings = [train(features, day, recipe, code_version="replay") for recipe in recipes]
    fits = tuple(_fit(training, recipe) for training, recipe in zip(trainings, recipes, strict=True))
    return Cycle(day, fits, compare_backtests(trainings[0].panel, trainings[0].results, trainings[1].results))


def _fit(training: Training, recipe: Recipe) -> Fit:
    metadata = add_control_references(training.model.metadata, training.results, training.panel)
    return Fit(training.model, recipe, references_from(metadata))


@dataclass(frozen=True, slots=True)
class _ServingPeriod:
    """A champion, and the cutoffs it forecast at: positions `start` to before `stop`."""

    fit: Fit
    start: int
    stop: int


def simulate_policies(features: pd.DataFrame, cycles: Sequence[Cycle], grid: Sequence[Policy]) -> list[Outcome]:
    """Each policy's life from the first training to the last day but one.

    Args:
        features: rows of `FEATURE_TABLE` of the whole history.
        cycles: of all days that `training_days` names, in order.
    """
    panel = panel_from(features).with_exogenous(cycles[0].fits[0].model.exogenous)
    cutoffs = panel.days[panel.days >= np.datetime64(cycles[0].day)][:-1]
    horizon = cycles[0].fits[0].model.horizon
    actuals = panel.actuals(cutoffs, horizon)
    forecasts = _Forecasts(panel.at(cutoffs), cutoffs)
    outcomes = []
    for (every, rule), alike in itertools.groupby(grid, key=lambda policy: (policy.train_every_days, policy.rule)):
        trained = _cycles_of(cycles, every)
        periods = _serving_periods(trained, rule, cutoffs)
        errors = np.concatenate([forecasts.of(period) for period in periods], axis=1) - actuals
        for policy in alike:
            pages = sum(_pages(errors[s], cutoffs, periods, s, policy.pages_a_year) for s in range(len(errors)))
            outcomes.append(Outcome(policy, len(trained), len(periods) - 1, pages, errors))
    return outcomes


def _cycles_of(cycles: Sequence[Cycle], every_days: int) -> list[Cycle]:
    first = cycles[0].day
    return [found for found in cycles if (found.day - first).days % every_days == 0]


def _serving_periods(cycles: Sequence[Cycle], rule: Rule, cutoffs: Days) -> list[_ServingPeriod]:
    moves = list(_champions(cycles, rule))
    edges = [*(int(np.searchsorted(cutoffs, np.datetime64(fit.model.cutoff))) for fit in moves), len(cutoffs)]
    return [_ServingPeriod(fit, start, stop) for fit, start, stop in zip(moves, edges[:-1], edges[1:], strict=True)]


def _champions(cycles: Sequence[Cycle], rule: Rule) -> Iterator[Fit]:
    """Each champion in turn; challengers take turns among the recipes."""
    champion = cycles[0].fits[0]
    yield champion
    for turn, found in enumerate(cycles[1:], start=1):
        challenger = found.fits[turn % len(found.fits)]
        if _replaces(challenger, champion, found.comparison, found.fits[0].recipe, rule):
            champion = challenger
            yield champion


def _replaces(challenger: Fit, champion: Fit, comparison: Comparison, first: Recipe, rule: Rule) -> bool:
    """Whether a rule lets the challenger serve."""
    if rule in {"always", "never"} or comparison.champion is None:
        return rule == "always"
    evidence = {True: comparison.challenger, False: comparison.champion}
    mine, other = evidence[challenger.recipe == first], evidence[champion.recipe == first]
    if rule == "any gain":
        return mine.mean_loss <= other.mean_loss
    # The platform's rule, and the only place that asks it.
    decision = decide(
        _scored_version(challenger, mine),
        _scored_version(champion, other),
        comparison.naive,
        PromotionPolicy.packaged(),
        horizon=challenger.model.horizon,
        decided_at=datetime.combine(challenger.model.cutoff, datetime.min.time(), UTC),
        decided_by="replay",
    )
    return decision.moves_champion


def _scored_version(fit: Fit, evidence: Evidence) -> ScoredVersion:
    version = f"{fit.model.cutoff} {fit.recipe.fingerprint}"
    return ScoredVersion(version, fit.model.cutoff, fit.recipe.fingerprint, evidence)


class _Forecasts:
    """Forecasts at past cutoffs, each made once however many policies ask for it."""

    def __init__(self, features: Floats, cutoffs: Days) -> None:
        self._features = features
        self._cutoffs = cutoffs
        self._known: dict[int, Floats] = {}

    def of(self, period: _ServingPeriod) -> Floats:
        """A champion's point forecasts at its cutoffs; shape (S, stop - start, horizon)."""
        model = period.fit.model
        known = self._known.setdefault(id(model), np.full((*self._features.shape[:2], model.horizon), np.nan))
        for position in range(period.start, period.stop):
            if np.isnan(known[:, position]).all():
                known[:, position] = self._at(model, position)
        return known[:, period.start : period.stop]

    def _at(self, model: ForecastModel, position: int) -> Floats:
        features = self._features[:, position]
        observed = np.isfinite(features[:, 0])
        forecasts = np.full((len(observed), model.horizon), np.nan)
        if observed.any():
            cutoff = self._cutoffs[position]
            first: date = cutoff.astype(object)
            days = [first + timedelta(days=step) for step in range(1, model.horizon + 1)]
            names = [name for name, there in zip(model.unique_ids, observed, strict=True) if there]
            known = np.repeat(cutoff, len(names))
            inputs = build_inputs(names, known, features[observed], days, model.country, model.exogenous)
            forecasts[observed] = model.predict(inputs, levels=()).y_hat.reshape(len(names), model.horizon)
        return forecasts


# --- control, as it would have judged each day ---


def _pages(errors: Floats, cutoffs: Days, periods: Sequence[_ServingPeriod], series: int, pages_a_year: float) -> int:
    """How many incidents of bias and of spread a series would have opened; `errors` has shape (C, horizon)."""
    return sum(
        int(np.count_nonzero(np.diff(np.concatenate([[False], bad]).astype(int)) == 1))
        for bad in (
            np.concatenate([_bad_days(name, errors, cutoffs, period, series, pages_a_year) for period in periods])
            for name in ("bias", "rmse")
        )
    )


def _bad_days(
    name: str, errors: Floats, cutoffs: Days, period: _ServingPeriod, series: int, pages_a_year: float
) -> npt.NDArray[np.bool_]:
    """Which days of a period a chart calls bad, as seen at the end of each."""
    chart = BIAS if name == "bias" else RMSE
    known = period.fit.references.get(period.fit.model.unique_ids[series])
    reference = known.charts.get(name) if known is not None else None
    bad = np.zeros(period.stop - period.start, dtype=bool)
    if known is None or reference is None:
        return bad
    values, threshold = _daily(errors, cutoffs, known), reference.threshold(pages_a_year)
    whole = _whole_windows(values, period)
    if len(whole):
        evidence = accumulate_evidence(chart, reference, whole, threshold)
        return np.array([is_paging(evidence[:, row], threshold) for row in range(len(whole))])
    for day in range(period.start, period.stop):
        recent = values[max(0, day - CONTROL_DAYS + 1) : day + 1]
        recent = recent[np.isfinite(recent)]
        if len(recent) >= MIN_DAYS:
            bad[day - period.start] = is_paging(accumulate_evidence(chart, reference, recent, threshold), threshold)
    return bad


def _whole_windows(values: Floats, period: _ServingPeriod) -> Floats:
    """The days control looks at on each day of a period, to be judged at once; empty where any of them is missing."""
    since = period.start - CONTROL_DAYS + 1
    if since < 0 or not np.isfinite(values[since : period.stop]).all():
        return np.empty((0, CONTROL_DAYS))
    windows: Floats = np.lib.stride_tricks.sliding_window_view(values[since : period.stop], CONTROL_DAYS)
    return windows


def _daily(errors: Floats, cutoffs: Days, reference: SeriesReference) -> Floats:
    """Mean of each day's errors over the cutoffs that reach it, in units of the backtest's; shape (C,)."""
    steps = np.arange(1, errors.shape[1] + 1)
    days = cutoffs[:, None] + steps
    scaled = errors / reference.rmse[season_of(days), bucket_of(steps)]
    position = np.arange(len(cutoffs))[:, None] + steps
    inside = np.isfinite(scaled) & (position < len(cutoffs))
    total = np.bincount(position[inside], scaled[inside], minlength=len(cutoffs))
    count = np.bincount(position[inside], minlength=len(cutoffs))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


# --- which policy is best, and whether that is more than chance ---


def summarize(outcomes: Sequence[Outcome], default: Policy = DEFAULT_POLICY) -> pd.DataFrame:
    """One row a policy, the lowest RMSE first, against the default policy.

    Returns:
        The policy, `trainings`, `moves` of the alias, `pages`, `rmse`, `rmse_to_default` (1 is equal) and its
        95 % interval `lo`, `hi` by resampling stretches of `BLOCK_DAYS` cutoffs (Künsch 1989).
    """
    base = next(found for found in outcomes if found.policy == default)
    rows = []
    for found in outcomes:
        low, high = _interval(found.errors, base.errors)
        rows.append(
            {
                "train_every_days": found.policy.train_every_days,
                "rule": found.policy.rule,
                "pages_a_year": found.policy.pages_a_year,
                "trainings": found.trainings,
                "moves": found.moves,
                "pages": found.pages,
                "rmse": found.rmse,
                "rmse_to_default": found.rmse / base.rmse,
                "lo": low,
                "hi": high,
            }
        )
    return pd.DataFrame(rows).sort_values(["rmse", "pages"], kind="stable", ignore_index=True)


def _interval(errors: Floats, base: Floats) -> tuple[float, float]:
    losses = np.stack([np.nansum(found**2, axis=(0, 2)) for found in (errors, base)])
    blocks = losses[:, : losses.shape[1] // BLOCK_DAYS * BLOCK_DAYS].reshape(2, -1, BLOCK_DAYS).sum(axis=2)
    if blocks.shape[1] < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(0).integers(0, blocks.shape[1], (RESAMPLES, blocks.shape[1]))
    ratios = np.sqrt(blocks[0][drawn].sum(axis=1) / blocks[1][drawn].sum(axis=1))
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)
