"""What one process needs for a day's work on many series, at once and block by block: processor seconds and memory.

`make bench NAME=blocks`: learning of intervals from 135 days of forecasts of one version, and matching of one day's
forecasts of three versions with their actuals, each in a process of its own on frames that are made for it, without a
store. `FULL=0` takes a tenth of the series.
"""

import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.results_file import Aim, report
from benchmarks.stations import forget_peak, peak_mb
from forecasting_platform.forecasting.block_training import series_blocks
from forecasting_platform.forecasting.models.issuing import match_errors
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL
from forecasting_platform.forecasting.series.days.series_calendars import DAILY
from forecasting_platform.forecasting.series.frames import FORECASTS, HELD_OBSERVATIONS, OBSERVATIONS
from forecasting_platform.services.interval_widths import Learner, learn_block

LIVED_DAYS, HORIZON = 135, 15
TODAY = date(2023, 11, 12)
AT = datetime(2023, 12, 1, tzinfo=UTC)
SERIES = 1000 if os.environ.get("FULL", "1") != "0" else 100


def forecasts(names: Sequence[str], cutoffs: DateRange, versions: Sequence[str]) -> pd.DataFrame:
    """Rows of `FORECASTS`, all 1."""
    cutoff, step, version = (
        np.tile(of.ravel(), len(names))
        for of in np.meshgrid(
            pd.date_range(cutoffs.start, cutoffs.end).to_numpy(),
            np.arange(1, HORIZON + 1) * np.timedelta64(1, "D"),
            np.array(versions, dtype=object),
            indexing="ij",
        )
    )
    unique_id = np.repeat(np.array(names, dtype=object), len(cutoff) // len(names))
    numbers = dict.fromkeys((column.name for column in FORECASTS.columns if column.kind == "float"), 1.0)
    keys = {"unique_id": unique_id, "cutoff": cutoff, "ds": cutoff + step, "model_version": version}
    return pd.DataFrame(keys).assign(issued_at=AT, **numbers)[FORECASTS.column_names]


def values(names: Sequence[str], days: DateRange) -> pd.DataFrame:
    """Rows of `OBSERVATIONS`, all 1."""
    each = pd.MultiIndex.from_product([names, pd.date_range(days.start, days.end)], names=["unique_id", "ds"])
    return OBSERVATIONS.conform(each.to_frame(index=False).assign(y=1.0, available_at=AT))


def learn(names: Sequence[str]) -> Callable[[], object]:
    """Learns what the intervals of some series are by today."""
    days = DateRange(TODAY - timedelta(days=LIVED_DAYS), TODAY)
    return partial(
        learn_block,
        0,
        forecasts(names, days, ["1"]),
        values(names, days),
        HELD_OBSERVATIONS.empty(),
        learners=[Learner("1", days.start, DAILY, ALL_NORMAL)],
        period=days,
        days=np.array([TODAY], dtype="datetime64[D]"),
        blocks=[names],
    )


def match(names: Sequence[str]) -> Callable[[], object]:
    """Makes the errors of today of some series."""
    today = DateRange(TODAY, TODAY)
    cutoffs = DateRange(TODAY - timedelta(days=HORIZON), TODAY - timedelta(days=1))
    return partial(match_errors, forecasts(names, cutoffs, ["1", "2", "3"]), values(names, today), today)


def measured(work: Callable[[Sequence[str]], Callable[[], object]], series: int, block: int) -> dict[str, Any]:
    """One row: seconds without what makes the frames, and all memory but that of a process that has done nothing."""
    before, seconds, peak = peak_mb(), 0.0, 0
    for names in series_blocks((f"Series {number:05}" for number in range(series)), block):
        done = work(names)
        gc.collect()
        forget_peak()
        began = time.process_time()
        done()
        seconds += time.process_time() - began
        peak = max(peak, peak_mb())
    row = {"work": work.__name__, "series": series, "series_at_once": block}
    return row | {"cpu_seconds": round(seconds, 2), "memory_mb": peak - before}


def main() -> None:
    """Measure and report."""
    runs = [(learn, SERIES, SERIES), (learn, SERIES, 100), (learn, 2 * SERIES, 100), (match, 10 * SERIES, 10 * SERIES)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        rows = [pool.submit(partial(measured, *run)).result() for run in runs]
    most = max(row["memory_mb"] for row in rows if row["series_at_once"] == 100 or row["work"] == "match")
    report("blocks", rows, [Aim("megabytes of one process, in blocks or of one day", most, "<= 4000", most <= 4000)])


if __name__ == "__main__":
    main()
