"""The app as it is deployed: `python -m serve`."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
import requests

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.frames import PREDICTION_LOG
from forecasting_platform_tests.support.app_server import COMMAND, environment, running_app, wait_until_ready
from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.served_model import make_model
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def started(features: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that was started while MLflow was down."""
    registry, model = MemoryModelRegistry(), make_model(features)
    registry.move_champion(registry.register(model, plots={}, run_tags={}), expected=None)
    with running_app(tmp_path_factory.mktemp("app"), registry, model) as url:
        yield url


@pytest.mark.slow
def test_the_server_starts_while_mlflow_is_down_and_answers_from_the_copy_on_disk(started: str) -> None:
    answer = wait_until_ready(started)
    assert answer.json()["model"]["version"] == "1"
    assert answer.headers["Server"] == "forecasting-platform"
    body = {"start": "2023-06-16", "end": "2023-06-17"}
    assert requests.post(f"{started}/predict", json=body, timeout=PATIENCE_SECONDS).status_code == 200
    nothing = requests.post(f"{started}/nothing", timeout=PATIENCE_SECONDS)
    assert nothing.headers["Content-Type"] == "application/problem+json"


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers", [{"X-Long": "a" * 1024**2}, {f"X-{n}": "a" for n in range(1000)}], ids=["MB", "1000"]
)
def test_headers_that_are_too_many_or_too_long_are_refused_before_the_app_reads_them(
    started: str, headers: dict[str, str]
) -> None:
    wait_until_ready(started)
    with connected(started) as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        # It may hang up before it was sent all.
        with suppress(ConnectionError):
            client.sendall(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
        with suppress(ConnectionResetError):
            assert client.recv(1024).startswith(b"HTTP/1.1 431 Request Header Fields Too Large")
    assert requests.get(f"{started}/health", timeout=PATIENCE_SECONDS).status_code == 200


@pytest.mark.slow
def test_a_client_that_never_ends_its_headers_is_let_go_and_keeps_nobody_waiting(started: str) -> None:
    wait_until_ready(started)
    with connected(started) as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        assert requests.get(f"{started}/health", timeout=PATIENCE_SECONDS).status_code == 200
        assert slow.recv(1024) == b""


def connected(url: str) -> socket.socket:
    """A connection to a server, patient."""
    found = urlsplit(url)
    return socket.create_connection((str(found.hostname), int(found.port or 0)), timeout=PATIENCE_SECONDS)


@pytest.mark.slow
def test_what_was_answered_is_logged_although_the_server_is_told_to_stop_at_once(
    registry: MemoryModelRegistry, model: ForecastModel, tmp_path: Path, prepared_dsn: str
) -> None:
    store = PostgresTableStore(prepared_dsn)
    with running_app(tmp_path, registry, model, POSTGRES_DSN=prepared_dsn) as url:
        wait_until_ready(url)
        answer = requests.post(f"{url}/predict", json={"start": "2023-06-16", "end": "2023-06-20"}, timeout=30)
    logged = store.read(PREDICTION_LOG)
    store.close()
    assert set(logged["request_id"]) == {answer.headers["X-Request-ID"]}
    assert len(logged) == len(answer.json()["forecasts"])


@pytest.mark.slow
def test_the_server_says_at_once_which_setting_is_missing() -> None:
    environ = environment(APP_PORT=str(free_ports()))
    ended = subprocess.run(COMMAND, env=environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode != 0
    assert "FORECASTING_MLFLOW_TRACKING_URI" in ended.stderr
