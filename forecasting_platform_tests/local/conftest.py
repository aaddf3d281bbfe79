"""What the tests of the embedded platform share."""

import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every account can enter, unlike pytest's own; its path has a space."""
    parent = Path(tempfile.mkdtemp(prefix="forecasting-test-"))
    parent.chmod(0o755)
    directory = parent / "data directory"
    directory.mkdir()
    yield directory
    shutil.rmtree(parent)


@pytest.fixture
def free_ports() -> Callable[[int], int]:
    """Finds the first of a number of free neighbouring ports."""
    return _first_of_free_ports


def _first_of_free_ports(count: int) -> int:
    for base in range(34100, 34900, count):
        if all(_is_free(base + offset) for offset in range(count)):
            return base
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
