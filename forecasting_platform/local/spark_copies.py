"""Copies the tables of a data directory that are in Spark into a backup, and takes them up again after a restore.

A metastore holds absolute paths, so it is not copied: `batches.json` says which directories are the batches of each
log, and the first start after a restore tells a new metastore.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe

from forecasting_platform.adapters.spark.batch_lists import adopt_batches, list_batches
from forecasting_platform.adapters.spark.connect_server import address_of
from forecasting_platform.adapters.spark.session import forget_remote_session
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.local.copying import copy_folder
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.environment import (
    HOST,
    SERVICES,
    SPARK,
    Addresses,
    platform_environment,
    spark_settings,
)
from forecasting_platform.local.processes import ChildProcess
from forecasting_platform.local.programs import Entrypoints, Programs
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import table_store_of

BATCHES = "batches.json"
TABLES = "tables"


def copy_tables(directory: DataDirectory, to: Path, *, is_running: bool) -> None:
    """Copy the batches of each log into a folder.

    Args:
        is_running: whether a platform runs there, whose Spark is asked; else one is started.

    Raises:
        PlatformStateError: Spark does not start.
        StoreUnavailableError: Spark does not answer.
    """
    with _running_settings(directory) if is_running else _started_spark(directory) as settings:
        store = _spark_store(settings)
        store.prepare()
        lists = list_batches(store)
    for log, batches in lists.items():
        for name in batches.values():
            place = Path(TABLES, settings.postgres_schema, log, name)
            copy_folder(directory.spark / place, to / place)
    to.mkdir(exist_ok=True)
    (to / BATCHES).write_text(json.dumps(lists, indent=1), encoding="utf-8")


def take_up_tables(directory: DataDirectory, settings: Settings) -> bool:
    """Tell the metastore of the batches that a restore brought; whether there were any.

    Raises:
        StoreUnavailableError: Spark does not answer.
    """
    restored = directory.spark / BATCHES
    if not restored.exists():
        return False
    adopt_batches(_spark_store(settings), json.loads(restored.read_text(encoding="utf-8")))
    restored.unlink()
    return True


def _spark_store(settings: Settings) -> SparkTableStore:
    store = table_store_of(settings)
    if not isinstance(store, SparkTableStore):
        raise TypeError(f"the tables are in Spark, but the store is {type(store).__name__}")
    return store


@contextmanager
def _running_settings(directory: DataDirectory) -> Iterator[Settings]:
    yield Settings(**directory.settings())


@contextmanager
def _started_spark(directory: DataDirectory) -> Iterator[Settings]:
    """A Spark Connect server on the tables of a stopped platform, whose directory the caller holds."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    addresses = Addresses(port - len(SERVICES))
    settings = spark_settings(directory, address_of(addresses.port(SPARK), token_urlsafe()))
    environment = platform_environment(
        directory, addresses, feed_url="", live=False, caller=os.environ, settings=settings
    )
    program = Programs(directory, addresses, environment, lambda _: "", Entrypoints(), Path()).spark()
    server = ChildProcess(program)
    try:
        server.start()
        server.wait_until_ready()
        yield Settings(**settings)
    finally:
        forget_remote_session()
        server.stop()
