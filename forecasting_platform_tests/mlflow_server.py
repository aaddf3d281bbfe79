"""A real MLflow server for tests, started as the platform starts it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

START_SECONDS = 120


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
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
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
        _wait_for(found.url, process, directory / "log")
        yield found
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            if requests.get(f"{url}/health", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
