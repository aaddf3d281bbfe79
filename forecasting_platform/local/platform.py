"""The embedded platform: starts, watches and stops all parts on one machine, in the right order.

`programs` has the command lines; `processes` starts and stops one process.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from forecasting_platform.adapters.postgres.roles import prepare_schema
from forecasting_platform.adapters.spark.connect_server import address_of
from forecasting_platform.adapters.spark.options import require_pyspark
from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.dagster.api import DagsterApi
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.databases import prepare_databases, stores_to_migrate
from forecasting_platform.local.environment import (
    SERVICES,
    SPARK,
    STORES,
    Addresses,
    platform_environment,
    require_free_ports,
    spark_settings,
    weather_settings,
)
from forecasting_platform.local.migrations import migrate_directory, record_releases
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.local.processes import ChildProcess, ChildProcesses, Progress, silent
from forecasting_platform.local.programs import Entrypoints, Programs
from forecasting_platform.local.spark_copies import take_up_tables
from forecasting_platform.settings import Settings

DEFAULT_PORT_BASE = 3000
WATCH_SECONDS = 0.5


class EmbeddedPlatform:
    """The platform of one data directory; a context manager that leaves nothing running.

    `start` does it all. Who has work for Dagster's daemon, the last to come up, calls `start_services`,
    submits the work, and then `start_daemon`.

    Args:
        data_dir: made when it is missing; a second start goes on from what is there.
        port_base: Dagster listens here, MLflow, the app, Postgres and the simulated feed behind it.
        feed_url: a feed to load from; without it and `feed`, the simulated one.
        feed: a feed's description, or a folder of several, to load from.
        first_day: of the partitions; a later start has the first of any before.
        live: whether schedules run.
        weather: whether the simulated weather is loaded beside the feed, and models regress on it.
        spark: whether tables are in Spark, and models trained there; so it is wherever the directory has such tables,
            and where the caller's environment chooses that store.
        environment: what the processes inherit, None for the caller's own environment.
        entrypoints: what the servers serve; for tests.
    """

    def __init__(
        self,
        data_dir: Path,
        port_base: int = DEFAULT_PORT_BASE,
        feed_url: str | None = None,
        live: bool = False,
        *,
        feed: Path | None = None,
        first_day: date | None = None,
        weather: bool = False,
        spark: bool = False,
        environment: Mapping[str, str] | None = None,
        entrypoints: Entrypoints | None = None,
    ) -> None:
        self.directory = DataDirectory(data_dir)
        self.addresses = Addresses(port_base)
        self.postgres = EmbeddedPostgres(
            self.directory.path, self.addresses.port("postgres"), log_file=self.directory.logs / "postgres.log"
        )
        self._entrypoints = entrypoints or Entrypoints()
        self.dagster = DagsterApi(self.addresses.url("dagster"), location=self._entrypoints.definitions)
        self._feed_url = feed_url
        self._feed = feed.absolute() if feed else None
        self._first_day = first_day
        self._live = live
        self._weather = weather
        self._caller = dict(os.environ if environment is None else environment)
        asked = spark or self._caller.get("FORECASTING_TABLE_STORE") == "spark"
        self._spark = asked or self.directory.spark.exists()
        self._spark_remote = address_of(self.addresses.port(SPARK), token_urlsafe())
        self._children = ChildProcesses(self.directory.record_processes)
        self._stack = contextlib.ExitStack()
        self._programs: Programs | None = None

    def __enter__(self) -> "EmbeddedPlatform":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def seconds(self) -> Mapping[str, float]:
        """How long after the start each part answered."""
        return self._children.seconds

    @property
    def feed_url(self) -> str:
        """The URL that the platform loads from."""
        if self._feed is not None:
            return self._feed.as_uri()
        return self._feed_url or f"{self.addresses.url('feed')}/feed"

    @property
    def _is_simulated(self) -> bool:
        return self._feed_url is None and self._feed is None

    @property
    def endpoints(self) -> dict[str, str]:
        """The URLs of `dagster`, `mlflow`, `app` and `feed`, and the DSN of `postgres` with its password."""
        urls = {service: self.addresses.url(service) for service in ("dagster", "mlflow", "app")}
        return {**urls, "postgres": self.postgres.dsn("forecasting"), "feed": self.feed_url}

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of its processes and commands, besides addresses."""
        weather = weather_settings(self.addresses) if self._weather else {}
        spark = spark_settings(self.directory, self._spark_remote) if self._spark else {}
        if "FORECASTING_SPARK_CONF" in self._caller:
            spark.pop("spark_conf", None)
        # Commands are started from elsewhere, and ask for the same model.
        name = self._caller.get("FORECASTING_MODEL_NAME")
        model = {"model_name": name} if name else {}
        described = {"feeds" if self._feed.is_dir() else "feed": str(self._feed)} if self._feed else {}
        return {**weather, **spark, **model, **described, **self._first_partition}

    @property
    def _first_partition(self) -> dict[str, Any]:
        if self._caller.get("FORECASTING_FIRST_PARTITION_DATE"):
            return {}
        first = self.directory.first_day(self._first_day)
        return {"first_partition_date": first.isoformat()} if first else {}

    def start(self, progress: Progress = silent, *, before_daemon: Callable[[], None] | None = None) -> None:
        """Start everything and return when everything answers.

        Args:
            progress: told a line for each part that answers.
            before_daemon: called when Dagster answers and its daemon does not run yet.

        Raises:
            PlatformStateError: a port is taken, the directory is in use or cannot be written, or a
                process died or did not answer in time. Stop (or leave the `with` block) afterwards.
        """
        self.start_services(progress)
        if before_daemon is not None:
            before_daemon()
        self.start_daemon(progress)
        self.wait_until_ready(progress)

    def start_services(self, progress: Progress = silent) -> None:
        """Start everything but the daemon; return when Dagster and the feed answer.

        Raises:
            PlatformStateError: see `start`.
            ConfigurationError: tables are to be in Spark, which is not installed.
        """
        programs = self._programs = self._prepared_programs(progress, SERVICES)
        dagster = [self._children.start(each) for each in (programs.code_server(), programs.web_server(self.dagster))]
        needed = [*dagster, *self._launch_stores(programs)]
        self._children.start(programs.mlflow())
        self._children.start(programs.app())
        self._children.wait_for(needed, progress)
        self._take_up_tables(progress)
        self._publish(self.endpoints)

    def start_stores(self, progress: Progress = silent) -> dict[str, str]:
        """Start what Dagster's runs need and no part of Dagster: Postgres, MLflow, the simulated feed.

        Returns:
            The environment of a Dagster that somebody else starts.

        Raises:
            PlatformStateError: see `start`.
        """
        programs = self._prepared_programs(progress, STORES)
        self._launch_stores(programs)
        self._children.start(programs.mlflow())
        self._children.wait_for(self._children, progress)
        self._take_up_tables(progress)
        self._publish({name: url for name, url in self.endpoints.items() if name in STORES})
        return programs.dagster_environment

    def _launch_stores(self, programs: Programs) -> list[ChildProcess]:
        spark = [programs.spark()] if self._spark else []
        feed = [programs.feed()] if self._is_simulated else []
        return [self._children.start(program) for program in (*spark, *feed)]

    def _take_up_tables(self, progress: Progress) -> None:
        if self._spark and take_up_tables(self.directory, Settings(**self.settings)):
            progress("the tables of the backup are in Spark again")

    def _publish(self, endpoints: Mapping[str, str]) -> None:
        """Write where other processes find what answers now."""
        self._stack.callback(self.directory.remove_endpoints)
        self.directory.write_settings(self.settings)
        self.directory.write_endpoints(endpoints)

    def start_daemon(self, progress: Progress = silent) -> None:
        """Start Dagster's daemon without waiting for it.

        Raises:
            PlatformStateError: the services were not started, or a process died.
        """
        if self._programs is None:
            raise PlatformStateError("the daemon needs the services: call start_services first")
        self._children.start(self._programs.daemon(self.dagster))
        progress("Dagster's daemon starts")

    def wait_until_ready(self, progress: Progress = silent) -> None:
        """Return when everything that was started answers.

        Raises:
            PlatformStateError: a process died, or did not answer in time.
        """
        self._children.wait_for(self._children, progress)

    def look(self, progress: Progress = silent) -> None:
        """Report what has become ready since the last call, without waiting.

        Raises:
            PlatformStateError: a process died, or did not answer in time; named, with the end of its log.
        """
        self._children.look(progress)

    def watch(self) -> None:
        """Block while all processes are alive.

        Raises:
            PlatformStateError: a process died; named, with the end of its log.
        """
        while True:
            self.look()
            self.directory.bound_logs()
            time.sleep(WATCH_SECONDS)

    def stop(self) -> None:
        """Stop everything, the last started first and Postgres last; safe to call at any time."""
        self._programs = None
        self._stack.close()

    def _claim(self, progress: Progress, parts: Sequence[str]) -> None:
        """Check that everything can be started, before anything is started."""
        self._children.start_clock()
        self._stack.callback(self.directory.release)
        self.directory.claim()
        for leftover in self.directory.stop_leftovers():
            progress(f"stopped {leftover}, left by an earlier platform")
        self._stack.callback(self.directory.stop_leftovers)
        if self._spark:
            require_pyspark()
            self.directory.keep_tables_in_spark()
        services = [service for service in parts if service != "feed" or self._is_simulated]
        services += [SPARK] if self._spark else []
        require_free_ports({self.addresses.port(service): service for service in services})

    def _prepared_programs(self, progress: Progress, parts: Sequence[str]) -> Programs:
        """Check that these parts can be started, start Postgres with its databases, write what the programs need."""
        self._claim(progress, parts)
        self._stack.callback(self._children.stop)
        is_new = not (self.directory.path / "postgres").exists()
        database = self.postgres.launch()
        self._children.append(database)
        self._children.wait_for([database], progress)
        prepare_databases(self.postgres)
        # A socket's path may have about 100 characters, which a data directory's may exceed.
        sockets = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dagster-")))
        environment, socket_file = self._environment(), sockets / "code.sock"
        programs = Programs(
            self.directory, self.addresses, environment, self.postgres.role_dsn, self._entrypoints, socket_file
        )
        programs.write_dagster_home()
        if is_new:
            record_releases(self.directory.path)
        migrate_directory(self.directory.path, {**environment, **stores_to_migrate(self.postgres)}, progress)
        prepare_schema(self.postgres.dsn("forecasting"))
        return programs

    def _environment(self) -> Mapping[str, str]:
        return platform_environment(
            self.directory,
            self.addresses,
            feed_url="" if self._feed else self.feed_url,
            live=self._live,
            caller=self._caller,
            # Feeds that the caller's environment describes are not asked for here.
            settings={"feed": "", "feeds": "", **self.settings},
        )
