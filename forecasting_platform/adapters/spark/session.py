"""The Spark session of this process: one of a Spark Connect server, or one with a Java process of its own.

Queries do not belong here. pyspark is imported only when a session starts.
"""

import atexit
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from forecasting_platform.adapters.spark.java import HOST, driver_settings, java_home
from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.errors import ConfigurationError, StoreUnavailableError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client.retries import RetryPolicy

REMOTE_IDLE_SECONDS = 20 * 60.0
"""A session that was idle for longer is replaced: a server forgets it after an hour."""
SILENT_SECONDS = 10.0
"""How long a session waits for a core before it says so."""
# A server that restarts is back within seconds; pyspark's own patience is ten minutes.
MAX_RETRIES, MAX_BACKOFF_MILLISECONDS = 6, 4000

_logger = logging.getLogger(__name__)
_starting = threading.Lock()
_started: list["_Started"] = []


@dataclass(slots=True)
class _Started:
    options: SparkOptions
    session: "SparkSession"
    retries: "RetryPolicy | None" = None
    used_at: float = field(default_factory=time.monotonic)
    process: int = field(default_factory=os.getpid)

    @property
    def is_stale(self) -> bool:
        """Whether the server may have forgotten the session, or this process was forked from its own."""
        idle = time.monotonic() - self.used_at > REMOTE_IDLE_SECONDS
        return self.options.remote is not None and (idle or self.process != os.getpid())

    def give_up(self) -> None:
        """End what pyspark repeats in the background: a process that ends waits for it."""
        if self.retries is not None:
            self.retries.max_retries = 0


def spark_session(options: SparkOptions) -> "SparkSession":
    """The session of this process. The first call starts it; with a Java process of its own that takes seconds.

    Raises:
        ConfigurationError: Java is missing, the options contradict each other, or the session of this process was
            started with other options.
        StoreUnavailableError: no core was free in time.
    """
    with _starting:
        if _started and _started[0].is_stale:
            _started.clear()
        if not _started:
            started = _connect(options) if options.remote else _Started(options, _start(options))
            try:
                _require_core(started.session, options)
            except Exception:
                started.give_up()
                raise
            _started.append(started)
        found = _started[0]
        found.used_at = time.monotonic()
    if found.options != options:
        problem = (
            f"this process has a Spark session on {found.options.place} with other options; one process, one session"
        )
        raise ConfigurationError("FORECASTING_SPARK_WAREHOUSE_DIR", problem)
    return found.session


def forget_remote_session() -> None:
    """Have the next use connect anew, since the server may have been replaced by another."""
    with _starting:
        if _started and _started[0].options.remote is not None:
            _started.pop().give_up()


def _connect(options: SparkOptions) -> _Started:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client.retries import DefaultPolicy

    session = SparkSession.builder.remote(str(options.remote)).create()
    retries = DefaultPolicy(max_retries=MAX_RETRIES, max_backoff=MAX_BACKOFF_MILLISECONDS)
    session.client.set_retry_policies([retries])
    # Before pyspark's own exit, which asks an open client's server, with every retry, to forget models it never had.
    atexit.register(session.client.close)
    return _Started(options, session, retries)


def _start(options: SparkOptions) -> "SparkSession":
    from pyspark.sql import SparkSession

    with tempfile.TemporaryDirectory(prefix="spark-start-") as folder, _environment(Path(folder), options):
        builder = SparkSession.builder.appName("forecasting_platform").master(options.master)
        for name, value in driver_settings(options, Path(folder)).items():
            builder = builder.config(name, value)
        return builder.getOrCreate()


def _require_core(session: "SparkSession", options: SparkOptions) -> None:
    """Run the smallest job, so that a cluster without a free core is named, and not waited for without a word."""
    given_up = threading.Event()

    def give_up() -> None:
        given_up.set()
        session.interruptAll()

    def say() -> None:
        _logger.warning("%s has run no task yet; waiting up to %g s for a core", options.place, options.wait_seconds)

    timers = [threading.Timer(SILENT_SECONDS, say), threading.Timer(options.wait_seconds, give_up)]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        session.range(0, 1, 1, 1).collect()
    except Exception as error:
        if given_up.is_set():
            raise StoreUnavailableError(options.place, NO_CORE.format(seconds=options.wait_seconds)) from error
        raise
    finally:
        for timer in timers:
            timer.cancel()


NO_CORE = (
    "no core was free within {seconds:g} s. Others hold the cores of the cluster, or no executor has the memory that "
    "is asked for. Let processes share one Spark Connect server (FORECASTING_SPARK_REMOTE), or give them limits in "
    "FORECASTING_SPARK_CONF: spark.cores.max, spark.executor.memory, spark.dynamicAllocation.enabled"
)


@contextmanager
def _environment(folder: Path, options: SparkOptions) -> Iterator[None]:
    """Set the environment variables that Spark's launcher reads, and restore them afterwards."""
    wanted = launch_environment(folder, options)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def launch_environment(folder: Path, options: SparkOptions) -> dict[str, str]:
    """The environment variables that Spark's launcher reads.

    Args:
        folder: gets a launcher of the Java wheel where no `JAVA_HOME` is set.
    """
    wanted = {"JAVA_HOME": str(java_home(folder))}
    if options.master.startswith("local"):
        # Spark's Python workers use this environment's Python; on a cluster its configuration decides.
        wanted |= {"SPARK_LOCAL_IP": HOST, "PYSPARK_PYTHON": sys.executable}
    return wanted
