"""Processor seconds and peak memory of a process, station by station, with its children and Postgres."""

import contextlib
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.hostile.process_cost import cpu_seconds


@dataclass
class Stations:
    """Measures what is done, station by station.

    Attributes:
        postgres: the server's process, whose time counts too.
    """

    postgres: int
    rows: list[dict[str, Any]] = field(default_factory=list)

    @contextlib.contextmanager
    def measured(self, phase: str, station: str) -> Iterator[None]:
        """Add a row for what is done while the block runs."""
        forget_peak()
        before = self._spent()
        yield
        row = {
            "phase": phase,
            "station": station,
            "cpu_seconds": round(self._spent() - before, 2),
            "peak_mb": peak_mb(),
        }
        self.rows.append(row)
        print(f"{phase}, {station}: {row['cpu_seconds']} s, {row['peak_mb']} MB", flush=True)

    def seconds(self, phase: str) -> float:
        """All stations of a phase together."""
        return float(sum(row["cpu_seconds"] for row in self.rows if row["phase"] == phase))

    def _spent(self) -> float:
        used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        own = sum(each.ru_utime + each.ru_stime for each in used)
        # What still runs counts among this process's children only once it has ended: the server, and the process from
        # which workers are forked, with those that have ended.
        forking = [child.cpu_times() for child in psutil.Process().children() if child.pid != self.postgres]
        forked = sum(used.user + used.system + used.children_user + used.children_system for used in forking)
        return own + forked + cpu_seconds([self.postgres])


def forget_peak() -> None:
    """The peak of this process counts from here."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mb() -> int:
    """The most memory that this process had at once."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM:"))
