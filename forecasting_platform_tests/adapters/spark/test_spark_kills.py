"""A killed JVM leaves the old or the new, whole, and loses nothing that was acknowledged.

Two kills in CI; `SPARK_KILLS=200 SPARK_KILLS_SEED=1 pytest -s …` for as many as one likes.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
import pytest

from forecasting_platform_tests.adapters.spark import spark_writer
from forecasting_platform_tests.contracts.table_store_rows import JANUARY

KILLS = int(os.environ.get("SPARK_KILLS", "2"))
SEED = int(os.environ.get("SPARK_KILLS_SEED", "2026"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 120 * KILLS)]


@dataclass
class Writer:
    """A running `spark_writer`."""

    process: subprocess.Popen[str]
    output: IO[str]
    log: Path

    def held(self) -> dict[str, list[float]]:
        return dict(json.loads(self.line()))

    def wait_for_write(self) -> int:
        return int(self.line())

    def line(self) -> str:
        line = self.output.readline()
        assert line, f"the writer died by itself: {self.log.read_text()}"
        return line

    def kill_jvm(self) -> int | None:
        """Kill the JVM; the last write that the writer said was done since."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            child.kill()
        rest = self.output.read().split()
        return int(rest[-1]) if rest else None


@contextmanager
def writer(folder: Path, log: Path) -> Iterator[Writer]:
    command = [sys.executable, "-m", spark_writer.__name__, str(folder)]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            yield Writer(process, process.stdout, log)
        finally:
            process.kill()


def test_a_killed_jvm_leaves_whole_batches_and_loses_none(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    acknowledged = 0
    for kill in range(KILLS + 1):
        with writer(tmp_path / "ware house", tmp_path / "errors.log") as running:
            require_whole(running.held(), acknowledged)
            if kill == KILLS:
                return
            for _ in range(chance.randint(1, 4)):
                began = time.monotonic()
                acknowledged = running.wait_for_write()
            time.sleep(chance.random() * (time.monotonic() - began))
            acknowledged = running.kill_jvm() or acknowledged
        assert "is unavailable" in (tmp_path / "errors.log").read_text(), "the writer says why it stopped"


def require_whole(held: dict[str, list[float]], acknowledged: int) -> None:
    """Each load is there once with its refusal, and one version of the features, the last or the one begun."""
    last = len(held["observations"])
    assert last in {acknowledged, acknowledged + 1}
    assert held["observations"] == held["refused"] == [float(value) for value in range(1, last + 1)]
    features = set(held["features"])
    assert len(held["features"]) == 2 * len(JANUARY) * len(features)
    assert features <= {float(acknowledged), float(last)}
    assert len(features) == 1 or not acknowledged
