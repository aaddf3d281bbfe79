"""Dagster's real processes on a Postgres and a feed, killed one by one, and what must hold afterwards.

A killed process is started again, as a service manager does it; its orphans go on. Here it is the run's way through
daemon, code server and worker that is disturbed; `arena` disturbs the load itself, and much more often.
"""

import contextlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Literal, Self, TypeVar, get_args

import psutil
import psycopg

from forecasting_platform.adapters.postgres.roles import prepare_schema
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import UnavailableError
from forecasting_platform.feed_wiring import feed_at
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import OBSERVATIONS
from forecasting_platform.local.dagster.answers import DagsterRequestError
from forecasting_platform.local.dagster.api import DagsterApi
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.databases import prepare_databases
from forecasting_platform.local.environment import Addresses, platform_environment
from forecasting_platform.local.main_job import LOAD_ASSETS
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.local.processes import ChildProcess, Program
from forecasting_platform.local.programs import Entrypoints, Programs
from forecasting_platform.settings import Settings

Victim = Literal["worker", "fork server", "code server", "daemon", "postgres", "everything"]
LOADED_DAYS = 30
FIRST_DAY = date(2018, 1, 1)
IN_PROGRESS = ("NOT_STARTED", "STARTING", "STARTED", "QUEUED", "CANCELING")
QUIET_SECONDS = 12.0
"""Runs are settled when none was in progress for this long: a failed one is retried within 5 s."""
SETTLE_SECONDS = 400.0
REQUESTS_THAT_MAY_FAIL = 5
Answer = TypeVar("Answer")


@dataclass(slots=True)
class StageOutcome:
    """What one kill on the stage left.

    Attributes:
        runs: the statuses of the runs of the load, the first one first.
        settled_seconds: from the kill until nothing was in progress.
        repeated: whether the load had to be asked for again.
    """

    victim: Victim
    runs: list[str] = field(default_factory=list)
    settled_seconds: float = 0.0
    repeated: bool = False
    broken: list[str] = field(default_factory=list)


class Stage:
    """Postgres, feed, code server, web server and daemon; a context manager.

    Args:
        directory: which every account may enter.
        port_base: of five free ports.
    """

    def __init__(self, directory: Path, port_base: int) -> None:
        self._directory = DataDirectory(directory)
        self._addresses = Addresses(port_base)
        self._postgres = EmbeddedPostgres(directory, self._addresses.port("postgres"), settings={"fsync": "off"})
        self.dagster = DagsterApi(self._addresses.url("dagster"))
        self._children: dict[str, ChildProcess] = {}
        self._stack = contextlib.ExitStack()
        self._next_day = FIRST_DAY

    def __enter__(self) -> Self:
        self._directory.claim()
        self._stack.callback(self._stop)
        sockets = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="kill-")))
        self._postgres.start()
        prepare_databases(self._postgres)
        prepare_schema(self._postgres.dsn("forecasting"))
        programs = Programs(
            self._directory,
            self._addresses,
            self._environment(),
            self._postgres.role_dsn,
            Entrypoints(),
            sockets / "code.sock",
        )
        programs.write_dagster_home()
        self._programs: dict[str, Program] = {
            "feed": programs.feed(),
            "code server": programs.code_server(),
            "web server": programs.web_server(self.dagster),
            "daemon": programs.daemon(self.dagster),
        }
        for name in self._programs:
            self._start(name)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def suffer(self, victim: Victim, chosen: random.Random, run_seconds: float) -> StageOutcome:
        """Load the next days, kill at a random moment within `run_seconds`, and see where it settles."""
        days = DateRange(self._next_day, self._next_day + timedelta(days=LOADED_DAYS - 1))
        self._next_day = days.end + timedelta(days=1)
        outcome = StageOutcome(victim)
        self._ask_for(days)
        time.sleep(chosen.random() * run_seconds)
        self._kill(victim)
        killed_at = time.monotonic()
        if not self._settle():
            outcome.broken.append(f"a run is still in progress after {SETTLE_SECONDS:g} s: {self._statuses()}")
        outcome.settled_seconds = time.monotonic() - killed_at
        outcome.runs = self._statuses_of(days)
        if "SUCCESS" not in outcome.runs:
            outcome.repeated = True
            self._ask_for(days)
            self._settle()
        outcome.broken += self._what_it_broke(days)
        return outcome

    def seconds_of_a_run(self) -> float:
        """How long it takes undisturbed from asking to success."""
        began = time.monotonic()
        days = DateRange(self._next_day, self._next_day + timedelta(days=LOADED_DAYS - 1))
        self._next_day = days.end + timedelta(days=1)
        run = self._ask_for(days)
        self.dagster.wait_for_run(run, deadline_seconds=SETTLE_SECONDS)
        return time.monotonic() - began

    def _ask_for(self, days: DateRange) -> str:
        tags = {
            "dagster/asset_partition_range_start": str(days.start),
            "dagster/asset_partition_range_end": str(days.end),
        }
        return _asked_again(partial(self.dagster.launch_job, "load_job", tags=tags))

    # --- killing ---

    def _kill(self, victim: Victim) -> None:
        """Kill without warning, and start again what a service manager would."""
        if victim in {"worker", "fork server"}:
            for process in self._workers() if victim == "worker" else self._fork_servers():
                process.kill()
            return
        servers: dict[Victim, list[str]] = {"postgres": [], "everything": ["code server", "web server", "daemon"]}
        killed = servers.get(victim, [victim])
        workers = self._workers() if victim == "everything" else []
        if victim in {"postgres", "everything"}:
            _end(self._postgres)
        for name in killed:
            _end(self._children[name])
        for worker in workers:
            worker.kill()
        if not self._postgres.is_running:
            self._postgres.start()
        for name in killed:
            self._start(name)

    def _fork_servers(self) -> list[psutil.Process]:
        """What runs are forked from, if it is there."""
        pid = self._children["code server"].pid
        found = psutil.Process(pid).children() if pid is not None and psutil.pid_exists(pid) else []
        return [child for child in found if "multiprocessing.forkserver" in " ".join(child.cmdline())]

    def _workers(self) -> list[psutil.Process]:
        return [worker for server in self._fork_servers() for worker in server.children()]

    def _start(self, name: str) -> None:
        child = ChildProcess(self._programs[name])
        self._children[name] = child
        if name == "code server":
            Path(child.program.argv[child.program.argv.index("--socket") + 1]).unlink(missing_ok=True)
        child.start()
        if name != "daemon":
            child.wait_until_ready()

    def _keep_alive(self) -> None:
        """Start again what ended by itself, such as a daemon without its database."""
        if not self._postgres.is_running:
            self._postgres.start()
        for name, child in [*self._children.items()]:
            if not child.is_running:
                self._start(name)

    def _stop(self) -> None:
        for child in reversed([*self._children.values()]):
            child.stop()
        self._directory.stop_leftovers()
        self._postgres.stop()
        self._directory.release()

    # --- what must hold ---

    def _settle(self) -> bool:
        """Wait until no run was in progress for a while; False when one still is at the deadline."""
        deadline = time.monotonic() + SETTLE_SECONDS
        quiet_since = None
        while time.monotonic() < deadline:
            self._keep_alive()
            quiet_since = None if self._is_busy() else quiet_since or time.monotonic()
            if quiet_since is not None and time.monotonic() - quiet_since > QUIET_SECONDS:
                return True
            time.sleep(0.5)
        return False

    def _is_busy(self) -> bool:
        try:
            return bool(set(self._statuses()) & set(IN_PROGRESS))
        except psycopg.OperationalError:  # Postgres comes up
            return True

    def _statuses(self) -> list[str]:
        with psycopg.connect(self._postgres.dsn("dagster")) as connection:
            return [str(status) for (status,) in connection.execute("SELECT status FROM runs ORDER BY id")]

    def _statuses_of(self, days: DateRange) -> list[str]:
        query = (
            "SELECT status FROM runs JOIN run_tags USING (run_id) "
            "WHERE key = 'dagster/asset_partition_range_start' AND value = %s ORDER BY runs.id"
        )
        with psycopg.connect(self._postgres.dsn("dagster")) as connection:
            return [str(status) for (status,) in connection.execute(query, [str(days.start)])]

    def _what_it_broke(self, days: DateRange) -> Iterator[str]:
        store = PostgresTableStore(self._postgres.dsn("forecasting"))
        rows = store.read(OBSERVATIONS, days)
        store.close()
        feed = feed_at(f"{self._addresses.url('feed')}/feed", Settings())
        expected = feed.fetch(days).observations.sort_values(["unique_id", "ds"], ignore_index=True)
        if not rows[["unique_id", "ds", "y"]].equals(expected[["unique_id", "ds", "y"]]):
            yield f"{len(rows)} rows of {days}, not the {len(expected)} of the feed, each once"
        for asset in LOAD_ASSETS:
            shown = _asked_again(partial(self.dagster.materialized_days, asset))
            if missing := [day for day in days if day not in shown]:
                yield f"{asset}: {len(missing)} days are not shown as materialized"

    def _environment(self) -> dict[str, str]:
        made = platform_environment(
            self._directory,
            self._addresses,
            feed_url=f"{self._addresses.url('feed')}/feed",
            live=False,
            caller=os.environ,
        )
        # There is no MLflow on this stage: the sensors that look at it shall say so at once.
        return {**made, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


VICTIMS: tuple[Victim, ...] = get_args(Victim)


def _end(process: ChildProcess | EmbeddedPostgres) -> None:
    """Kill a process without its children, and return when it has gone."""
    if process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    while process.is_running:
        time.sleep(0.01)


def _asked_again(ask: Callable[[], Answer]) -> Answer:
    """What the web server answers. Its pool finds out by a failed request that Postgres was started anew."""
    for _ in range(REQUESTS_THAT_MAY_FAIL):
        with contextlib.suppress(DagsterRequestError, UnavailableError):
            return ask()
    return ask()
