"""Each policy's course: who is champion when, its forecasts, and the pages they cause."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.policy_backtest.cycles import Cycle, Fit, ServingPeriod
from forecasting_platform.forecasting.policy_backtest.pages import count_pages
from forecasting_platform.forecasting.policy_backtest.policies import Outcome, Policy, Rule
from forecasting_platform.forecasting.promotion.decision_inputs import Evidence, ScoredVersion
from forecasting_platform.forecasting.promotion.evidence import Comparison
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import decide
from forecasting_platform.forecasting.promotion.tries import ComparedRecipes, count_tries, recipes_compared_by
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.features.inputs import build_inputs
from forecasting_platform.forecasting.series.features.panel import Panel, panel_from


def simulate_policies(features: pd.DataFrame, cycles: Sequence[Cycle], grid: Sequence[Policy]) -> list[Outcome]:
    """Simulate each policy from the first training to the last day but one.

    Args:
        features: rows of `FEATURE_TABLE` of the whole history.
        cycles: of all days from `training_days`, in order.
    """
    panel = cycles[0].fits[0].recipe.view(panel_from(features))
    cutoffs = panel.days[panel.days >= np.datetime64(cycles[0].day)][:-1]
    horizon = cycles[0].fits[0].model.horizon
    actuals = panel.actuals(cutoffs, horizon)
    forecasts = _Forecasts(panel, cutoffs)
    outcomes = []
    for (every, rule), alike in itertools.groupby(grid, key=lambda policy: (policy.train_every_days, policy.rule)):
        trained = [found for found in cycles if (found.day - cycles[0].day).days % every == 0]
        moves = list(_champions(trained, rule))
        edges = [*(int(np.searchsorted(cutoffs, np.datetime64(fit.model.cutoff))) for fit in moves), len(cutoffs)]
        periods = [ServingPeriod(*each) for each in zip(moves, edges[:-1], edges[1:], strict=True)]
        errors = np.concatenate([forecasts.of(period) for period in periods], axis=1) - actuals
        for policy in alike:
            pages = sum(count_pages(errors[s], cutoffs, periods, s, policy.pages_a_year) for s in range(len(errors)))
            outcomes.append(Outcome(policy, len(trained), len(periods) - 1, pages, errors))
    return outcomes


def _champions(cycles: Sequence[Cycle], rule: Rule) -> Iterator[Fit]:
    """Each champion in turn; challengers take turns among the recipes."""
    champion, compared = cycles[0].fits[0], list[ComparedRecipes]()
    yield champion
    for turn, found in enumerate(cycles[1:], start=1):
        challenger = found.fits[turn % len(found.fits)]
        if _replaces(challenger, champion, found.comparison, found.fits[0].recipe, rule, compared):
            champion = challenger
            yield champion


def _replaces(
    challenger: Fit,
    champion: Fit,
    comparison: Comparison,
    first: Recipe,
    rule: Rule,
    compared: list[ComparedRecipes],
) -> bool:
    """Whether a rule makes the challenger champion; `compared` is the ledger so far, and is continued."""
    if rule in {"always", "never"} or comparison.champion is None:
        return rule == "always"
    evidence = {True: comparison.challenger, False: comparison.champion}
    mine, other = evidence[challenger.recipe == first], evidence[champion.recipe == first]
    if rule == "any gain":
        return mine.mean_loss <= other.mean_loss
    policy, at = PromotionPolicy.packaged(), datetime.combine(challenger.model.cutoff, datetime.min.time(), UTC)
    recipes = challenger.recipe.fingerprint, champion.recipe.fingerprint
    decision = decide(
        _scored_version(challenger, mine),
        _scored_version(champion, other),
        comparison.naive,
        policy,
        horizon=challenger.model.horizon,
        decided_at=at,
        decided_by="replay",
        tries=count_tries(compared, recipes, at, policy.promising_p),
    )
    compared.extend(filter(None, [recipes_compared_by(decision)]))
    return decision.moves_champion


def _scored_version(fit: Fit, evidence: Evidence) -> ScoredVersion:
    version = f"{fit.model.cutoff} {fit.recipe.fingerprint}"
    return ScoredVersion(version, fit.model.cutoff, fit.recipe.fingerprint, evidence)


class _Forecasts:
    """Forecasts at past cutoffs, each computed once and shared by the policies."""

    def __init__(self, panel: Panel, cutoffs: Days) -> None:
        self._panel = panel
        self._features = panel.at(cutoffs)
        self._cutoffs = cutoffs
        self._known: dict[int, Floats] = {}

    def of(self, period: ServingPeriod) -> Floats:
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
            windows = self._panel.history(self._cutoffs[[position]], model.window_days)[observed, 0]
            inputs = build_inputs(names, known, features[observed], days, model.country, model.exogenous, windows)
            forecasts[observed] = model.predict(inputs, levels=()).y_hat.reshape(len(names), model.horizon)
        return forecasts
