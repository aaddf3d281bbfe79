"""What the tests of the embedded platform share."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform.local.programs import Entrypoints
from forecasting_platform_tests.support import ports

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
def running_platform(
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
    return ports.free_ports
