"""Whether the budget of false pages also holds where nothing was chosen by its figures.

`make bench NAME=control_fresh_cells`: platforms of 1 to 1,000 series as in `benchmarks.control_fleet`, two draws of
each cell. No constant of the charts or of the shared budget was chosen by these cells: other persistence, other tails,
skewed errors, series that all differ, and more or less in common. `FULL=0` is a small run.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.control import CHARTS, Process, autoregressive
from benchmarks.control_fleet import OURS, half_in_common, measure
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.series.arrays import Floats

FULL = os.environ.get("FULL", "1") != "0"
SERIES, YEARS, DRAWS = (1000, 10, (11, 12)) if FULL else (100, 2, (11,))


def lognormal(persistence: float) -> Process:
    """Exponentials of half an AR(1), of mean zero and variance one: their skewness is 1.75."""
    own, spread = autoregressive(persistence), 0.5

    def draw(generator: np.random.Generator, paths: int, days: int) -> Floats:
        errors = np.exp(spread * own(generator, paths, days)) - np.exp(spread**2 / 2)
        return np.asarray(errors / np.sqrt(np.expm1(spread**2) * np.exp(spread**2)))

    return draw


def unlike_each_other(generator: np.random.Generator, paths: int, days: int) -> Floats:
    """Series of a persistence from 0 to 0.85 each, and tails of a t with 4, 6 or endless degrees of freedom.

    They are the same series whenever they are drawn.
    """
    fixed = np.random.default_rng(99)
    kinds = zip(fixed.uniform(0, 0.85, paths), fixed.choice([4.0, 6.0, np.inf], paths), strict=True)
    return np.concatenate([autoregressive(persistence, degrees)(generator, 1, days) for persistence, degrees in kinds])


CELLS: dict[str, Process] = {
    "normal, φ=0.3": autoregressive(0.3),
    "normal, φ=0.65": autoregressive(0.65),
    "normal, φ=0.9": autoregressive(0.9),
    "t5, φ=0.3": autoregressive(0.3, 5.0),
    "t3.5, φ=0.6": autoregressive(0.6, 3.5),
    "lognormal, φ=0.5": lognormal(0.5),
    "half in common, φ=0": half_in_common(0.0),
    "half in common, φ=0.7": half_in_common(0.7),
    "each series another": unlike_each_other,
}


def rows() -> Iterator[dict[str, Any]]:
    """A row a cell, family, draw and size."""
    for cell, process in CELLS.items():
        for family, chart in CHARTS.items():
            for draw in DRAWS:
                for found in measure(process, chart, SERIES, YEARS, draw, (OURS,)):
                    pages = {name: found[name] for name in ("series", "false pages a year", "of many at once")}
                    yield {"cell": cell, "family": family, "draw": draw} | pages
        print(f"{cell}: done", flush=True)


def aims(found: list[dict[str, Any]]) -> Iterator[Aim]:
    """The budget of one page a year, at every size."""
    for size in sorted({row["series"] for row in found}):
        pages = max(row["false pages a year"] + row["of many at once"] for row in found if row["series"] == size)
        yield Aim(f"most false pages a year, {size} series", round(pages, 3), "<= 1", pages <= 1)


def main() -> None:
    """Measure all cells."""
    found = list(rows())
    report("control_fresh_cells", found, list(aims(found)))


if __name__ == "__main__":
    main()
