"""The data directory of one embedded platform: its lock, its processes, its addresses.

Files kept here: `lock` (held by the running supervisor), `supervisor.json`, `processes.json`,
`endpoints.json`, `settings.json`, `first_day.json` (of the partitions), `logs/`.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import IO, Any

import psutil

from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.processes import wait_or_kill

OWNER_VARIABLE = "EMBEDDED_PLATFORM_DIRECTORY"
"""Environment variable of every process of a platform, by which the processes left by a crash are found."""
STOP_SECONDS = 60.0
MAX_LOG_BYTES = 32 * 1024 * 1024


class DataDirectory:
    """The directory and the files that tell one process of the platform about the others."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock: IO[str] | None = None

    @property
    def spark(self) -> Path:
        """Where the tables are, if they are in Spark, and their metastore."""
        return self.path / "spark"

    @property
    def logs(self) -> Path:
        """Where every process writes its log."""
        return self.path / "logs"

    def claim(self) -> None:
        """Make the directory and hold it until `release` (or the end of this process).

        Raises:
            PlatformStateError: it cannot be written, or another platform runs in it.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("a", encoding="utf-8")
        except OSError as error:
            raise PlatformStateError(
                f"the data directory {self.path} cannot be used: {error}. Name another one with --data-dir."
            ) from error
        if not _flock(lock):
            lock.close()
            supervisor = self.supervisor()
            holder = "another process" if supervisor is None else f"process {supervisor.pid}"
            raise PlatformStateError(
                f"a platform runs in {self.path} already ({holder}). "
                f"Stop it with `forecasting-platform down`, or name another --data-dir."
            )
        self._lock = lock
        self._write("supervisor.json", _description("supervisor", os.getpid()))

    def release(self) -> None:
        """Let another platform have the directory; safe to call without `claim`."""
        if self._lock is not None:
            (self.path / "supervisor.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def supervisor(self) -> psutil.Process | None:
        """The process that holds the directory, None when no platform runs in it."""
        description = self._read("supervisor.json", default=None)
        return None if description is None else _described_process(description)

    def stop_supervisor(self) -> bool:
        """Ask the platform that runs here to stop, and wait; whether there was one.

        Raises:
            PlatformStateError: it did not stop in time, or is another user's.
        """
        supervisor = self.supervisor()
        if supervisor is None:
            return False
        try:
            supervisor.terminate()
            supervisor.wait(STOP_SECONDS)
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied as error:
            raise PlatformStateError(
                f"process {supervisor.pid} runs the platform of {self.path} as another user; stop it as that user"
            ) from error
        except psutil.TimeoutExpired as error:
            raise PlatformStateError(
                f"process {supervisor.pid} has not stopped within {STOP_SECONDS:g} s; look into {self.logs}"
            ) from error
        return True

    def keep_tables_in_spark(self) -> None:
        """Have the tables in Spark from now on, also for a start that does not say so.

        Raises:
            PlatformStateError: they are in Postgres.
        """
        if not self.spark.exists() and (self.path / "postgres").exists():
            problem = f"the tables of {self.path} are in Postgres; for tables in Spark name another --data-dir"
            raise PlatformStateError(problem)
        self.spark.mkdir(exist_ok=True)

    def record_processes(self, pids: Mapping[str, int]) -> None:
        """Record the started processes, so that a later platform can stop those that a crash leaves."""
        self._write("processes.json", [_description(name, pid) for name, pid in pids.items()])

    def stop_leftovers(self, grace_seconds: float = 10.0) -> list[str]:
        """Stop what an earlier platform of this directory left running; the names of what was stopped.

        Call it only while holding the directory.
        """
        recorded = [_described_process(each) for each in self._read("processes.json", default=[])]
        found = {process.pid: process for process in [*recorded, *self._marked()] if process is not None}
        names = [f"{process.name()} ({process.pid})" for process in found.values()]
        for process in found.values():
            process.terminate()
        wait_or_kill(list(found.values()), grace_seconds)
        (self.path / "processes.json").unlink(missing_ok=True)
        return names

    def _marked(self) -> list[psutil.Process]:
        """Living processes of this directory, however they came to be, but never ourselves."""
        mark = str(self.path)
        return [p for p in psutil.process_iter() if p.pid != os.getpid() and _variable(p, OWNER_VARIABLE) == mark]

    def bound_logs(self, max_bytes: int = MAX_LOG_BYTES) -> None:
        """Start a new log where one has grown too long; the old one is kept as `<log>.1`.

        Its process goes on appending to the same file, so what it writes between the copy and the cut is lost.
        """
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > max_bytes:
                shutil.copyfile(log, f"{log}.1")
                os.truncate(log, 0)

    def write_endpoints(self, endpoints: Mapping[str, str]) -> None:
        """Write every address. Only the owner may read the file: it holds a DSN."""
        self._write("endpoints.json", dict(endpoints))

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Write the settings that commands need too: fields of `Settings`. Only the owner may read the file."""
        self._write("settings.json", dict(settings))

    def settings(self) -> dict[str, Any]:
        """The settings of the platform that runs here; empty where none does."""
        found: dict[str, Any] = self._read("settings.json", default={})
        return found

    @property
    def known_first_day(self) -> date | None:
        """The first day of the partitions of the platforms that ran here, where it was written down."""
        known: str | None = self._read("first_day.json", default=None)
        return date.fromisoformat(known) if known else None

    def require_simulated_feed(self, remedy: str) -> None:
        """Raise `PlatformStateError`, with the remedy, where the data are of a feed of somebody's own."""
        if self.known_first_day is not None:
            raise PlatformStateError(
                f"{self.path} holds the data of a feed of yours, not of the simulated one; {remedy}, or name another "
                "directory with --data-dir or FORECASTING_DATA_DIR"
            )

    def first_day(self, wanted: date | None) -> date | None:
        """The first day of the partitions: the one wanted, or an earlier one that has partitions already."""
        known = self.known_first_day
        first = min(filter(None, (wanted, known)), default=None)
        if first and first != known:
            self._write("first_day.json", first.isoformat())
        return first

    def remove_endpoints(self) -> None:
        """Remove the addresses, because nothing answers any more."""
        for name in ("endpoints.json", "settings.json"):
            (self.path / name).unlink(missing_ok=True)

    def endpoints(self) -> dict[str, str]:
        """The addresses of the platform that runs here, by part.

        Raises:
            PlatformStateError: none runs here.
        """
        found: dict[str, str] | None = self._read("endpoints.json", default=None)
        if found is None or self.supervisor() is None:
            raise PlatformStateError(
                f"no platform runs in {self.path}. Start one with `forecasting-platform up --data-dir {self.path}`."
            )
        return found

    def _read(self, name: str, *, default: Any) -> Any:
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return default

    def _write(self, name: str, content: object) -> None:
        """Whole or not at all, for its owner only."""
        unfinished = self.path / f".{name}"
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(content, indent=2), encoding="utf-8")
        unfinished.replace(self.path / name)


def _flock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _description(name: str, pid: int) -> dict[str, Any]:
    return {"name": name, "pid": pid, "created": psutil.Process(pid).create_time()}


def _described_process(description: Mapping[str, Any]) -> psutil.Process | None:
    """The process, unless it has ended: a number alone may be another's by now."""
    try:
        process = psutil.Process(description["pid"])
        return process if abs(process.create_time() - description["created"]) < 1.0 else None
    except psutil.NoSuchProcess:
        return None


def _variable(process: psutil.Process, name: str) -> str | None:
    try:
        return process.environ().get(name)
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # gone, a zombie, or of another user
        return None
