"""A real MLflow server for tests, started as the platform starts it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.waiting import wait_until


@dataclass(frozen=True)
class MlflowServer:
    """A running server and the folder of its artifacts."""

    url: str
    artifacts: Path

    def files_of(self, experiment_id: str) -> list[Path]:
        """Every artifact of one experiment."""
        return [file for file in (self.artifacts / experiment_id).rglob("*") if file.is_file()]


@contextmanager
def running_mlflow(directory: Path) -> Iterator[MlflowServer]:
    """One server on a free port, its database and artifacts in a directory."""
    port = free_ports()
    found = MlflowServer(f"http://127.0.0.1:{port}", directory / "artifacts")
    options = ["--workers", "1", "--artifacts-destination", str(found.artifacts)]
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{directory}/mlflow.db",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), *options],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=directory,
        )
    try:
        wait_until("an MLflow server", lambda: _answers(found.url, process, directory / "log"))
        yield found
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return requests.get(f"{url}/health", timeout=30).ok
    except requests.ConnectionError:
        return False
