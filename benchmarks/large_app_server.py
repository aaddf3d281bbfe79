"""The app of `large_app`: as `python -m serve`, with a folder of two versions in the place of MLflow."""

import os
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import mlflow  # noqa: F401 - the app holds its client in memory

from forecasting_platform.adapters.model_artifact import read_artifact
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.ports.model_registry import ModelVersion
from serve.http.app import create_app
from serve.http.server import whole_requests
from serve.http.whole_requests import WholeRequests
from serve.service import service_of
from serve.wsgi import freeze_garbage_collector

FOLDER, PAUSE_FILE = "BENCHMARK_FOLDER", "pause"
VERSION = ModelVersion("forecasting_platform", "1", "0" * 32, date(2023, 6, 30), datetime(2023, 7, 1, tzinfo=UTC), {})


class FolderRegistry:
    """Two versions in a folder; a file names the champion."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def version_at(self, _alias: str) -> ModelVersion:
        """The version that the file names."""
        return replace(VERSION, version=(self._folder / "champion").read_text(encoding="utf-8"))

    def load(self, version: ModelVersion) -> ForecastModel:
        """The model of a version."""
        return read_artifact(self._folder / version.version)


def note_pauses(file: Path) -> None:
    """Keep in a file the most processor time between two turns of this thread; who empties the file begins anew."""
    file.write_text("0", encoding="utf-8")
    waits = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    while True:
        before, began, waited = time.process_time(), time.monotonic(), _seconds_waited(waits)
        time.sleep(0.001)
        busy, held = time.process_time() - before, time.monotonic() - began
        # While it waits for a processor that other programs hold, nothing of the app is in its way.
        pause = min(busy, held - (_seconds_waited(waits) - waited))
        if pause > 0.005 and pause > float(file.read_text(encoding="utf-8") or 0):
            file.write_text(str(pause), encoding="utf-8")


def _seconds_waited(schedstat: Path) -> float:
    """How long a thread was ready to run and had no processor."""
    return int(schedstat.read_text(encoding="utf-8").split()[1]) / 1e9


def serving() -> WholeRequests:
    """The app as the server's process calls it: `serve.wsgi.serving` with this registry."""
    folder = Path(os.environ[FOLDER])
    service = service_of(app := create_app(registry=FolderRegistry(folder)))  # type: ignore[arg-type] # what the app asks for
    service.start()
    for work, given in ((freeze_garbage_collector, service.watch), (note_pauses, folder / PAUSE_FILE)):
        threading.Thread(target=work, args=[given], daemon=True).start()
    return whole_requests(app)
