"""What the tests of the embedded platform share."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform.local.programs import Entrypoints

STAND_INS = Entrypoints(definitions="stand_ins", app="stand_ins", feed="stand_ins:app")


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every account can enter, unlike pytest's own; its path has a space."""
    yield from _open_directory()


@pytest.fixture(scope="session")
def shared_open_directory() -> Iterator[Path]:
    """As `open_directory`, for all tests."""
    yield from _open_directory()


@pytest.fixture(scope="session")
def make_platform(free_ports: Callable[[int], int]) -> Callable[[Path], EmbeddedPlatform]:
    """Makes a platform of stand-ins in a directory."""
    here = str(Path(__file__).parent)

    def make(directory: Path, port_base: int | None = None) -> EmbeddedPlatform:
        environment = {**os.environ, "PYTHONPATH": here, "PYTHONDONTWRITEBYTECODE": "1", "PGSSLMODE": "require"}
        base = free_ports(5) if port_base is None else port_base
        return EmbeddedPlatform(directory, base, environment=environment, entrypoints=STAND_INS)

    return make


@pytest.fixture(scope="session")
def platform(
    shared_open_directory: Path, make_platform: Callable[[Path], EmbeddedPlatform]
) -> Iterator[tuple[EmbeddedPlatform, str]]:
    """One running platform, and the id of a backfill of three days that waited for its daemon."""
    period = DateRange(date(2018, 1, 1), date(2018, 1, 3))
    with make_platform(shared_open_directory / "platform") as running:
        running.start_services()
        backfill = running.dagster.launch_backfill(["observations"], period, tags={"asked_by": "a test"})
        running.start_daemon()
        yield running, backfill


def _open_directory() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="forecasting-test-"))
    parent.chmod(0o755)
    directory = parent / "data directory"
    directory.mkdir()
    yield directory
    shutil.rmtree(parent)


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], int]:
    """Finds the first of a number of free neighbouring ports."""
    return _first_of_free_ports


def _first_of_free_ports(count: int) -> int:
    # Below the ports that the system hands out to clients, which may hold one at any moment.
    # Tests that run side by side look in ranges of their own.
    first = 24100 + 200 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for base in range(first, first + 200, count):
        if all(_is_free(base + offset) for offset in range(count)):
            return base
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
