"""The app as it is deployed, `python -m serve`, for tests."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform_tests.support.ports import free_ports, refusing_port
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until
from serve.forecasts.last_good import save_copy

COMMAND = [sys.executable, "-m", "serve"]


def environment(**variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FORECASTING_")}
    return inherited | {f"FORECASTING_{name}": value for name, value in variables.items()}


@contextmanager
def running_app(tmp_path: Path, registry: MemoryModelRegistry, model: ForecastModel, **settings: str) -> Iterator[str]:
    """The app with version 1 kept on disk, and no MLflow; its URL. In the end it is asked to stop, and does."""
    version = registry.version_at("champion")
    assert version is not None
    save_copy(version, model, tmp_path)
    port = free_ports()
    with refusing_port() as mlflow:
        places = {"MODEL_CACHE_DIR": str(tmp_path), "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow}"}
        environ = environment(APP_PORT=str(port), **places, **settings)
        process = subprocess.Popen(COMMAND, env=environ, stderr=subprocess.PIPE)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            _, log = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert all(json.loads(line)["time"] for line in log.splitlines()), log


def wait_until_ready(url: str) -> requests.Response:
    def ready() -> requests.Response | None:
        with suppress(requests.ConnectionError):
            answer = requests.get(f"{url}/ready", timeout=30)
            return answer if answer.ok else None
        return None

    answer = wait_until("a ready app", ready)
    assert answer is not None
    return answer
