"""Demand that mostly is 0: how often something is asked for, and how much then, each smoothed by itself (Teunter,
Syntetos & Babai 2011, doi:10.1016/j.ejor.2011.05.018). Unlike Croston's, the forecast falls while nothing is asked for.
"""

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from forecasting_platform.forecasting.models.candidates.candidate import Candidate, FittedCandidate, Positions, Task
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform.forecasting.series.features.panel import Panel

SMOOTHINGS = (0.02, 0.05, 0.1, 0.2, 0.3)
"""What is tried of each of the two, in every combination."""

_PAIRS = np.array(list(product(SMOOTHINGS, SMOOTHINGS)))


@dataclass(frozen=True, slots=True)
class FittedIntermittentDemand(FittedCandidate):
    """The smoothings of each series, and what its state is before its window.

    Attributes:
        chance_smoothing: of whether a day has demand; shape (S,).
        size_smoothing: of how much a day with demand has; shape (S,).
        chance: the share of the days with demand; shape (S,).
        size: the mean of those days; shape (S,).
    """

    name: ClassVar[str] = "intermittent_demand"
    window_days: ClassVar[int] = 182
    chance_smoothing: Floats
    size_smoothing: Floats
    chance: Floats
    size: Floats

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The smoothed chance times the smoothed size, the same at every step; shape (n,)."""
        chance, size = self.chance[series], self.size[series]
        smoothings = self.chance_smoothing[series], self.size_smoothing[series]
        # The state is filtered on the newest days: no fit grows old between two trainings.
        for values in inputs.history[:, -self.window_days :].T:
            chance, size = move(chance, size, values, *smoothings)
        return chance * size


@dataclass(frozen=True, slots=True)
class IntermittentDemand(Candidate):
    """The chance of demand and its size, for series that mostly are 0."""

    fitted: ClassVar[type[FittedCandidate]] = FittedIntermittentDemand
    prior_weight: float = 0.9

    def fit(self, panel: Panel, task: Task) -> FittedIntermittentDemand:
        """See `Candidate`: the pair of smoothings of the least squared error of the mean over the horizon."""
        values = panel.targets
        demand = np.isfinite(values) & (values != 0)
        days, asked = np.isfinite(values).sum(axis=1), demand.sum(axis=1)
        total = np.where(demand, values, 0.0).sum(axis=1)
        first_chance, first_size = asked / np.maximum(days, 1), total / np.maximum(asked, 1)
        best = np.argmin(_costs(values, first_chance, first_size, task.horizon), axis=1)
        chance_smoothing, size_smoothing = _PAIRS[best].T
        return FittedIntermittentDemand(chance_smoothing, size_smoothing, first_chance, first_size)


def move(
    chance: Floats, size: Floats, values: Floats, chance_smoothing: Floats, size_smoothing: Floats
) -> tuple[Floats, Floats]:
    """The state after one more day; a day without a value leaves it as it is."""
    known, asked = np.isfinite(values), np.isfinite(values) & (values != 0)
    moved = chance + chance_smoothing * (asked - chance)
    grown = size + size_smoothing * (np.where(asked, values, size) - size)
    return np.where(known, moved, chance), grown


def _costs(values: Floats, first_chance: Floats, first_size: Floats, horizon: int) -> Floats:
    """Squared errors of each pair of smoothings, in units of each series; shape (S, P)."""
    # Judged by the mean of the days ahead, as the forecast is one number for all of them: of single days, which mostly
    # are 0, the squared error would be the noise.
    padded = np.hstack([values, np.full((len(values), horizon), np.nan)])
    known = np.isfinite(padded)
    sums, counts = (np.cumsum(of, axis=1) for of in (np.where(known, padded, 0.0), known))
    # Sums of the days ahead as differences of running sums, so that each day costs the same whatever the horizon.
    ahead = counts[:, horizon:] - counts[:, :-horizon]
    means = (sums[:, horizon:] - sums[:, :-horizon]) / np.maximum(ahead, 1)
    unit = np.maximum(np.abs(first_size), np.finfo(float).tiny)
    chance, size = (np.repeat(of[:, None], len(_PAIRS), axis=1) for of in (first_chance, first_size))
    costs = np.zeros_like(chance)
    for day in range(values.shape[1] - horizon):
        chance, size = move(chance, size, values[:, day : day + 1], *_PAIRS.T)
        with np.errstate(over="ignore"):
            squares = np.square((chance * size - means[:, day : day + 1]) / unit[:, None])
        # A day before a gap as long as the horizon is judged by nothing: no value is not a demand of 0.
        costs += np.where(ahead[:, day : day + 1] > 0, squares, 0.0)
    return np.where(np.isfinite(costs), costs, np.inf)
