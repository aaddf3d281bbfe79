"""What a load costs: CPU seconds, memory and outcome, measured in a process of its own."""

import os
import time
from collections.abc import Callable
from typing import Any

from forecasting_platform.errors import ForecastingPlatformError


def cost(load: Callable[[], str]) -> dict[str, Any]:
    """CPU seconds, memory and outcome of a load in a process of its own; memory beyond what the process began with."""
    idle = measured_in_a_child(lambda: "")
    found = measured_in_a_child(load)
    return found | {"memory_mib": max(found["memory_mib"] - idle["memory_mib"], 0.0)}


def measured_in_a_child(load: Callable[[], str]) -> dict[str, Any]:
    """The same, with what the process itself takes."""
    reader, writer = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            said = load()
        except ForecastingPlatformError as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said[:200].encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status, used = os.wait4(child, 0)
    return {
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "memory_mib": used.ru_maxrss / 1024,
        "seconds": time.monotonic() - began,
        "outcome": said if status == 0 else f"exit {status}",
    }
