"""What a session says where Spark gives it nothing. Sessions that work are in `test_table_store.py`."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.errors.exceptions.connect import SparkConnectGrpcException

from forecasting_platform.adapters.spark import session
from forecasting_platform.adapters.spark.connect_server import address_of, launch
from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.errors import ConfigurationError, StoreUnavailableError
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

REMOTE = address_of(3005, "geheim")


class SilentSpark:
    """A session whose jobs wait until they are interrupted."""

    def __init__(self) -> None:
        self._interrupted = threading.Event()

    def range(self, *_: int) -> Any:
        return SimpleNamespace(collect=self._wait)

    def interruptAll(self) -> None:  # noqa: N802 - Spark's name
        self._interrupted.set()

    def _wait(self) -> None:
        assert self._interrupted.wait(PATIENCE_SECONDS)
        raise RuntimeError("the job was cancelled")


def test_a_session_without_a_core_gives_up_and_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "SILENT_SECONDS", 0.0)
    options = SparkOptions("/srv/tables", remote=REMOTE, wait_seconds=0.2)
    with pytest.raises(StoreUnavailableError, match=r"no core was free within 0\.2 s\. .*spark\.cores\.max") as raised:
        session._require_core(SilentSpark(), options)  # type: ignore[arg-type] - as much of a session as is asked for
    assert "waiting up to 0.2 s for a core" in caplog.text
    assert "geheim" not in str(raised.value) + caplog.text + repr(options)


def test_a_process_whose_server_is_gone_ends_without_asking_it_again(
    monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(session.atexit, "register", at_exit.append)
    monkeypatch.setattr(session, "_started", [])
    options = SparkOptions("/srv/tables", remote=f"sc://127.0.0.1:{silent_port}")
    connected = session._connect(options)
    monkeypatch.setattr(session, "_connect", lambda _: connected)
    assert connected.retries is not None
    connected.retries.max_retries = 1
    with pytest.raises(SparkConnectGrpcException, match="UNAVAILABLE"):
        session.spark_session(options)
    # What is still repeated in the background stops, and pyspark's own exit finds a closed client.
    assert connected.retries.max_retries == 0
    at_exit[-1]()
    assert connected.session.client.is_closed


@pytest.mark.parametrize("remote", [None, "sc://elsewhere:15002/;token=t", "sc://localhost:15002"])
def test_a_server_serves_its_own_machine_and_wants_a_token(remote: str | None, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"FORECASTING_SPARK_REMOTE.*sc://localhost:15002/;token="):
        launch(SparkOptions(str(tmp_path), remote=remote), tmp_path / "server")


def test_the_token_is_in_a_file_of_the_owner_and_in_no_command_line(tmp_path: Path) -> None:
    command, environment = launch(SparkOptions(str(tmp_path), remote=REMOTE), tmp_path / "server")
    assert "geheim" not in " ".join(command) + str(environment)
    configuration = tmp_path / "server" / "spark.properties"
    assert "spark.connect.authenticate.token geheim" in configuration.read_text()
    assert configuration.stat().st_mode & 0o077 == 0
