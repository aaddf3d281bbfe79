"""Ports for servers that must be told theirs before they start.

A port that is found free, let go and used a second later may be another test's by then. So a process of tests takes
whole blocks of neighbouring ports, below those that the system hands out to clients, and keeps each by a lock on a file
until it ends: no other worker, and no other checkout on this machine, is given one of them.

A server that can choose a port itself should, by port 0.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCALHOST = "127.0.0.1"
BLOCK = 10
BLOCKS = range(20_000, 27_000, BLOCK)
_held: list[int] = []


def free_ports(count: int = 1) -> int:
    """The first of so many free neighbouring ports, which no other caller is given.

    Raises:
        AssertionError: none are left.
    """
    assert 1 <= count <= BLOCK
    folder = Path(tempfile.gettempdir()) / f"forecasting-platform-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for base in BLOCKS:
        lock = os.open(folder / str(base), os.O_CREAT | os.O_RDWR)
        if _is_locked(lock) and all(_is_free(base + offset) for offset in range(count)):
            _held.append(lock)
            return base
        os.close(lock)
    raise AssertionError(f"no {count} free neighbouring ports from {BLOCKS.start} to {BLOCKS.stop}")


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port where every connection is refused: taken, so that no server gets it, and listened on by nobody."""
    with socket.socket() as taken:
        taken.bind((LOCALHOST, 0))
        yield int(taken.getsockname()[1])


def _is_locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((LOCALHOST, port))
        except OSError:
            return False
    return True
