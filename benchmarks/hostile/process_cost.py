"""What a piece of work cost processes that were only watched: processor time and peak memory, read from Linux."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from forecasting_platform.local.processes import family

SETTLED_SECONDS = 0.15
"""Work is over when no processor time was taken for so long."""
MAX_SETTLING_SECONDS = 60.0
TICK_SECONDS = 0.02


@dataclass(slots=True)
class Cost:
    """Processor time of processes and their children, and by how much the memory of the first grew at its peak."""

    cpu_seconds: float = 0.0
    memory_mib: float = 0.0


@contextmanager
def cost_of(*pids: int) -> Iterator[Cost]:
    """What is done while the block runs, and what it leaves to do in the background.

    Args:
        pids: of leaders; their children count as well, for memory only those of the first.
    """
    cost = Cost()
    _settle(lambda: cpu_seconds(pids))
    own = [process.pid for process in family(pids[0])]
    for pid in own:
        # Linux then counts the peak from here on.
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    memory, cpu = _status(own, "VmRSS"), cpu_seconds(pids)
    yield cost
    _settle(lambda: cpu_seconds(pids))
    cost.cpu_seconds = cpu_seconds(pids) - cpu
    cost.memory_mib = (_status(own, "VmHWM") - memory) / 1024


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time of processes and their children so far, those that have ended included."""
    total = 0.0
    for process in (process for pid in pids for process in family(pid)):
        # One that ends meanwhile is in the times of its parent's children from then on.
        with suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


def _settle(spent: Callable[[], float]) -> None:
    began = time.monotonic()
    before = spent()
    while time.monotonic() - began < MAX_SETTLING_SECONDS:
        time.sleep(SETTLED_SECONDS)
        after = spent()
        if after - before < TICK_SECONDS:
            return
        before = after


def _status(processes: list[int], name: str) -> int:
    """Kibibytes of all processes together."""
    lines = [Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines() for process in processes]
    return sum(int(line.split()[1]) for status in lines for line in status if line.startswith(f"{name}:"))
