"""How often control pages with nothing wrong, and how soon it pages when something is.

`make bench NAME=control`: ours, fixed thresholds and two peers on the same simulated streams. A cell is
a process of daily errors of variance one: AR(1) with normal or heavy-tailed innovations, or blocks of the
residuals of a real backtest (`DATA=folder of feeds`; the simulated supply without one). Each series
is given a reference of 640 days, as a model has of its backtest, and is then watched with nothing wrong,
and again from the day on which something changes. `FULL=0` is a small run.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import feeds
from benchmarks.control_peers import Streams, run_peers
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.monitoring.control.chart_learning import learn_references
from forecasting_platform.forecasting.monitoring.control.charts import (
    Chart,
    accumulate_evidence,
    excursion_peaks,
)
from forecasting_platform.forecasting.monitoring.control.references import BIAS, RMSE, daily_errors
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features

REFERENCE_DAYS, YEAR, SETTLED, WATCHED = 640, 365, 60, 240
REAL_BLOCK_DAYS = 91
BUDGET = 1.0
WEEK = 7

Process = Callable[[np.random.Generator, int, int], Floats]
"""From a generator, a number of paths and their days to streams of shape (paths, days)."""


@dataclass(frozen=True, slots=True)
class Change:
    """What goes wrong, and how soon it should be seen, where an aim was set."""

    family: str
    size: float

    def apply(self, stream: Floats) -> Floats:
        """The stream with the change from day `SETTLED` on."""
        changed = stream.copy()
        changed[..., SETTLED:] = (
            stream[..., SETTLED:] * self.size if self.family == "rmse" else stream[..., SETTLED:] + self.size
        )
        return changed

    def __str__(self) -> str:
        return f"{self.family} ×{self.size:g}" if self.family == "rmse" else f"{self.family} {self.size:g}σ"


PEER_CELLS = ("normal, φ=0.5", "normal, φ=0", "normal, φ=0.8")
CHARTS = {"bias": BIAS, "rmse": RMSE}
CHANGES = (Change("bias", 1.0), Change("bias", 1.5), Change("bias", 2.0), Change("rmse", 1.5), Change("rmse", 2.0))


def autoregressive(persistence: float, degrees: float = np.inf) -> Process:
    """AR(1) of variance one; innovations are Student's t with some degrees of freedom, or normal."""

    def draw(generator: np.random.Generator, paths: int, days: int) -> Floats:
        shape = (paths, days + 100)
        noise = (
            generator.standard_normal(shape)
            if np.isinf(degrees)
            else generator.standard_t(degrees, shape) / np.sqrt(degrees / (degrees - 2))
        )
        noise *= np.sqrt(1 - persistence**2)
        for day in range(1, shape[1]):
            noise[:, day] += persistence * noise[:, day - 1]
        return noise[:, 100:]

    return draw


def blocks_of(residuals: Floats) -> Process:
    """Quarters of real residuals in random order, in units of their standard deviation."""
    unit = residuals / residuals.std()

    def draw(generator: np.random.Generator, paths: int, days: int) -> Floats:
        count = -(-days // REAL_BLOCK_DAYS)
        starts = generator.integers(0, len(unit), (paths, count, 1))
        positions = (starts + np.arange(REAL_BLOCK_DAYS)) % len(unit)
        return unit[positions.reshape(paths, -1)[:, :days]]

    return draw


def real_residuals(folder: Path | None) -> Iterator[tuple[str, Floats]]:
    """Each series' daily errors in the backtest of the default recipe."""
    for feed, observations in feeds(folder):
        period = DateRange(observations["ds"].min().date(), observations["ds"].max().date())
        recipe = Recipe()
        trained = train(
            build_features(observations, period, recipe.country), period.end, recipe, code_version="benchmark"
        )
        for series, unique_id in enumerate(trained.results.unique_ids):
            yield f"{feed}: {unique_id}", daily_errors(trained.results, series)


def ours(chart: Chart, streams: Streams) -> dict[str, Any]:
    """Pages a series-year with nothing wrong, and median days to the first page after each change."""
    pages, years, delays = 0, 0.0, {str(change): [] for change in CHANGES if CHARTS[change.family].name == chart.name}
    for series, reference_stream in enumerate(streams.reference):
        (reference,) = learn_references(chart, [reference_stream], seed=series)
        if reference is None:
            continue
        threshold = reference.threshold(BUDGET)
        pages += int(
            (excursion_peaks(accumulate_evidence(chart, reference, streams.calm[series], threshold)) >= threshold).sum()
        )
        years += streams.calm[series].size / YEAR
        for change in CHANGES:
            if str(change) in delays:
                evidence = accumulate_evidence(chart, reference, change.apply(streams.before_change[series]), threshold)
                delays[str(change)] += map(first_page, evidence.max(axis=0) >= threshold)
    return {"pages": pages / years, **{name: median_delay(found) for name, found in delays.items()}}


def first_page(paging: np.ndarray) -> float:
    """Days from the change to the first page; NaN where one was open already, infinite without any."""
    if paging[:SETTLED].any():
        return float("nan")
    after = paging[SETTLED:]
    return float(after.argmax() + 1) if after.any() else float("inf")


def median_delay(delays: list[float]) -> float:
    """The median of those that had no page open before."""
    known = [delay for delay in delays if not np.isnan(delay)]
    return float(np.median(known)) if known else float("nan")


def fixed(family: str, streams: Streams) -> dict[str, Any]:
    """What many dashboards do: the 7-day mean beyond 3 standard errors, the 7-day RMSE beyond 1.5 times."""
    spread = streams.reference.std(axis=1)[:, None, None]

    def paging(paths: Floats) -> np.ndarray:
        weeks = np.lib.stride_tricks.sliding_window_view(paths, WEEK, axis=-1)
        week = (
            np.sqrt((weeks**2).mean(axis=-1)) / 1.5
            if family == "rmse"
            else np.abs(weeks.mean(axis=-1)) * np.sqrt(WEEK) / 3
        )
        beyond = week > spread
        return np.concatenate([np.zeros((*paths.shape[:-1], WEEK - 1), dtype=bool), beyond], axis=-1)

    calm = paging(streams.calm)
    starts = calm & ~np.concatenate([np.zeros((*calm.shape[:-1], 1), dtype=bool), calm[..., :-1]], axis=-1)
    found = {"pages": float(starts.sum() / (calm.size / YEAR))}
    for change in CHANGES:
        if change.family == family:
            paths = paging(change.apply(streams.before_change)).reshape(-1, SETTLED + WATCHED)
            found[str(change)] = median_delay([first_page(path) for path in paths])
    return found


def draw_streams(process: Process, series: int, years: int, seed: int) -> Streams:
    """References, calm years and paths to be changed, all apart."""
    generator = np.random.default_rng(seed)
    reference = process(generator, series, REFERENCE_DAYS)
    calm = process(generator, series * years, YEAR).reshape(series, years, YEAR)
    before = process(generator, series * years, SETTLED + WATCHED).reshape(series, years, -1)
    return Streams(reference, calm, before)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of JSON feeds")
    arguments = parser.parse_args()
    full = os.environ.get("FULL", "1") != "0"
    series, years = (250, 40) if full else (60, 5)
    cells: dict[str, Process] = {
        f"{tails}, φ={persistence:g}": autoregressive(persistence, degrees)
        for tails, degrees in (("normal", np.inf), ("heavy tails (t4)", 4.0))
        for persistence in (0.0, 0.5, 0.8)
    }
    cells |= {name: blocks_of(stream) for name, stream in real_residuals(arguments.data)}
    rows = []
    for number, (cell, process) in enumerate(cells.items()):
        streams = draw_streams(process, series, years, seed=number)
        for family, chart in CHARTS.items():
            rows.append(_row(cell, family, "ours", series * years, ours(chart, streams)))
            rows.append(_row(cell, family, "fixed thresholds", series * years, fixed(family, streams)))
        if cell in PEER_CELLS[: None if full else 1]:
            rows += [_row(cell, *found) for found in run_peers(streams, CHANGES, sampled=20 if full else 4)]
        print(f"{cell}: done", flush=True)
    report("control", rows, aims(rows))


def _row(cell: str, family: str, method: str, series_years: float, found: dict[str, Any]) -> dict[str, Any]:
    changes = {str(change): found.get(str(change)) for change in CHANGES}
    return {
        "cell": cell,
        "family": family,
        "method": method,
        "series-years": series_years,
        "false pages a year": found["pages"],
        **changes,
    }


def aims(rows: list[dict[str, Any]]) -> list[Aim]:
    """The aims of the project, each over the cells it was set for."""
    own = [row for row in rows if row["method"] == "ours"]
    normal = {(row["cell"], row["family"]): row for row in own if row["cell"].startswith("normal")}
    worst = max(own, key=lambda row: row["false pages a year"])
    found = [
        Aim(
            f"most false pages a year ({worst['cell']}, {worst['family']})",
            worst["false pages a year"],
            "<= 1",
            worst["false pages a year"] <= 1,
        )
    ]
    for cell, change, most in (
        ("φ=0.5", Change("bias", 1.5), 9),
        ("φ=0.8", Change("bias", 2.0), 10),
        *((f"φ={p}", Change("rmse", 1.5), 12) for p in ("0", "0.5", "0.8")),
    ):
        days = normal[f"normal, {cell}", change.family][str(change)]
        found.append(Aim(f"median days to {change}, {cell}", days, f"<= {most}", days <= most))
    return found


if __name__ == "__main__":
    main()
