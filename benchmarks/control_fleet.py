"""Whether a platform of many series keeps its one budget of false pages, and what that costs in days.

`make bench NAME=control_fleet`: platforms of 1 to 10,000 series on the streams of `benchmarks.control`, and on errors
half of which all series have in common. Each series is given a reference of 640 days and watched for years with nothing
wrong: each page is false. `FULL=0` is a small run; `DATA=folder of feeds` adds blocks of real residuals.

Beside ours: the budget divided by the series, each threshold learnt from its series alone, and averaged e-detectors of
Shiryaev and Roberts (Shin, Ramdas & Rinaldo 2022, doi:10.48550/arXiv.2203.03532), whose likelihood ratios take errors
for normal; and the floor that no chart is below (`benchmarks.control_floor`). Days to detect are of one series that
changes; the others are calm.
"""

import argparse
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.control import (
    CHANGES,
    CHARTS,
    REFERENCE_DAYS,
    SETTLED,
    WATCHED,
    YEAR,
    Process,
    autoregressive,
    blocks_of,
    first_page,
    median_delay,
    real_residuals,
)
from benchmarks.control_e_detectors import count_e_pages, e_detectors
from benchmarks.control_floor import floor_of
from benchmarks.results_file import Aim, report, write_results
from forecasting_platform.forecasting.monitoring.control.chart_learning import learn_references
from forecasting_platform.forecasting.monitoring.control.charts import (
    Chart,
    Reference,
    cusum,
    raw_scores,
    whiten,
)
from forecasting_platform.forecasting.monitoring.control.judging import Streams, judge_streams
from forecasting_platform.forecasting.monitoring.control.shared_budget import TOGETHER_DAYS, share_budget
from forecasting_platform.forecasting.series.arrays import Floats

BUDGET = 1.0
SIZES = (1, 10, 100, 1000, 10000)
LARGE_CELLS = ("normal, φ=0.5",)
CHANGED_SERIES, PATHS = 60, 6
E_YEARS = 2
OURS, DIVIDED, E_DETECTOR, FLOOR = "ours", "divided, each series alone", "averaged e-detectors", "floor"
METHODS = (OURS, DIVIDED, E_DETECTOR)
FLOORS = {"normal, φ=0": 0.0, "normal, φ=0.5": 0.5, "normal, φ=0.8": 0.8}


def half_in_common(persistence: float) -> Process:
    """Normal errors of variance one, half of which is the same in all series of a day."""
    own = autoregressive(persistence)

    def draw(generator: np.random.Generator, paths: int, days: int) -> Floats:
        return np.sqrt(0.5) * (own(generator, paths, days) + own(generator, 1, days))

    return draw


@dataclass(frozen=True, slots=True)
class Fleet:
    """Series with their references, and how evidence against each is computed."""

    chart: Chart
    references: list[Reference]

    def innovations(self, streams: Floats) -> Floats:
        """Of streams of shape (S, T), or (S, P, T)."""
        shape = (-1,) + (1,) * (streams.ndim - 1)
        centre, persistence, spread = (self._each(name).reshape(shape) for name in ("centre", "persistence", "spread"))
        return whiten(streams - centre, persistence, spread)

    def evidence(self, streams: Floats) -> Floats:
        """Shape (sides, S, ..., T)."""
        shape = (-1,) + (1,) * (streams.ndim - 1)
        mean, spread = (self._each(name).reshape(shape) for name in ("score_mean", "score_spread"))
        scores = (raw_scores(self.chart, self.innovations(streams)) - mean) / spread
        return cusum(scores, self.chart, self._each("allowance").reshape(shape[:-1]))

    def divided(self, size: int) -> Floats:
        """Each series' own threshold for its part of the budget, without the others."""
        return np.array([of.threshold(BUDGET / size) for of in self.references])

    def _each(self, name: str) -> Floats:
        return np.array([getattr(reference, name) for reference in self.references])


@dataclass(frozen=True, slots=True)
class Stretches:
    """Stretches of evidence: series, day of their begin, and peak."""

    series: np.ndarray
    begins: np.ndarray
    peaks: Floats

    def of(self, chosen: np.ndarray) -> "Stretches":
        """The chosen ones."""
        return Stretches(self.series[chosen], self.begins[chosen], self.peaks[chosen])


def stretches_of(evidence: Floats, least: Floats) -> Stretches:
    """Of evidence (sides, S, T), those whose peak is above the least of their series."""
    sides, series, days = evidence.shape
    flat = np.concatenate([np.zeros((sides, series, 1)), evidence], axis=-1).ravel()
    starts = np.flatnonzero(flat == 0)
    peaks = np.maximum.reduceat(flat, starts)
    own = starts // (days + 1) % series
    high = peaks > least[own]
    return Stretches(own[high], starts[high] % (days + 1), peaks[high])


def count_together(found: Stretches, thresholds: Floats, many: int) -> int:
    """How often so many series reach their thresholds by evidence that begins within a week."""
    reached = found.peaks >= thresholds[found.series]
    by_day = np.bincount(found.begins[reached], minlength=YEAR + 1 + TOGETHER_DAYS)
    within = np.convolve(by_day, np.ones(TOGETHER_DAYS, dtype=int))[: len(by_day)] >= many
    return int(np.count_nonzero(np.diff(within.astype(int), prepend=0) == 1))


def measure(
    process: Process, chart: Chart, series: int, years: int, seed: int, methods: Sequence[str] = METHODS
) -> Iterator[dict[str, Any]]:
    """A row a method and size of platform."""
    generator = np.random.default_rng(seed)
    learnt = learn_references(chart, list(process(generator, series, REFERENCE_DAYS)), seed=seed)
    fleet = Fleet(chart, [of for of in learnt if of is not None])
    sizes = [size for size in SIZES if size <= len(fleet.references)]
    parts = {size: _thresholds(fleet, size) for size in sizes}
    pages = {(method, size): 0 for method in methods for size in sizes}
    together = dict.fromkeys(sizes, 0)
    least = np.array([of.heights[-1] for of in fleet.references])
    for year in range(years):
        streams = process(generator, len(fleet.references), YEAR)
        found, innovations = stretches_of(fleet.evidence(streams), least), fleet.innovations(streams)
        for size, (alone, at_once, many) in parts.items():
            whole = len(alone)
            inside = found.of(found.series < whole)
            pages[OURS, size] += int((inside.peaks >= alone[inside.series]).sum())
            if DIVIDED in methods:
                pages[DIVIDED, size] += int((inside.peaks >= fleet.divided(size)[inside.series]).sum())
            if E_DETECTOR in methods and year < E_YEARS:
                pages[E_DETECTOR, size] += count_e_pages(chart, innovations[:whole], size, YEAR / BUDGET)
            for start in range(0, whole if many <= size else 0, size):
                one = inside.of((inside.series >= start) & (inside.series < start + size))
                together[size] += count_together(one, at_once, many)
    delays = dict(_delays(fleet, process, parts, generator))
    for (method, size), count in pages.items():
        platform_years = len(parts[size][0]) // size * (min(years, E_YEARS) if method == E_DETECTOR else years)
        yield {
            "method": method,
            "series": size,
            "platform-years": platform_years,
            "false pages a year": count / platform_years,
            "of many at once": together[size] / platform_years if method == OURS else None,
            **{str(change): delays.get((method, size, str(change))) for change in CHANGES},
        }


def floor_rows(cell: str) -> Iterator[dict[str, Any]]:
    """The floor of a cell whose errors are normal, a row a size; none of another."""
    if cell not in FLOORS:
        return
    found = {str(change): dict(floor_of(FLOORS[cell], change, SIZES)) for change in CHANGES}
    for size in SIZES:
        days = {name: of_size[size] for name, of_size in found.items()}
        empty = dict.fromkeys(("platform-years", "false pages a year", "of many at once"))
        yield {"cell": cell, "family": "", "method": FLOOR, "series": size, **empty, **days}


def _thresholds(fleet: Fleet, size: int) -> tuple[Floats, Floats, int]:
    """Of whole platforms of a size, each by its own series: alone, together, and how many are many."""
    whole = len(fleet.references) // size * size
    shared = [
        share_budget(fleet.references[start : start + size], np.ones(size), BUDGET) for start in range(0, whole, size)
    ]
    alone, together = (np.concatenate([getattr(of, name) for of in shared]) for name in ("alone", "together"))
    return alone, together, shared[0].many


def _delays(
    fleet: Fleet, process: Process, parts: dict[int, tuple[Floats, Floats, int]], generator: np.random.Generator
) -> Iterator[tuple[tuple[str, int, str], float]]:
    """Median days to the page of one series that changes, by method, size and change."""
    some = Fleet(fleet.chart, fleet.references[:CHANGED_SERIES])
    count = len(some.references)
    before = process(generator, count * PATHS, SETTLED + WATCHED).reshape(count, PATHS, -1)
    for change in (each for each in CHANGES if CHARTS[each.family].name == fleet.chart.name):
        streams = change.apply(before)
        evidence = some.evidence(streams).max(axis=0)
        values = e_detectors(some.chart, some.innovations(streams))
        for size, (alone, *_) in parts.items():
            for method, reached in (
                (OURS, evidence >= alone[:count, None, None]),
                (DIVIDED, evidence >= some.divided(size)[:, None, None]),
                (E_DETECTOR, values >= YEAR / BUDGET * size),
            ):
                paths = reached.reshape(-1, reached.shape[-1])
                yield (method, size, str(change)), median_delay([first_page(path) for path in paths])


def false_shares(process: Process, series: int, seed: int) -> Iterator[dict[str, Any]]:
    """Of the series that are named after a share of them changes by 1.5σ, the share that did not."""
    generator, chart = np.random.default_rng(seed), CHARTS["bias"]
    learnt = learn_references(chart, list(process(generator, series, REFERENCE_DAYS)), seed=seed)
    for share in (0.01, 0.05, 0.2, 0.5):
        changed, days = int(share * series), 90
        streams = process(generator, series, days)
        streams[:changed, SETTLED:] += 1.5
        for after in (5, 10, 20, 30):
            until = SETTLED + after
            report_of = judge_streams("bias", chart, _streams(streams[:, :until], learnt), pages_a_year=BUDGET)
            bad = np.flatnonzero(report_of.series["state"] == "bad")
            yield {
                "changed": share,
                "days after": after,
                "named": len(bad),
                "of those changed": round(float((bad < changed).sum() / max(changed, 1)), 3),
                "false share of named": round(float((bad >= changed).sum() / max(len(bad), 1)), 4),
            }


def _streams(values: Floats, references: list[Reference | None]) -> Streams:
    series, day = np.divmod(np.arange(values.size), values.shape[1])
    names = [f"s{number:05}" for number in range(len(values))]
    days = np.datetime64("2023-01-01") + day
    measures = np.zeros((len(values), 3))
    return Streams(names, series, days, values.ravel(), references, measures, [""] * len(values))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of JSON feeds")
    parser.add_argument("--series", type=int, help="of each cell; 1,000 by default, and 10,000 of the large ones")
    parser.add_argument("--years", type=int, help="of each platform; 20 by default, and 5 of the large ones")
    parser.add_argument("--cells", nargs="+", help="only these")
    parser.add_argument("--ours", action="store_true", help="without the methods that ours is held against")
    arguments = parser.parse_args()
    full = os.environ.get("FULL", "1") != "0"
    cells: dict[str, Process] = {
        f"{tails}, φ={persistence:g}": autoregressive(persistence, degrees)
        for tails, degrees in (("normal", np.inf), ("heavy tails (t4)", 4.0))
        for persistence in (0.0, 0.5, 0.8)
    }
    cells["half in common, φ=0.5"] = half_in_common(0.5)
    cells |= {name: blocks_of(stream) for name, stream in real_residuals(arguments.data)}
    rows: list[dict[str, Any]] = []
    # The large ones last, so that a run which is broken off has most cells.
    for number, (cell, process) in sorted(enumerate(cells.items()), key=lambda each: each[1][0] in LARGE_CELLS):
        if arguments.cells and cell not in arguments.cells:
            continue
        series, years = (10000, 5) if cell in LARGE_CELLS else (1000, 20)
        series, years = (arguments.series or series, arguments.years or years) if full else (100, 5)
        for family, chart in CHARTS.items():
            found = measure(process, chart, series, years, number, (OURS,) if arguments.ours else METHODS)
            rows += [{"cell": cell, "family": family} | row for row in found]
        rows += floor_rows(cell)
        write_results("control_fleet", rows, list(aims(rows, [])))
        print(f"{cell}: done", flush=True)
    shares = [
        {"cell": cell} | row
        for cell in ("normal, φ=0.5", "half in common, φ=0.5")
        if not arguments.cells
        for row in false_shares(cells[cell], (arguments.series or 1000) if full else 100, seed=99)
    ]
    report("control_fleet", [*rows, *shares], list(aims(rows, shares)))


def aims(rows: list[dict[str, Any]], shares: list[dict[str, Any]]) -> Iterator[Aim]:
    """The aims of the project."""
    own = [row for row in rows if row["method"] == OURS]
    for size in sorted({row["series"] for row in own}):
        worst = max((row for row in own if row["series"] == size), key=_all_pages)
        pages = round(_all_pages(worst), 3)
        yield Aim(
            f"most false pages a year, {size} series ({worst['cell']}, {worst['family']})", pages, "<= 1", pages <= 1
        )
    largest = max(size for size in {row["series"] for row in own} if size <= 1000)
    days = {(row["cell"], row["family"], row["series"]): row for row in own}
    normal = [cell for cell in dict.fromkeys(row["cell"] for row in own) if cell.startswith("normal")]
    floor = {(row["cell"], row["series"]): row for row in rows if row["method"] == FLOOR}
    for cell, change in itertools.product(normal, CHANGES):
        alone, among = (days[cell, change.family, size][str(change)] for size in (1, largest))
        ratio, least = round(among / alone, 2), round(floor[cell, largest][str(change)] / alone, 2)
        name = f"days to {change} of one among {largest}, of those alone ({cell}; no chart below {least})"
        yield Aim(name, ratio, "<= 2", ratio <= 2)
    if shares:
        share = max(row["false share of named"] for row in shares)
        yield Aim("largest false share of the named series", share, "<= 0.1", share <= 0.1)


def _all_pages(row: dict[str, Any]) -> float:
    return float(row["false pages a year"] + row["of many at once"])


if __name__ == "__main__":
    main()
