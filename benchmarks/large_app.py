"""The app with thousands of series: memory, what a swap of the champion costs those who wait, and each question's time.

`make bench NAME=large_app` (`FULL=0`: 500 series). The champion has 200 trained series over and over under other names.
The app runs as it is deployed, except that its registry is a folder with two versions; Postgres holds 60 days of
values, a day of features and forecasts. A pause is the most processor time that the app's process took between two
turns of a thread that wants one each millisecond, or the time between them less that in which the thread was ready and
other programs had the processors, where this is less. Times of questions are medians of five.
"""

import os
import statistics
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import requests

from benchmarks.large_app_server import FOLDER, PAUSE_FILE
from benchmarks.local_server import free_ports, open_directory
from benchmarks.results_file import Aim, report
from benchmarks.speed import DAYS, END, RECIPE, simulated
from forecasting_platform.adapters.model_artifact import write_artifact
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.block_training import train_block
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.local.processes import ChildProcess, Program

FULL = os.environ.get("FULL", "1") != "0"
SERIES, TRAINED = (10_000, 200) if FULL else (500, 50)
STORED_DAYS = 60
SWAPS = 6
START = (
    "from forecasting_platform.settings import Settings; from serve.http.server import server; "
    "server(Settings(), 'benchmarks.large_app_server:serving').serve()"
)
"""`python -m serve` with another app; the process that starts the one that answers imports as little."""


def many_names(model: ForecastModel, names: list[str]) -> ForecastModel:
    """A model of these names: the series of the given one, again and again."""
    taken = model.take(np.arange(len(names)) % len(model.unique_ids))
    of_series, control = (
        {name: known["series"][own] for name, own in zip(names, taken.unique_ids, strict=True)}
        for known in (model.metadata, model.metadata["control"])
    )
    metadata = model.metadata | {"series": of_series, "control": model.metadata["control"] | {"series": control}}
    return replace(taken, unique_ids=tuple(names), metadata=metadata)


def fill(folder: Path, dsn: str) -> list[str]:
    """Write two versions and fill the store; the series."""
    names = [f"shop {n:05d} / item" for n in range(SERIES)]
    period = DateRange(END - timedelta(days=DAYS - 1), END)
    features = build_features(simulated(TRAINED, 0), period, RECIPE.country)
    trained = train_block(features, period, RECIPE, code_version="benchmark", with_plots=False)
    model = many_names(trained.model, names)
    for version in ("1", "2"):
        write_artifact(
            replace(model, weights=model.weights[::-1].copy()) if version == "2" else model, folder / version
        )
    (folder / "champion").write_text("1", encoding="utf-8")
    store = PostgresTableStore(dsn)
    store.prepare()
    with closing(PostgresLedger(dsn)) as ledger:
        ledger.prepare()
    stored = DateRange(END - timedelta(days=STORED_DAYS - 1), END)
    recent = features[features["ds"] >= pd.Timestamp(stored.start)]
    own = dict([*recent.groupby("unique_id")])
    series = list(own)
    rows = pd.concat([own[series[n % TRAINED]].assign(unique_id=name) for n, name in enumerate(names)])
    store.record_observations(rows[["unique_id", "ds", "y"]], stored, available_at=datetime.now(UTC))
    newest = DateRange(END, END)
    store.replace(FEATURE_TABLE, rows[rows["ds"] == pd.Timestamp(END)], newest)
    days = [END + timedelta(days=step) for step in range(1, model.horizon + 1)]
    issued = model.predict(model.inputs(days)).to_frame()
    store.record_forecasts(issued.assign(model_version="1", issued_at=pd.Timestamp(END, tz="UTC")))
    store.close()
    return names


def running(folder: Path, dsn: str, port: int) -> ChildProcess:
    """The app's process, not yet started."""
    settings = {"POSTGRES_DSN": dsn, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "APP_PORT": str(port)}
    settings |= {
        "MODEL_CACHE_DIR": str(folder / "cache"),
        "CHAMPION_POLL_SECONDS": "0.2",
        "APP_RATE_LIMIT": "100000000 per minute",
    }
    given = {f"FORECASTING_{key}": value for key, value in settings.items()}
    return ChildProcess(
        Program(
            name="app",
            argv=[sys.executable, "-c", START],
            environment=os.environ | {FOLDER: str(folder), **given},
            log_file=folder / "app.log",
            is_ready=lambda: _status(f"http://127.0.0.1:{port}/ready") == 200,
            deadline_seconds=600,
            directory=Path.cwd(),
        )
    )


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=30).status_code
    except requests.RequestException:
        return 0


def pauses(port: int, folder: Path, app: ChildProcess) -> dict[str, Any]:
    """What those who ask notice of `SWAPS` swaps."""
    _longest_pause(folder)
    time.sleep(10)
    quiet = _longest_pause(folder)
    before = _cpu(app)
    for swap in range(SWAPS):
        version = "12"[(swap + 1) % 2]
        (folder / "champion").write_text(version, encoding="utf-8")
        while requests.get(f"http://127.0.0.1:{port}/ready", timeout=60).json()["model"]["version"] != version:
            time.sleep(0.05)
    # The copy on disk of the last one is written meanwhile.
    time.sleep(20)
    return {
        "swaps": SWAPS,
        "longest_quiet_pause_ms": quiet,
        "longest_pause_ms": _longest_pause(folder),
        "cpu_seconds_a_swap": round((_cpu(app) - before) / SWAPS, 2),
    }


def _longest_pause(folder: Path) -> float:
    """Since the last call."""
    pause = float((folder / PAUSE_FILE).read_text(encoding="utf-8") or 0)
    (folder / PAUSE_FILE).write_text("0", encoding="utf-8")
    return round(1000 * pause, 1)


def _processes(app: ChildProcess) -> list[psutil.Process]:
    return [psutil.Process(app.pid), *psutil.Process(app.pid).children(recursive=True)]


def _cpu(app: ChildProcess) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in _processes(app))


def _memory(app: ChildProcess) -> tuple[float, float]:
    """Shared pages in shares now, and the peak of the process that answers; MB."""
    own = sum(process.memory_full_info().pss for process in _processes(app)) / 1e6
    peaks = [int(line.split()[1]) for process in _processes(app) for line in _lines(process) if "VmHWM" in line]
    return round(own), round(max(peaks) / 1e3)


def _lines(process: psutil.Process) -> list[str]:
    return Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()


def asked(port: int, names: list[str]) -> list[dict[str, Any]]:
    """Seconds and size of each question that the page or a person asks."""
    one, days = names[SERIES // 2], {"start": "2023-07-01", "end": "2023-07-15"}
    questions: list[tuple[str, str, dict[str, Any] | None]] = [
        ("the page's list", "/series?order=worst&limit=10", None),
        ("series by typing", "/series?search=shop+00&limit=20", None),
        ("the champion", "/model?limit=0", None),
        ("the champion, 1,000 series", "/model", None),
        ("one series", f"/model?unique_id={one}", None),
        ("history of one series", f"/history?unique_id={one}&start=2023-05-01&end=2023-07-15", None),
        ("forecast of one series", "/predict", {**days, "unique_id": one}),
        ("what-if of one series", "/whatif", {**days, "unique_id": one, "changes": {"lag_1": {"add": 1}}}),
        ("answered forecasts of one series", f"/prediction-errors?unique_id={one}", None),
        ("alerts", "/alerts", None),
        ("decisions", "/decisions", None),
    ]
    return [{"what": what} | _asked(port, path, body) for what, path, body in questions]


def _asked(port: int, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        answer = requests.request("POST" if body else "GET", f"http://127.0.0.1:{port}{path}", json=body, timeout=120)
        took.append(time.perf_counter() - began)
    return {
        "status": answer.status_code,
        "ms": round(1000 * statistics.median(took), 1),
        "kB": len(answer.content) / 1e3,
    }


def main() -> None:
    """Fill, start, ask, swap, report."""
    with open_directory() as directory:
        ports = free_ports(2)
        with EmbeddedPostgres(directory / "postgres", ports) as postgres:
            postgres.create_database("forecasting")
            names = fill(directory, dsn := postgres.dsn("forecasting"))
            app = running(directory, dsn, ports + 1)
            try:
                app.start()
                app.wait_until_ready()
                # The store's newest features have been taken over by then.
                time.sleep(15)
                questions = asked(ports + 1, names)
                rest, start_peak = _memory(app)
                swaps = pauses(ports + 1, directory, app)
                after, peak = _memory(app)
            finally:
                app.stop()
    memory = {
        "series": SERIES,
        "at_rest_MB": rest,
        "peak_of_start_MB": start_peak,
        "after_swaps_MB": after,
        "peak_MB": peak,
    }
    slowest = max(row["ms"] for row in questions)
    aims = [
        Aim("memory of the app with its champion, MB", rest, "<= 500", rest <= 500),
        Aim("longest pause of a swap, ms", swaps["longest_pause_ms"], "<= 50", swaps["longest_pause_ms"] <= 50),
        Aim("slowest question of the page, ms", slowest, "<= 1000", slowest <= 1000),
    ]
    report("large_app", [memory, swaps, *questions], aims)


if __name__ == "__main__":
    main()
