"""How often a promotion rule is wrong, and how often it finds a better model: simulated project-years.

`make bench NAME=promotion` (`FULL=0` for a run of a minute; `DATA=folder` adds residuals of real backtests). In a
year the champion and one challenger forecast each day; the rule may look each day at what both forecast so far
(shadow), and every 15 days at a backtest of both recipes on the 640 days before (recipe). Errors are autoregressive
and correlated between the two. A shadow's daily loss is the absolute error; a backtest's, at each cutoff, the RMSE
over a horizon. The rule is the product's: `paired_tests` with the numbers of `promotion/policy.py`, for the first
recipe of a year; what fifty recipes a year do is in `promotion_tries`. Beside it, on the same years, what people use:
promote if the metric of the last 90 days improves; if it improves by 5 %; by a Diebold-Mariano test at 5 %, repeated;
by a tolerance of the kind "accepted if at least old / 1.2".
"""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import promotion_tries
from benchmarks.promotion_cells import (
    BACKTEST,
    CORRELATIONS,
    FULL,
    HORIZON,
    PHIS,
    Cell,
    Residuals,
    over_a_horizon,
    questions,
    real_residuals,
)
from benchmarks.promotion_tries import Champion
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.promotion.paired_tests import diebold_mariano
from forecasting_platform.forecasting.series.arrays import Floats

YEARS = 10_000 if FULL else 500
CHUNK = 500
RECENT = 90
EFFECTS = {"equal": 1.0, "5 % worse": 1.05, "15 % better": 0.85}
MOST = {"equal": 0.05, "5 % worse": 0.02}
LEAST = 0.9

Rule = Callable[[Floats, Floats], Floats]


def ours(champion: Floats, challenger: Floats) -> Floats:
    """Whether the product's rule promotes within the year; shape (years,)."""
    serving = Champion(champion, over_a_horizon(champion))
    none_before = np.zeros(len(champion), dtype=int)
    return serving.promotes(challenger, serving.compare(challenger), 1, none_before, promotion_tries.shared)


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


def rows_of(source: Cell | Residuals, shares: dict[tuple[str, str], float]) -> Iterator[dict[str, Any]]:
    """One row a rule."""
    for rule in RULES:
        yield {"errors": source.described, "years": YEARS, "rule": rule} | {
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
    cells = [
        Cell(phi, correlation, tails) for tails in ("normal", "heavy") for phi in PHIS for correlation in CORRELATIONS
    ]
    residuals = real_residuals(folder) if folder else []
    sources, tried = [*cells, *residuals], promotion_tries.sources(cells, residuals)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        shares = pool.map(partial(promoted_shares, years=YEARS), sources)
        of_tries = pool.map(promotion_tries.promoted_years, tried)
        rows = [row for source, found in zip(sources, shares, strict=True) for row in rows_of(source, found)]
        many = [
            row for years, found in zip(tried, of_tries, strict=True) for row in promotion_tries.rows_of(years, found)
        ]
    report("promotion", [*rows, *many], [*aims_of(rows), *promotion_tries.aims_of(many)])


if __name__ == "__main__":
    main()
