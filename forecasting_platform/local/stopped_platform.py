"""Opens the data of a stopped platform: locks its directory and runs only its Postgres."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.databases import prepare_databases, stores_to_migrate
from forecasting_platform.local.environment import HOST, SERVICES, Addresses, platform_environment, write_instance
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres


@dataclass(frozen=True, slots=True)
class StoppedPlatform:
    """The parts that can be used while the platform is stopped.

    Attributes:
        environment: of a migration of its data.
    """

    path: Path
    postgres: EmbeddedPostgres
    environment: dict[str, str]


@contextmanager
def stopped_platform(data_dir: Path, *, make: bool = False) -> Iterator[StoppedPlatform]:
    """Hold a data directory and its Postgres, so that no platform can start in it meanwhile.

    Args:
        make: whether a directory without data gets an empty cluster.

    Raises:
        PlatformStateError: there are no data, or a platform runs there.
    """
    directory = DataDirectory(data_dir)
    if not make and not (directory.path / "postgres").exists():
        raise PlatformStateError(f"{directory.path} holds no data of a platform; name its directory with --data-dir")
    directory.claim()
    try:
        directory.stop_leftovers()
        port = _free_port()
        with EmbeddedPostgres(directory.path, port, log_file=directory.logs / "postgres.log") as postgres:
            prepare_databases(postgres)
            yield StoppedPlatform(directory.path, postgres, _environment(directory, postgres))
    finally:
        directory.release()


def _environment(directory: DataDirectory, postgres: EmbeddedPostgres) -> dict[str, str]:
    write_instance(directory.path / "dagster")
    # Nothing listens there but Postgres, at its own port.
    named = platform_environment(
        directory, Addresses(postgres.port - SERVICES.index("postgres")), feed_url="", live=False, caller=os.environ
    )
    return {**named, **stores_to_migrate(postgres)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
