"""How often a promotion rule is wrong, and how often it finds a better model: simulated project-years.

`make bench NAME=promotion` (`FULL=0` for a run of a minute; `DATA=folder` adds residuals of real backtests). In a
year the champion and one challenger forecast each day; the rule may look each day at what both forecast so far
(shadow), and every 15 days at a backtest of both recipes on the 640 days before (recipe). Errors are autoregressive
and correlated between the two. A shadow's daily loss is the absolute error; a backtest's, at each cutoff, the RMSE
over a horizon. The rule is the product's: `paired_tests` with the numbers of `promotion/policy.py`. Beside it, on the
same years, what people use: promote if the metric of the last 90 days improves; if it improves by 5 %; by a
Diebold-Mariano test at 5 %, repeated; by a tolerance of the kind "accepted if at least old / 1.2".
"""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import feeds
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.models.backtest import backtest
from forecasting_platform.forecasting.models.recipe import Recipe
from forecasting_platform.forecasting.promotion.paired_tests import (
    chance_in_a_year,
    confidence_sequence,
    diebold_mariano,
)
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.features import build_features
from forecasting_platform.forecasting.series.panel import panel_from

FULL = os.environ.get("FULL", "1") != "0"
YEARS = 10_000 if FULL else 500
CHUNK = 500
HORIZON, YEAR, BACKTEST, EVERY, RECENT = 15, 365, 640, 15, 90
PHIS, CORRELATIONS = (0.0, 0.5, 0.8), (0.5, 0.8, 0.95)
EFFECTS = {"equal": 1.0, "5 % worse": 1.05, "15 % better": 0.85}
MOST = {"equal": 0.05, "5 % worse": 0.02}
LEAST = 0.9
BURN_IN = 50
BLOCK = 30

Errors = tuple[Floats, Floats]
Rule = Callable[[Floats, Floats], Floats]


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
        for day in range(1, days):
            shocks[:, :, day] += self.phi * shocks[:, :, day - 1]
        return shocks[0, :, BURN_IN:], shocks[1, :, BURN_IN:]


@dataclass(frozen=True, slots=True)
class Residuals:
    """Blocks of real backtests: pairs of two candidates' daily errors, in random order of blocks and of the two."""

    name: str
    pairs: Floats

    def draw(self, rng: np.random.Generator, years: int) -> Errors:
        """As `Cell.draw`; both models' errors of a day stay together."""
        days = BACKTEST + YEAR
        count = self.pairs.shape[1]
        # Around the end, so that every day is drawn as often as any other.
        starts = rng.integers(0, count, (years, -(-days // BLOCK)))
        index = ((starts[:, :, None] + np.arange(BLOCK)) % count).reshape(years, -1)[:, :days]
        first, second = self.pairs[0][index], self.pairs[1][index]
        # Tossed for each block, so that neither is better in any measure before the effect.
        swap = np.repeat(rng.random((years, starts.shape[1])) < 0.5, BLOCK, axis=1)[:, :days]
        return np.where(swap, second, first), np.where(swap, first, second)


def questions() -> Iterator[int]:
    """Days of the year on which a backtest is made."""
    yield from range(0, YEAR, EVERY)


def ours(champion: Floats, challenger: Floats) -> Floats:
    """Whether the product's rule promotes within the year; shape (years,)."""
    policy = PromotionPolicy.packaged()
    difference = champion - challenger
    promoted = np.zeros(len(champion), dtype=bool)
    old, new = over_a_horizon(champion), over_a_horizon(challenger)
    for day in questions():
        window = (old - new)[:, day : day + BACKTEST]
        gain = window.mean(axis=1) / old[:, day : day + BACKTEST].mean(axis=1)
        chance = chance_in_a_year(diebold_mariano(window, HORIZON), BACKTEST)
        promoted |= (chance < policy.recipe_alpha) & (gain >= policy.min_gain)
    own = difference[:, BACKTEST:]
    lower, _ = confidence_sequence(own, policy.shadow_alpha, horizon=HORIZON)
    days = np.arange(1, YEAR + 1)
    gains = np.cumsum(own, axis=1) / np.cumsum(champion[:, BACKTEST:], axis=1)
    return promoted | ((lower > 0) & (gains >= policy.min_gain) & (days >= 4 * HORIZON)).any(axis=1)


def over_a_horizon(losses: Floats) -> Floats:
    """The loss of a cutoff: RMSE over the days up to it; shape (years, BACKTEST + YEAR).

    As if the steps of one cutoff erred like as many days: neighbouring cutoffs then share all but one of them, which
    is the hardest case.
    """
    squares = np.cumsum(np.pad(losses**2, ((0, 0), (1, 0))), axis=1)
    days = np.arange(1, losses.shape[1] + 1)
    first = np.maximum(days - HORIZON, 0)
    return np.asarray(np.sqrt((squares[:, days] - squares[:, first]) / (days - first)))


def _recent(champion: Floats, challenger: Floats) -> Iterator[tuple[Floats, Floats]]:
    for day in questions():
        window = slice(BACKTEST + day - RECENT, BACKTEST + day)
        yield champion[:, window], challenger[:, window]


def by_margin(champion: Floats, challenger: Floats, least: float) -> Floats:
    """RMSE of the last 90 days lower by a share, asked each 15 days."""
    found = [_rmse(new) < (1 - least) * _rmse(old) for old, new in _recent(champion, challenger)]
    return np.any(found, axis=0)


def by_tolerance(champion: Floats, challenger: Floats) -> Floats:
    """Accepted unless R² falls below the old one's / 1.2, with the loss's variance as the total."""
    found = []
    for old, new in _recent(champion, challenger):
        total = 4 * (old**2).mean(axis=1)
        r_old, r_new = (1 - (losses**2).mean(axis=1) / total for losses in (old, new))
        found.append(r_new >= r_old / 1.2)
    return np.any(found, axis=0)


def by_repeated_test(champion: Floats, challenger: Floats) -> Floats:
    """A one-sided Diebold-Mariano test at 5 % on squared errors of the last 90 days, asked each 15 days."""
    found = [diebold_mariano(old**2 - new**2, HORIZON) < 0.05 for old, new in _recent(champion, challenger)]
    return np.any(found, axis=0)


def _rmse(losses: Floats) -> Floats:
    return np.asarray(np.sqrt((losses**2).mean(axis=1)))


RULES: dict[str, Rule] = {
    "ours": ours,
    "if it improves": partial(by_margin, least=0.0),
    "if it improves by 5 %": partial(by_margin, least=0.05),
    "Diebold-Mariano at 5 %, repeated": by_repeated_test,
    "unless worse than old / 1.2": by_tolerance,
}


def promoted_shares(source: Cell | Residuals, years: int) -> dict[tuple[str, str], float]:
    """Share of years in which each rule promotes, by rule and effect."""
    counts = dict.fromkeys(((rule, effect) for rule in RULES for effect in EFFECTS), 0.0)
    for chunk in range(0, years, CHUNK):
        # The same years for every rule and effect.
        champion, challenger = (np.abs(errors) for errors in source.draw(np.random.default_rng([chunk, 7]), CHUNK))
        for effect, factor in EFFECTS.items():
            for rule, promotes in RULES.items():
                counts[rule, effect] += float(promotes(champion, factor * challenger).sum())
    return {key: count / years for key, count in counts.items()}


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


def rows_of(source: Cell | Residuals, shares: dict[tuple[str, str], float]) -> Iterator[dict[str, Any]]:
    """One row a rule."""
    if isinstance(source, Cell):
        errors = f"φ {source.phi:g}, correlation {source.correlation:g}, {source.tails} tails"
    else:
        errors = f"residuals of {source.name}"
    for rule in RULES:
        yield {"errors": errors, "years": YEARS, "rule": rule} | {
            effect: round(shares[rule, effect], 4) for effect in EFFECTS
        }


def aims_of(rows: list[dict[str, Any]]) -> list[Aim]:
    """What issue 6 asks for, at the worst cell and as the share of cells that hold."""
    own = [row for row in rows if row["rule"] == "ours"]
    aims = [
        Aim(f"{effect}: promoted in a year, worst cell", max(row[effect] for row in own), f"<= {most:g}", False)
        for effect, most in MOST.items()
    ]
    least = min(row["15 % better"] for row in own)
    aims.append(Aim("15 % better: found in a year, worst cell", least, f">= {LEAST:g}", False))
    held = [aim.value <= most for aim, most in zip(aims, MOST.values(), strict=False)] + [least >= LEAST]
    enough = sum(row["15 % better"] >= LEAST for row in own) / len(own)
    judged = [Aim(aim.name, aim.value, aim.aim, holds) for aim, holds in zip(aims, held, strict=True)]
    return [*judged, Aim("15 % better: share of cells that hold", round(enough, 3), ">= 1", enough >= 1)]


def main() -> None:
    """Simulate every cell on all cores and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="folder of real feeds")
    folder = parser.parse_args().data
    cells: list[Cell | Residuals] = [
        Cell(phi, correlation, tails) for tails in ("normal", "heavy") for phi in PHIS for correlation in CORRELATIONS
    ]
    sources = cells + (real_residuals(folder) if folder else [])
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        shares = list(pool.map(partial(promoted_shares, years=YEARS), sources))
    rows = [row for source, found in zip(sources, shares, strict=True) for row in rows_of(source, found)]
    report("promotion", rows, aims_of(rows))


if __name__ == "__main__":
    main()
