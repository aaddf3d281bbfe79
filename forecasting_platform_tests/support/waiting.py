"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = 300.0
"""Long enough for a machine on which everything else runs too: a test fails by what is so, never by when."""

T = TypeVar("T")


def wait_until(
    what: str, is_so: Callable[[], T], seconds: float = PATIENCE_SECONDS, *, poll_seconds: float = 0.05
) -> T:
    """Ask until the answer is true.

    Args:
        what: is awaited, for the message.
        is_so: is asked at least once.

    Returns:
        The answer.

    Raises:
        AssertionError: the answer was not true in time.
    """
    deadline = time.monotonic() + seconds
    while not (answer := is_so()):
        assert time.monotonic() < deadline, f"{what} did not come to pass within {seconds:g} s"
        time.sleep(poll_seconds)
    return answer
