"""Whether trying many recipes fools the promotion rule: simulated years of fifty recipes. A part of `promotion`.

In a year fifty recipes that are no better are compared with one champion, all of them from the first day to the last
(the hardest case: as many chances at once as a rule can meet), by the backtest every 15 days and the shadow every day.
Their errors depend on each other by the champion's alone, or are nearly alike besides, as of variants of one recipe.
A year is wrong if any of them is promoted. Beside them a recipe that is 15 % better is compared as the 1st, 10th, 25th
and 50th of the year. The rule is the product's: `tries` with the numbers of `policy`; the peers ask each recipe as if
it were alone, or divide the chance by fifty (Bonferroni).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.promotion_cells import (
    BACKTEST,
    BURN_IN,
    FULL,
    HORIZON,
    YEAR,
    Cell,
    Residuals,
    over_a_horizon,
    questions,
    toss,
)
from benchmarks.results_file import Aim
from forecasting_platform.forecasting.promotion.paired_tests import (
    chance_in_a_year,
    confidence_sequence,
    diebold_mariano,
)
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.tries import Tries, recipe_chance, shadow_chance
from forecasting_platform.forecasting.series.arrays import Floats

RECIPES = 50
TRIED = (1, 10, 25, 50)
GAIN = 0.85
YEARS, YEARS_ALIKE = (800, 100) if FULL else (60, 20)
CHUNK = 100 if FULL else 20
MAX_WRONG, MIN_FOUND = 0.05, 0.9
POLICY = PromotionPolicy.packaged()
NEW_YEAR = datetime(2023, 1, 1, tzinfo=UTC)

Chances = Callable[[int, int, float], tuple[float, float]]
"""From a recipe's number, the promising ones before it and its first p-value: the chances of backtest and shadow."""


def shared(number: int, promising_before: int, first_p: float) -> tuple[float, float]:
    """The product's rule."""
    tries = Tries(number, NEW_YEAR, promising_before, first_p)
    return recipe_chance(tries, POLICY), shadow_chance(tries, POLICY)


RULES: dict[str, Chances] = {
    "ours": shared,
    "each as if alone": lambda *_: (POLICY.recipe_alpha, POLICY.shadow_alpha),
    f"divided by {RECIPES}": lambda *_: (POLICY.recipe_alpha / RECIPES, POLICY.shadow_alpha / RECIPES),
}


@dataclass(frozen=True, slots=True)
class Years:
    """Where errors come from: a cell or real residuals, and how alike the recipes' own errors are."""

    source: Cell | Residuals
    alike: float = 0.0

    @property
    def count(self) -> int:
        """Years to simulate."""
        return YEARS_ALIKE if self.alike else YEARS

    def draw(self, rng: np.random.Generator, years: int) -> Iterator[Floats]:
        """Absolute errors of the champion, then of one recipe after the other; each of shape (years, days)."""
        draw = self._draw_cell if isinstance(self.source, Cell) else self._draw_residuals
        return map(np.abs, draw(rng, years))

    def _draw_cell(self, rng: np.random.Generator, years: int) -> Iterator[Floats]:
        cell, shape = self.source, (years, BACKTEST + YEAR + BURN_IN)
        assert isinstance(cell, Cell)
        champion, common = rng.standard_normal(shape), rng.standard_normal(shape)
        # As in `Cell.draw`, extreme days hit all.
        scale = np.sqrt(2 / rng.chisquare(4, shape)) if cell.tails == "heavy" else 1.0
        yield cell.persist(scale * champion)
        while True:
            own = np.sqrt(self.alike) * common + np.sqrt(1 - self.alike) * rng.standard_normal(shape)
            yield cell.persist(scale * (cell.correlation * champion + np.sqrt(1 - cell.correlation**2) * own))

    def _draw_residuals(self, rng: np.random.Generator, years: int) -> Iterator[Floats]:
        assert isinstance(self.source, Residuals)
        first, second = self.source.blocks(rng, years)
        while True:
            # Each takes either of two candidates' errors, block by block: none is better in any measure.
            yield np.where(toss(rng, first.shape), first, second)


@dataclass(frozen=True, slots=True)
class Champion:
    """A champion's years, and what does not depend on who is compared with it."""

    errors: Floats
    losses: Floats

    def compare(self, errors: Floats) -> tuple[Floats, Floats]:
        """The first p-value of a recipe's backtests, and the least chance of those of enough gain; shape (years,)."""
        difference = self.losses - over_a_horizon(errors)
        first, least = np.ones(len(errors)), np.ones(len(errors))
        for day in questions():
            window = difference[:, day : day + BACKTEST]
            p_better = diebold_mariano(window, HORIZON)
            gain = window.mean(axis=1) / self.losses[:, day : day + BACKTEST].mean(axis=1)
            chance = np.where(gain >= POLICY.min_gain, chance_in_a_year(p_better, BACKTEST), 1.0)
            first, least = (p_better if day == 0 else first), np.minimum(least, chance)
        return first, least

    def shadow(self, errors: Floats, chances: Floats) -> Floats:
        """Whether a recipe's shadow promotes it within the year, at a chance for each year (0 for never)."""
        promoted = np.zeros(len(errors), dtype=bool)
        days = np.arange(1, YEAR + 1)
        for chance in np.unique(chances[chances > 0]):
            at = np.flatnonzero(chances == chance)
            own = (self.errors[at] - errors[at])[:, BACKTEST:]
            gains = np.cumsum(own, axis=1) / np.cumsum(self.errors[at][:, BACKTEST:], axis=1)
            lower, _ = confidence_sequence(own, float(chance), horizon=HORIZON)
            promoted[at] = ((lower > 0) & (gains >= POLICY.min_gain) & (days >= 4 * HORIZON)).any(axis=1)
        return promoted

    def promotes(
        self, errors: Floats, compared: tuple[Floats, Floats], number: int, promising: Floats, chances: Chances
    ) -> Floats:
        """Whether a recipe, compared as `number` after so many promising ones, is promoted within the year."""
        first, least = compared
        asked = np.array([chances(number, int(before), float(p)) for before, p in zip(promising, first, strict=True)])
        return np.asarray((least < asked[:, 0]) | self.shadow(errors, asked[:, 1]))


def promoted_years(years: Years) -> dict[str, list[float]]:
    """By rule: the share of years with a wrong promotion, then those in which each of `TRIED` is found."""
    counts = {rule: np.zeros(1 + len(TRIED)) for rule in RULES}
    for chunk in range(0, years.count, CHUNK):
        errors = years.draw(np.random.default_rng([chunk, 11]), CHUNK)
        losses = next(errors)
        for rule, found in _judge_chunk(Champion(losses, over_a_horizon(losses)), errors).items():
            counts[rule] += found
    return {rule: (count / years.count).tolist() for rule, count in counts.items()}


def _judge_chunk(champion: Champion, errors: Iterator[Floats]) -> dict[str, Floats]:
    better = GAIN * next(errors)
    found = {rule: np.zeros(1 + len(TRIED)) for rule in RULES}
    wrong = {rule: np.zeros(len(better), dtype=bool) for rule in RULES}
    of_better, promising = champion.compare(better), np.zeros(len(better), dtype=int)
    for number, recipe in zip(range(1, RECIPES + 1), errors, strict=False):
        compared = champion.compare(recipe)
        for rule, chances in RULES.items():
            if number in TRIED:
                is_found = champion.promotes(better, of_better, number, promising, chances)
                found[rule][1 + TRIED.index(number)] = is_found.sum()
            wrong[rule] |= champion.promotes(recipe, compared, number, promising, chances)
        promising += compared[0] < POLICY.promising_p
    for rule in RULES:
        found[rule][0] = wrong[rule].sum()
    return found


def sources(cells: list[Cell], residuals: list[Residuals]) -> list[Years]:
    """What is simulated: every cell with recipes of their own errors and with nearly alike ones, and real residuals."""
    own = [Years(cell, alike) for alike in (0.0, 0.9) for cell in cells]
    return own + [Years(each) for each in residuals]


def rows_of(years: Years, shares: dict[str, list[float]]) -> Iterator[dict[str, Any]]:
    """One row a rule."""
    for rule, (wrong, *found) in shares.items():
        yield {
            "part": f"{RECIPES} recipes a year",
            "errors": years.source.described,
            "alike": years.alike,
            "years": years.count,
            "rule": rule,
            "any promoted though none is better": round(wrong, 4),
        } | {
            f"15 % better found as number {number}": round(share, 4) for number, share in zip(TRIED, found, strict=True)
        }


def aims_of(rows: list[dict[str, Any]]) -> list[Aim]:
    """What issue 20 asks for, at the worst cell and as the share of cells that hold."""
    own = [row for row in rows if row["rule"] == "ours"]
    wrong = max(row["any promoted though none is better"] for row in own)
    name = f"{RECIPES} recipes no better: any promoted in a year, worst cell"
    aims = [Aim(name, wrong, f"<= {MAX_WRONG:g}", wrong <= MAX_WRONG)]
    for number in TRIED:
        found = [row[f"15 % better found as number {number}"] for row in own if not row["alike"]]
        share = float(np.mean(np.array(found) >= MIN_FOUND))
        name = f"15 % better as number {number} of a year: found in {MIN_FOUND:.0%} of years, share of cells"
        aims.append(Aim(name, round(share, 3), ">= 1", share >= 1))
    return aims
