"""Seconds a series and peak memory of training and forecasting, from one series to many, against the floor.

`make bench NAME=speed`: simulated daily series of 730 days. Measured of ours is everything a training does:
features, a backtest with its refits, weights, intervals, scores, and a forecast of 15 days, block by block.
The floor is the lag matrix and one least-squares solve a series. CPU seconds of one thread, so that a busy
machine blurs them less. Peers' seconds are those of `accuracy.json`, made by `peers.py`: fits of about 1,300
to 2,000 days, without any backtest. `FULL=0` stops at 1,000 series; sizes above `MEASURED` are extrapolated.
"""

import json
import os
import resource
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.results_file import RESULTS, Aim, report
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.features import build_features
from forecasting_platform.forecasting.recipe import Recipe
from forecasting_platform.forecasting.training import train

DAYS, HORIZON, BLOCK = 730, 15, 100
END = date(2023, 6, 30)
MEASURED = (1, 10, 100, 1_000) if os.environ.get("FULL", "1") == "0" else (1, 10, 100, 1_000, 10_000)
LARGEST = 100_000
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


def against_peers(a_series: float) -> list[Aim]:
    """Seconds of the peers' fits to ours, where `accuracy.json` has them."""
    path = RESULTS / "accuracy.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    found = []
    for peer, aim in (("AutoETS", 60), ("AutoARIMA", 500)):
        fits = [row["seconds a fit"] for row in rows if row.get("package") == peer]
        if fits:
            times = float(np.mean(fits)) / a_series
            found.append(Aim(f"times as fast as {peer}", times, f">= {aim}", times >= aim))
    return found


def main() -> None:
    """Measure and report."""
    with threadpool_limits(1):
        ours(simulated(2, 0))
        rows = [row(count, seconds(ours, count), seconds(floor, count), measured=True) for count in MEASURED]
    last = rows[-1]
    scale = LARGEST / last["series"]
    whole = last["ours, CPU seconds"] * scale
    rows.append(row(LARGEST, whole, last["floor, ms a series"] * LARGEST / 1e3, measured=False))
    aims = [
        Aim("to the floor, from 1,000 series on", last["to the floor"], "<= 3", last["to the floor"] <= 3),
        Aim("CPU minutes for 100,000 series, extrapolated", whole / 60, "<= 20", whole / 60 <= 20),
        *against_peers(last["ours, ms a series"] / 1e3),
    ]
    report("speed", rows, aims)


if __name__ == "__main__":
    main()
