"""Dagster's web server with one asset, and whether somebody commanded it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.waiting import wait_until

MUTATION = "mutation { setNuxSeen }"
"""Leaves a file."""
DEFINITIONS = "import dagster as dg\ndefs = dg.Definitions(assets=[dg.AssetSpec('one')])\n"


@contextmanager
def running_web_server(module: str, home: Path) -> Iterator[int]:
    """Dagster's web server with one asset; its port."""
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    (home / "served.py").write_text(DEFINITIONS, encoding="utf-8")
    port = free_ports()
    command = [sys.executable, "-m", module, "--port", str(port), "--python-file", "served.py"]
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
    try:
        wait_until("the web server answers", lambda: _answers(port))
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return asked(port, "GET", "/server_info")[0] == 200
    except OSError:
        return False


def asked(port: int, method: str, path: str, headers: dict[str, str] | None = None, body: str = "") -> tuple[int, str]:
    """The status and text of an answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    with closing(connection):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def was_commanded(home: Path) -> bool:
    """Whether the mutation ran; and forgets it."""
    done = home / ".nux" / "nux.yaml"
    ran = done.exists()
    done.unlink(missing_ok=True)
    return ran
