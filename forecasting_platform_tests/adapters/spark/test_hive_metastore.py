"""The metastore says why it does not serve. One that serves is in `end_to_end/test_spark.py`."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from forecasting_platform.adapters.spark import hive_metastore
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


def served(port: int, directory: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", hive_metastore.__name__, "--port", str(port), "--directory", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = served(port, tmp_path / "the metastore")
    assert refused.returncode == 1
    assert f"Error: a metastore on port {port} with its database in {tmp_path / 'the metastore'} is unavailable" in (
        refused.stderr
    )
    assert f"127.0.0.1:{port}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    refused = served(1, tmp_path / "file")
    assert refused.returncode == 2
    assert "is a file" in refused.stderr
