"""The app as it is deployed: `python -m serve`."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from forecasting_platform.adapters.memory_model_registry import MemoryModelRegistry
from forecasting_platform.forecasting.model import ForecastModel
from serve.last_good import keep

COMMAND = [sys.executable, "-m", "serve"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(**variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FORECASTING_")}
    return inherited | {f"FORECASTING_{name}": value for name, value in variables.items()}


@pytest.mark.slow
def test_the_server_starts_while_mlflow_is_down_and_answers_from_the_copy_on_disk(
    registry: MemoryModelRegistry, model: ForecastModel, tmp_path: Path
) -> None:
    version = registry.version_at("champion")
    assert version is not None
    keep(version, model, tmp_path)
    url = f"http://127.0.0.1:{(port := free_port())}"
    settings = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}", "APP_PORT": str(port)}
    process = subprocess.Popen(
        COMMAND, env=environment(MODEL_CACHE_DIR=str(tmp_path), **settings), stderr=subprocess.PIPE
    )
    try:
        answer = wait_until_ready(url)
        assert answer.json()["model"]["version"] == "1"
        assert answer.headers["Server"] == "forecasting-platform"
        forecast = requests.post(f"{url}/predict", json={"start": "2023-06-16", "end": "2023-06-17"}, timeout=10)
        assert forecast.status_code == 200
    finally:
        process.terminate()
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert all(json.loads(line)["time"] for line in log.splitlines()), log


def wait_until_ready(url: str, timeout_seconds: float = 90) -> requests.Response:
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            answer = requests.get(f"{url}/ready", timeout=30)
            if answer.ok:
                return answer
        except requests.ConnectionError:
            pass
        assert time.monotonic() < deadline, "the app did not become ready"
        time.sleep(0.3)


@pytest.mark.slow
def test_the_server_says_at_once_which_setting_is_missing() -> None:
    environ = environment(APP_PORT=str(free_port()))
    ended = subprocess.run(COMMAND, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "FORECASTING_MLFLOW_TRACKING_URI" in ended.stderr
