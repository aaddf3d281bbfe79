"""Loading and reading through the Spark store, against a bare Parquet write of the same rows.

`make bench NAME=spark_load`: 20 series × 2,007 days, and 1,000 series too unless `FULL=0`. The session is
started and has run one load before anything is timed; what that cost is a row of its own.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from benchmarks.results_file import Aim, report
from forecasting_platform.adapters.spark.arrow_frames import to_arrow
from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import OBSERVATIONS

DAYS = DateRange(date(2018, 1, 1), date(2023, 6, 30))
FIRST_LOAD = datetime(2024, 1, 1, tzinfo=UTC)


def rows(full: bool) -> Iterator[dict[str, Any]]:
    """One row for each size: seconds by step, and the floor."""
    with tempfile.TemporaryDirectory(prefix="spark-load-") as folder:
        options = SparkOptions(folder, conf={"spark.driver.memory": "3g", "spark.driver.maxResultSize": "2g"})
        started = _seconds(lambda: _warm_up(SparkTableStore(options, database="warm_up")))
        for series in (20, 1000) if full else (20,):
            store = SparkTableStore(options, database=f"load_{series}")
            store.prepare()
            yield {**_measure(store, _observations(series), Path(folder)), "start and first load": started}


def _warm_up(store: SparkTableStore) -> None:
    store.prepare()
    store.record_observations(_observations(1), DAYS, available_at=FIRST_LOAD)
    store.read_observations(DAYS)


def _measure(store: SparkTableStore, observations: pd.DataFrame, folder: Path) -> dict[str, Any]:
    newest = observations[observations["ds"] == pd.Timestamp(DAYS.end)]
    revised = newest.assign(y=newest["y"] + 1)
    day = DateRange(DAYS.end, DAYS.end)

    def load(loaded: pd.DataFrame, period: DateRange, hours: int) -> float:
        moment = FIRST_LOAD + timedelta(hours=hours)
        return _seconds(lambda: store.record_observations(loaded, period, available_at=moment))

    bare = to_arrow(OBSERVATIONS.columns, observations.assign(available_at=pd.Timestamp(FIRST_LOAD)))
    seconds = {
        "bare Parquet write": _seconds(lambda: pq.write_table(bare, folder / "bare.parquet")),
        "load": load(observations, DAYS, 0),
        "reload unchanged": load(observations, DAYS, 1),
        "one day revised": load(revised, day, 2),
        "read back": _seconds(lambda: store.read_observations(DAYS)),
        "bare Parquet read": _seconds(lambda: pq.read_table(folder / "bare.parquet").to_pandas()),
    }
    return {"rows": len(observations), **{name: round(value, 3) for name, value in seconds.items()}}


def _observations(series: int) -> pd.DataFrame:
    days = pd.date_range(DAYS.start, DAYS.end)
    names = np.repeat([f"series {number:04}" for number in range(series)], len(days)).astype(object)
    values = np.random.default_rng(2026).normal(100, 10, len(names))
    return pd.DataFrame({"unique_id": names, "ds": np.tile(days.to_numpy(), series), "y": values})


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    """Measure and report."""
    found = list(rows(full=os.environ.get("FULL", "1") != "0"))
    share = max(row["bare Parquet write"] / row["load"] for row in found)
    reload_share = max(row["reload unchanged"] / row["load"] for row in found)
    aims = [
        Aim("load to a bare Parquet write (share of its speed, best size)", share, ">= 0.5", share >= 0.5),
        Aim("reload unchanged to load (worst size)", reload_share, "<= 1", reload_share <= 1),
    ]
    report("spark_load", found, aims)


if __name__ == "__main__":
    main()
