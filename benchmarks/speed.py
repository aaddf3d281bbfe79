"""Seconds a series and peak memory of training and forecasting, from one series to many, against the floor.

`make bench NAME=speed`: simulated daily series of 730 days. Measured of ours is everything a training does:
features, a backtest with its refits, weights, intervals, scores, and a forecast of 15 days, block by block; what
control learns besides has a line of its own.
The floor is the lag matrix and one least-squares solve a series. CPU seconds of one thread, so that a busy
machine blurs them less. Peers (`peers.py`, in their own environment) fit series of the same kind once, without any
backtest. In full it takes a quarter of an hour; `FULL=0` stops at 1,000 series, and the largest size is extrapolated.
"""

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.accuracy import peers_python
from benchmarks.environments import HERE
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.monitoring.control.references import control_document
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features

DAYS, HORIZON, BLOCK = 730, 15, 100
END = date(2023, 6, 30)
LARGEST = 100_000
MEASURED = (1, 10, 100, 1_000) if os.environ.get("FULL", "1") == "0" else (1, 10, 100, 1_000, 10_000, LARGEST)
PEERS, PEER_SERIES = ("AutoETS", "AutoTheta", "Prophet", "AutoARIMA"), 3
AIMS = {"AutoETS": 60, "AutoARIMA": 500}
RECIPE = Recipe(backtest_days=DAYS // 2, refit_days=52)  # seven windows of evaluation


def simulated(count: int, seed: int) -> pd.DataFrame:
    """Observations of seasonal series with correlated noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(DAYS)
    season = 20 * np.cos(2 * np.pi * t / 365.25) - 15 * (t % 7 >= 5)
    noise = rng.normal(0, 5, (count, DAYS))
    y = 100 + season + noise + 0.5 * np.roll(noise, 1, axis=1)
    ds = pd.date_range(end=pd.Timestamp(END), periods=DAYS)
    names = [f"{seed:06d}/{n:03d}" for n in range(count)]
    return pd.DataFrame({"unique_id": np.repeat(names, DAYS), "ds": np.tile(ds, count), "y": y.ravel()})


def ours(observations: pd.DataFrame) -> None:
    """Everything from observations to forecasts with intervals."""
    period = DateRange(END - timedelta(days=DAYS - 1), END)
    model = train(build_features(observations, period, RECIPE.country), END, RECIPE, code_version="benchmark").model
    model.predict(model.inputs([END + timedelta(days=step) for step in range(1, HORIZON + 1)]))


def control_seconds(observations: pd.DataFrame) -> float:
    """CPU seconds of what alerts compare with: thresholds and days to detect of five charts a series."""
    period = DateRange(END - timedelta(days=DAYS - 1), END)
    features = build_features(observations, period, RECIPE.country)
    training = train(features, END, RECIPE, code_version="benchmark")
    began = time.process_time()
    control_document(training.results, training.panel)
    return time.process_time() - began


def floor(observations: pd.DataFrame) -> None:
    """Fourteen lags and one least-squares solve for 15 steps, series by series."""
    for y in observations["y"].to_numpy().reshape(-1, DAYS):
        windows = np.lib.stride_tricks.sliding_window_view(y, 14 + HORIZON)
        columns = np.column_stack([windows[:, :14], np.ones(len(windows))])
        np.linalg.solve(columns.T @ columns, columns.T @ windows[:, 14:])


def seconds(work: Callable[[pd.DataFrame], None], count: int) -> float:
    """CPU seconds for so many series, in blocks; making them is no part of it."""
    total = 0.0
    for seed, start in enumerate(range(0, count, BLOCK)):
        observations = simulated(min(BLOCK, count - start), seed)
        began = time.process_time()
        work(observations)
        total += time.process_time() - began
    return total


def row(count: int, own: float, least: float, *, measured: bool) -> dict[str, Any]:
    """One line of the table."""
    return {
        "series": count,
        "measured": measured,
        "ours, CPU seconds": own,
        "ours, ms a series": 1e3 * own / count,
        "floor, ms a series": 1e3 * least / count,
        "to the floor": own / least,
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 if measured else None,
    }


def peers() -> list[dict[str, Any]]:
    """One line a peer: CPU seconds of a fit with its forecast of the same kind of series, as its package does it."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "series.csv", Path(folder) / "forecasts.csv"
        series = simulated(PEER_SERIES, 0)
        is_cutoff = series["ds"] == series["ds"].max()
        series.assign(country=RECIPE.country, is_cutoff=is_cutoff).to_csv(source, index=False)
        rows = []
        for peer in PEERS:
            command = [peers_python(), HERE / "peers.py", peer, source, target]
            subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
            seconds = pd.read_csv(target).groupby("unique_id")["seconds"].first()
            rows.append({"package": peer, "fits": len(seconds), "ms a series": 1e3 * float(seconds.mean())})
    return rows


def main() -> None:
    """Measure and report."""
    with threadpool_limits(1):
        ours(simulated(2, 0))
        references = control_seconds(simulated(BLOCK, 1))
        rows = [row(count, seconds(ours, count), seconds(floor, count), measured=True) for count in MEASURED]
    last = rows[-1]
    whole = last["ours, ms a series"] * LARGEST / 1e3
    if last["series"] < LARGEST:
        rows.append(row(LARGEST, whole, last["floor, ms a series"] * LARGEST / 1e3, measured=False))
    others = peers()
    times = {row["package"]: row["ms a series"] / last["ours, ms a series"] for row in others}
    aims = [
        Aim("to the floor, from 1,000 series on", last["to the floor"], "<= 3", last["to the floor"] <= 3),
        Aim("CPU minutes for 100,000 series", whole / 60, "<= 20", whole / 60 <= 20),
        *(Aim(f"times as fast as {name}", times[name], f">= {aim}", times[name] >= aim) for name, aim in AIMS.items()),
    ]
    extra = {"what": "control's references, besides", "ms a series": 1e3 * references / BLOCK}
    report("speed", [*rows, extra, *others], aims)


if __name__ == "__main__":
    main()
