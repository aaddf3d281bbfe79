"""The embedded platform as its command starts it, and the commands on it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until
from forecasting_platform_tests.support.web_servers import RecordingServer

COMMAND = Path(sys.executable).with_name("forecasting-platform")


START, END = "2022-01-01", "2023-06-30"


PORTS = 6
"""Of a platform with Spark."""


SERVED_SECONDS = 1200


STOP_SECONDS = PATIENCE_SECONDS


class Webhook(RecordingServer):
    """A local webhook that keeps what it was sent."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [request.json for request in self.asked]

    @property
    def alert_url(self) -> str:
        return f"json://{self.url.removeprefix('http://')}/alerts"


@dataclass
class Platform:
    """One running platform and the commands on it."""

    data_dir: Path
    process: subprocess.Popen[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def endpoints(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.data_dir / "endpoints.json").read_text(encoding="utf-8"))
        return found

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command on this platform, whatever it answers."""
        return run_command(*words, "--data-dir", str(self.data_dir))

    def json(self, *words: str) -> Any:
        """A command's JSON answer."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def post(self, path: str, body: object) -> requests.Response:
        return requests.post(f"{self.endpoints['app']}{path}", json=body, timeout=PATIENCE_SECONDS)

    def process_of(self, name: str) -> psutil.Process:
        """A process of the platform by the name that `up` gives it."""
        started = json.loads((self.data_dir / "processes.json").read_text(encoding="utf-8"))
        return psutil.Process({each["name"]: each["pid"] for each in started}[name])

    def start_again(self) -> None:
        """The same command once more, until it serves."""
        self.process = start_up(self.data_dir, self.log, self.environment)
        wait_until("the next up", lambda: is_served(self), SERVED_SECONDS)

    def stop(self) -> int:
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)


def run_command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *words], capture_output=True, text=True, check=False, timeout=SERVED_SECONDS)


def processes_of(data_dir: Path) -> list[str]:
    """Command lines of what still runs for a data directory."""
    mark = str(data_dir)
    found = []
    for process in psutil.process_iter():
        try:
            if mark in " ".join(process.cmdline()) or process.environ().get("EMBEDDED_PLATFORM_DIRECTORY") == mark:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@contextmanager
def served_platform(
    data_dir: Path, log: Path, environment: dict[str, str], more: Sequence[str] = ("--start", START, "--end", END)
) -> Iterator[Platform]:
    """A platform that was started by its command and serves; stopped in the end."""
    started = Platform(data_dir, start_up(data_dir, log, environment, more), log, environment)
    try:
        wait_until("a served champion", lambda: is_served(started), SERVED_SECONDS)
        yield started
    finally:
        if started.process.poll() is None:
            started.process.terminate()
            started.process.wait(STOP_SECONDS)


def start_up(
    data_dir: Path, log: Path, environment: dict[str, str], more: Sequence[str] = ("--start", START, "--end", END)
) -> subprocess.Popen[str]:
    words = ["up", "--data-dir", str(data_dir), "--port-base", str(free_ports(PORTS)), *more]
    with log.open("w", encoding="utf-8") as output:
        return subprocess.Popen(
            [COMMAND, *words], stdout=output, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
        )


def is_served(started: Platform) -> bool:
    text = started.log.read_text(encoding="utf-8")
    assert started.process.poll() is None, text
    return "Ctrl-C stops everything" in text
