"""`make up`, part by part: how long after the start each answers, and the most memory it holds until that is served.

`make bench NAME=up`; `FULL=0` loads 200 days instead of 2,007. Memory is that of a part's processes together, pages
that several share counted in shares (PSS of Linux), read twice a second; `at rest` is read after the main job, when
nothing has been asked for a while. A run of Dagster's is a process of its own beside the code server that started it.
"""

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path

import psutil

from benchmarks.local_server import free_ports, open_directory
from benchmarks.results_file import report
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.main_job import MainJob
from forecasting_platform.local.platform import EmbeddedPlatform

FULL = os.environ.get("FULL", "1") != "0"
FIRST_DAY = date(2018, 1, 1)
DAYS = DateRange(FIRST_DAY, date(2023, 6, 30) if FULL else FIRST_DAY + timedelta(days=199))
LOOK_SECONDS, REST_SECONDS = 0.5, 30.0
MEGABYTE = 2**20
CODE_SERVER, RUNS = "Dagster's code server", "runs of Dagster"
SUPERVISOR = "the supervisor"


def memory(data_dir: Path) -> dict[str, float]:
    """Megabytes of each part now, its processes together."""
    recorded = json.loads((data_dir / "processes.json").read_text(encoding="utf-8"))
    parts = {process["pid"]: process["name"] for process in recorded}
    found: dict[str, float] = defaultdict(float)
    with suppress(psutil.NoSuchProcess):
        _add(psutil.Process(), SUPERVISOR, parts, found)
    return dict(found)


def _add(process: psutil.Process, part: str, parts: Mapping[int, str], found: dict[str, float]) -> None:
    """A process and its children; those of another part count there."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        own = parts.get(process.pid, part)
        found[own] += process.memory_full_info().pss / MEGABYTE
        for child in process.children():
            _add(child, RUNS if own == CODE_SERVER else own, parts, found)


@contextmanager
def peaks_of(data_dir: Path) -> Iterator[dict[str, float]]:
    """The most memory of each part while the block runs, filled in meanwhile."""
    peaks: dict[str, float] = {}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            with suppress(FileNotFoundError):
                for part, megabytes in memory(data_dir).items():
                    peaks[part] = max(peaks.get(part, 0.0), megabytes)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def main() -> None:
    """Run it and report."""
    with open_directory() as folder:
        data_dir = folder / "platform"
        began = time.monotonic()
        with EmbeddedPlatform(data_dir, free_ports(5)) as platform:
            with peaks_of(data_dir) as peaks:
                platform.start_services()
                job = MainJob(platform.dagster, platform.endpoints["app"], DAYS, lambda _line: None, platform.look)
                backfill_id = job.submit_load()
                platform.start_daemon()
                job.finish(backfill_id)
            served = time.monotonic() - began
            time.sleep(REST_SECONDS)
            at_rest, seconds = memory(data_dir), dict(platform.seconds)
    rows = [
        {
            "part": part,
            "answers after, s": seconds.get(part),
            "peak, MB": round(peaks[part]),
            "at rest, MB": round(at_rest.get(part, 0.0)),
        }
        for part in sorted(peaks, key=lambda part: seconds.get(part, served))
    ]
    total = {"part": f"until /predict answers, {len(DAYS)} days", "answers after, s": served}
    sums = {name: sum(row[name] for row in rows) for name in ("peak, MB", "at rest, MB")}
    report("up", [*rows, total | sums], [])


if __name__ == "__main__":
    main()
