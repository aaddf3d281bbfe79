"""`make audit` against a local server of OSV's API; the real one is outside of every test's reach."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forecasting_platform_tests.support.web_servers import Answering, RecordingServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ADVISORY = {
    "id": "PYSEC-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "summary": "it answers strangers",
    "affected": [
        {
            "package": {"name": "flask", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}


@contextmanager
def osv(vulnerable: str | None) -> Iterator[tuple[str, set[str]]]:
    """A server that knows of one vulnerable package: its URL, and what it was asked for."""
    asked: set[str] = set()

    def answer(request: Answering) -> None:
        name = json.loads(request.request_body)["package"]["name"]
        asked.add(name)
        request.send(json.dumps({"vulns": [ADVISORY]} if name == vulnerable else {}).encode())

    with RecordingServer(answer) as server:
        yield f"{server.url}/v1/query", asked


def audit(url: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OSV_URL": url, "NO_PROXY": "127.0.0.1"}
    command = [ROOT / "locks" / "audit"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_every_locked_package_is_asked_for_and_a_vulnerable_one_fails_by_name() -> None:
    with osv("flask") as (url, asked):
        done = audit(url)
    assert done.returncode == 1
    assert "PYSEC-2026-1" in done.stdout
    assert "99.0" in done.stdout, "and says which version mends it"
    assert {"dagster", "mlflow", "flask", "pip-audit"} <= asked


def test_none_that_is_known_to_be_vulnerable_passes() -> None:
    with osv(None) as (url, _):
        done = audit(url)
    assert done.returncode == 0
    assert "No known vulnerabilities found" in done.stderr


def test_without_a_service_to_ask_it_says_that_nothing_was_audited() -> None:
    done = audit("http://127.0.0.1:9/v1/query")
    assert done.returncode == 0
    assert "NOT AUDITED" in done.stderr
