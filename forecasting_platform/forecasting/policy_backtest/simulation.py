"""Each policy's course: who is champion when, its forecasts, and the pages they cause."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.policy_backtest.courses import Course, follow
from forecasting_platform.forecasting.policy_backtest.cycles import Cycle, ServingPeriod
from forecasting_platform.forecasting.policy_backtest.pages import count_pages
from forecasting_platform.forecasting.policy_backtest.policies import Outcome, Policy
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.features.inputs import build_inputs
from forecasting_platform.forecasting.series.features.panel import Panel, panel_from


def simulate_policies(
    features: pd.DataFrame,
    cycles: Sequence[Cycle],
    grid: Sequence[Policy],
    train_on: Callable[[date], Cycle] | None = None,
) -> list[Outcome]:
    """Simulate each policy from the first training to the last day but one.

    Args:
        features: rows of `FEATURE_TABLE` of the whole history.
        cycles: of all days from `training_days`, in order.
        train_on: trains on a day that an incident asks for; needed where a policy trains for incidents.
    """
    panel = cycles[0].fits[0].recipe.view(panel_from(features))
    cutoffs = panel.days[panel.days >= np.datetime64(cycles[0].day)][:-1]
    actuals = panel.actuals(cutoffs, cycles[0].fits[0].model.horizon)
    forecasts = _Forecasts(panel, cutoffs)

    outcomes, courses = [], dict[tuple[object, ...], Course]()
    for policy in grid:
        # A budget of pages changes the course only where a page asks for a training.
        budget = policy.pages_a_year if policy.incident_days else None
        alike = (policy.train_every_days, policy.rule, policy.incident_days, budget)
        if alike not in courses:
            every = policy.train_every_days
            trained = [found for found in cycles if (found.day - cycles[0].day).days % every == 0]
            by_position = {int(np.searchsorted(cutoffs, np.datetime64(found.day))): found for found in trained}
            courses[alike] = follow(policy, by_position, cutoffs, actuals, forecasts.of, train_on)
        course = courses[alike]
        errors, periods = course.errors, course.periods
        pages = sum(count_pages(errors[s], cutoffs, periods, s, policy.pages_a_year) for s in range(len(errors)))
        champions = tuple(period.fit.model.cutoff for period in periods)
        outcomes.append(Outcome(policy, course.trainings, pages, errors, champions))
    return outcomes


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
