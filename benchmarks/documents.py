"""Reading documents of a feed: ours, `pandas.read_csv` as the peer, and Arrow's reader as the floor.

`make bench NAME=documents`. Seconds are of the processor, the least of some rounds, all in one run. The peer and the
floor read a table and stop there; ours knows the day of each row, judges it, and gives one value a series and day.
"""

import io
import os
import resource
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from pyarrow import csv as arrow_csv

from benchmarks.results_file import Aim, report
from forecasting_platform.adapters.feeds.documents.feed_document import read_document
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange

FULL = os.environ.get("FULL", "1") != "0"
FIRST = date(2018, 1, 1)
LONG_SERIES, LONG_DAYS = (1000 if FULL else 100), 2000
DEFAULT_DAYS = 2007
MAX_TIMES_PANDAS = 3.0
DEFAULT = FeedDescription.of_default_shape("http://feed", "dd/mm/yyyy")
LONG = FeedDescription.model_validate(
    {"source": {"url": "http://feed"}, "day": {"column": "day"}, "long": {"series": "store", "value": "sales"}}
)


def wide(series: int, days: int, *, as_json: bool) -> bytes:
    """A document of the default shape."""
    rng = np.random.default_rng(7)
    written = [f"{FIRST + timedelta(days=day):%d/%m/%Y}" for day in range(days)]
    frame = pd.DataFrame(rng.normal(100, 20, (days, series)).round(6), columns=[f"series {n}" for n in range(series)])
    frame.insert(0, "Date", written)
    return (frame.to_json(orient="records") if as_json else frame.to_csv(index=False)).encode()


def long(series: int, days: int) -> bytes:
    """A row a series and day, the series one after the other."""
    rng = np.random.default_rng(7)
    written = [(FIRST + timedelta(days=day)).isoformat() for day in range(days)]
    frame = pd.DataFrame(
        {
            "store": np.repeat([f"store {n}" for n in range(series)], days),
            "day": np.tile(written, series),
            "sales": rng.normal(100, 20, series * days).round(3),
        }
    )
    return frame.to_csv(index=False).encode()


def _seconds(work: Callable[[], object], rounds: int) -> float:
    found = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def measure(name: str, content: bytes, description: FeedDescription, days: DateRange, rounds: int) -> dict[str, Any]:
    """One document, read for some days."""
    is_json = content.startswith(b"[")

    def ours() -> int:
        document = read_document(
            content,
            description=description,
            content_type="application/json" if is_json else "text/csv",
            source="feed",
            fetched_at=datetime(2024, 1, 1, tzinfo=UTC),
            period=days,
        )
        return len(document.observations)

    seconds = _seconds(ours, rounds)
    peer = float("nan") if is_json else _seconds(lambda: pd.read_csv(io.BytesIO(content)), rounds)
    floor = float("nan") if is_json else _seconds(lambda: arrow_csv.read_csv(io.BytesIO(content)), rounds)
    return {
        "document": name,
        "megabytes": round(len(content) / 1e6, 2),
        "values": ours(),
        "seconds": round(seconds, 4),
        "pandas": round(peer, 4),
        "arrow": round(floor, 4),
        "times pandas": round(seconds / peer, 2),
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Measure and report."""
    whole = DateRange(FIRST, date(2023, 12, 31))
    one_day = DateRange(date(2023, 6, 30), date(2023, 6, 30))
    rows = []
    for kind in ("JSON", "CSV"):
        content = wide(5, DEFAULT_DAYS, as_json=kind == "JSON")
        rows.append(measure(f"default shape, {kind}, all days", content, DEFAULT, whole, 15))
        rows.append(measure(f"default shape, {kind}, one day", content, DEFAULT, one_day, 15))
    rows.append(measure("20,000 columns, one day", wide(20_000, 1, as_json=False), DEFAULT, whole, 3))
    rows.append(measure("1,000 columns, all days", wide(1000, DEFAULT_DAYS, as_json=False), DEFAULT, whole, 2))
    rows.append(measure("long", long(LONG_SERIES, LONG_DAYS), LONG, whole, 3))
    ratio = rows[-1]["times pandas"]
    report(
        "documents", rows, [Aim("long CSV, times pandas", ratio, f"<= {MAX_TIMES_PANDAS}", ratio <= MAX_TIMES_PANDAS)]
    )


if __name__ == "__main__":
    main()
