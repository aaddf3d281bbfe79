"""The errors that `promotion` simulates: cells of autoregressive errors, and blocks of real residuals."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy import feeds
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.backtest import backtest
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.features.panel import panel_from

FULL = os.environ.get("FULL", "1") != "0"
HORIZON, YEAR, BACKTEST, EVERY = 15, 365, 640, 15
PHIS, CORRELATIONS = (0.0, 0.5, 0.8), (0.5, 0.8, 0.95)
BURN_IN = 50
BLOCK = 30

Errors = tuple[Floats, Floats]


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of error: how it persists, how alike the two models err, how heavy its tails are."""

    phi: float
    correlation: float
    tails: str

    def draw(self, rng: np.random.Generator, years: int) -> Errors:
        """Errors of champion and challenger; each of shape (years, BACKTEST + YEAR)."""
        days = BACKTEST + YEAR + BURN_IN
        shocks = rng.standard_normal((2, years, days))
        shocks[1] = self.correlation * shocks[0] + np.sqrt(1 - self.correlation**2) * shocks[1]
        if self.tails == "heavy":
            # Student's t with four degrees of freedom, scaled to variance one; extreme days hit both.
            shocks *= np.sqrt(2 / rng.chisquare(4, (years, days)))
        return self.persist(shocks[0]), self.persist(shocks[1])

    def persist(self, shocks: Floats) -> Floats:
        """Autoregressive errors of shocks of shape (years, BURN_IN + days), which are changed; (years, days)."""
        for day in range(1, shocks.shape[1]):
            shocks[:, day] += self.phi * shocks[:, day - 1]
        return shocks[:, BURN_IN:]

    @property
    def described(self) -> str:
        """For a row of results."""
        return f"φ {self.phi:g}, correlation {self.correlation:g}, {self.tails} tails"


@dataclass(frozen=True, slots=True)
class Residuals:
    """Blocks of real backtests: pairs of two candidates' daily errors, in random order of blocks and of the two."""

    name: str
    pairs: Floats

    def draw(self, rng: np.random.Generator, years: int) -> Errors:
        """As `Cell.draw`; both models' errors of a day stay together."""
        first, second = self.blocks(rng, years)
        # Tossed for each block, so that neither is better in any measure before the effect.
        swap = toss(rng, first.shape)
        return np.where(swap, second, first), np.where(swap, first, second)

    def blocks(self, rng: np.random.Generator, years: int) -> Errors:
        """Both candidates' errors, in random order of blocks; each of shape (years, BACKTEST + YEAR)."""
        days, count = BACKTEST + YEAR, self.pairs.shape[1]
        # Around the end, so that every day is drawn as often as any other.
        starts = rng.integers(0, count, (years, -(-days // BLOCK)))
        index = ((starts[:, :, None] + np.arange(BLOCK)) % count).reshape(years, -1)[:, :days]
        return self.pairs[0][index], self.pairs[1][index]

    @property
    def described(self) -> str:
        """For a row of results."""
        return f"residuals of {self.name}"


def toss(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Heads or tails, the same for all days of a block; of this shape (years, days)."""
    heads = rng.random((shape[0], -(-shape[1] // BLOCK))) < 0.5
    return np.repeat(heads, BLOCK, axis=1)[:, : shape[1]]


def questions() -> Iterator[int]:
    """Days of the year on which a backtest is made."""
    yield from range(0, YEAR, EVERY)


def over_a_horizon(losses: Floats) -> Floats:
    """The loss of a cutoff: RMSE over the days up to it; shape (years, BACKTEST + YEAR).

    As if the steps of one cutoff erred like as many days: neighbouring cutoffs then share all but one of them, which
    is the hardest case.
    """
    squares = np.cumsum(np.pad(losses**2, ((0, 0), (1, 0))), axis=1)
    days = np.arange(1, losses.shape[1] + 1)
    first = np.maximum(days - HORIZON, 0)
    return np.asarray(np.sqrt((squares[:, days] - squares[:, first]) / (days - first)))


def real_residuals(folder: Path) -> list[Residuals]:
    """Errors a week ahead, day by day, of two candidates on each series of the feeds."""
    found = []
    for name, observations in feeds(folder):
        period = DateRange(observations["ds"].min().date(), observations["ds"].max().date())
        panel = panel_from(build_features(observations[["unique_id", "ds", "y"]], period, Recipe().country))
        results = backtest(panel, Recipe())
        options = [results.candidates.index(name) for name in ("direct_ridge", "exponential_smoothing")]
        for series, unique_id in enumerate(results.unique_ids):
            pairs = results.errors[options, series, :, 6]
            pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
            if pairs.shape[1] > 4 * BLOCK:
                found.append(Residuals(f"{name}/{unique_id}", pairs))
    return found
