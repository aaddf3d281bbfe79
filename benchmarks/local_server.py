"""What a benchmark with servers of its own needs of the machine: a folder they may enter, and free ports."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_directory() -> Iterator[Path]:
    """A folder that every account can enter (Postgres runs as another one where we are root), removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


def free_ports(count: int) -> int:
    """The first of so many free neighbouring ports, below those that the system hands out to clients."""
    for base in range(27000, 28000, count):
        if all(_is_free(base + offset) for offset in range(count)):
            return base
    raise OSError(f"no {count} free neighbouring ports from 27000 to 28000; end what listens there")


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
