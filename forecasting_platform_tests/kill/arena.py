"""Where loads are disturbed: a Postgres, a feed, proxies between them and a load, and what must hold afterwards.

The state before is a load of the feed as it was published earlier (or no tables at all), the state after a load of
the feed with later days and revisions. A load may leave either, whole, and its repetition the second.
"""

import contextlib
import hashlib
import itertools
import json
import os
import random
import signal
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal, Self, get_args
from urllib.parse import urlsplit

import pandas as pd
import psycopg
import requests
from psycopg import sql

from forecasting_platform.adapters.feeds.simulated_feed import create_app
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, OBSERVATIONS, QUARANTINED_OBSERVATIONS
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.local.databases import DATABASES
from forecasting_platform.local.environment import DAGSTER_INSTANCE, EVENT_BATCH_SIZE
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform_tests.kill.loads import start_load
from forecasting_platform_tests.kill.tcp_proxy import TcpProxy
from forecasting_platform_tests.support.waiting import wait_until
from forecasting_platform_tests.support.web_servers import served

Victim = Literal["worker", "postgres", "network"]
Channel = Literal["feed", "store", "events"]
Driver = Literal["store", "dagster"]
DAYS = DateRange(date(2023, 5, 1), date(2023, 6, 30))
PUBLISHED_BEFORE, PUBLISHED_AFTER = "2023-06-10", "2023-08-31"
REFUSED_DAY = "2023-05-05"
LOAD_DEADLINE_SECONDS = 300.0
PATIENCE_SECONDS = {"worker": 0.0, "postgres": 8.0, "cut": 8.0, "block": 0.3}
"""How long a load may go on after its disturbance, until it is killed."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One disturbance: `victim` suffers when a share `moment` of what `channel` carries in a load went through.

    Attributes:
        driver: what loads: a run of Dagster, or the same calls of feed and store without Dagster.
        way: how: of Postgres the signal, of the network whether it is cut or loses everything.
        from_nothing: whether the load starts without any table, instead of with earlier rows.
    """

    driver: Driver
    victim: Victim
    way: str
    channel: Channel
    moment: float
    from_nothing: bool

    @property
    def kind(self) -> str:
        """What is counted together."""
        return f"{self.driver}: {self.victim} {self.way} at a byte of {self.channel}"


WAYS: dict[Victim, tuple[str, ...]] = {
    "worker": ("SIGKILL",),
    "postgres": ("SIGKILL", "SIGQUIT"),
    "network": ("cut", "block"),
}


CHANNELS: dict[Driver, tuple[Channel, ...]] = {"store": ("feed", "store"), "dagster": ("feed", "store", "events")}


def kills(seed: int, driver: Driver) -> Iterator[Kill]:
    """Disturbances without end, the same for the same seed."""
    chosen = random.Random(seed)
    while True:
        victim: Victim = chosen.choice(get_args(Victim))
        way, channel = chosen.choice(WAYS[victim]), chosen.choice(CHANNELS[driver])
        yield Kill(driver, victim, way, channel, chosen.random(), from_nothing=chosen.random() < 0.25)


@dataclass(frozen=True, slots=True)
class State:
    """Fingerprints of what the tables hold; a table that is not there is empty."""

    observations: str
    features: str
    rows: int


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A load that nothing disturbed: the tables before and after, and how many bytes each channel carried."""

    before: State
    after: State
    carried: dict[Channel, int]


@dataclass(slots=True)
class Outcome:
    """What one disturbance left, and every promise it broke."""

    kill: Kill
    load_ended_with: int | None = None
    struck: bool = False
    """Whether the load still went on when it was disturbed."""
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0
    repetition_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Databases:
    """The two databases of one load: the platform's tables and Dagster's."""

    store: str
    dagster: str


class Arena:
    """A server, a feed, and a template of the state before; a context manager.

    Args:
        directory: which every account may enter.
        port: for Postgres.
    """

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        # What a killed process gave to the system is not lost, synced or not; only the machine's own end loses that.
        self._server = EmbeddedPostgres(directory, port, settings={"fsync": "off"})
        self._stack = contextlib.ExitStack()
        self._numbers = itertools.count()
        self._undisturbed: dict[tuple[Driver, bool], Undisturbed] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._server)
            feed = urlsplit(stack.enter_context(served(create_app(today=date(2023, 8, 31)))))
            self._feed = (str(feed.hostname), int(feed.port or 0))
            self._fail_one_value()
            self._home().mkdir()
            (self._home() / "dagster.yaml").write_text(json.dumps(DAGSTER_INSTANCE), encoding="utf-8")
            self._make_templates()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def suffer(self, kill: Kill) -> Outcome:
        """Disturb a load, look, repeat it, and look again."""
        began, outcome = time.monotonic(), Outcome(kill)
        expected = self._expected(kill)
        with self._databases(kill) as databases:
            run_id = _new_run(kill.driver)
            carried = expected.carried[kill.channel]
            outcome.load_ended_with, outcome.struck = self._disturbed_load(kill, databases, run_id, carried)
            outcome.broken += self._what_a_disturbed_load_broke(databases, run_id, expected)
            repeated_at = time.monotonic()
            ended_with = self._load(databases, PUBLISHED_AFTER, _new_run(kill.driver))
            outcome.repetition_seconds = time.monotonic() - repeated_at
            outcome.broken += self._what_its_repetition_broke(kill, databases, ended_with, expected)
        outcome.seconds = time.monotonic() - began
        return outcome

    # --- what must hold ---

    def _what_a_disturbed_load_broke(
        self, databases: Databases, run_id: str | None, expected: Undisturbed
    ) -> Iterator[str]:
        found = self._state(databases)
        shown = self._materialized(databases, run_id) if run_id else {}
        for table, asset in (("observations", "raw_observations"), ("features", "feature_table")):
            before, after, now = (getattr(state, table) for state in (expected.before, expected.after, found))
            if now not in {before, after}:
                yield f"{table}: neither the state before nor the state after"
            if now != after and shown.get(asset):
                yield f"{asset}: {shown[asset]} days are shown as materialized whose rows are not there"

    def _what_its_repetition_broke(
        self, kill: Kill, databases: Databases, ended_with: int | None, expected: Undisturbed
    ) -> Iterator[str]:
        if ended_with != 0:
            yield f"the repetition ended with {ended_with}"
        if self._state(databases) != expected.after:
            yield "the tables after the repetition are not those of an undisturbed load"
        if kill.driver == "dagster":
            shown = self._materialized(databases)
            if shown != {"raw_observations": len(DAYS), "feature_table": len(DAYS)}:
                yield f"days shown as materialized after the repetition: {shown}, of {len(DAYS)}"

    def _state(self, databases: Databases) -> State:
        store = PostgresTableStore(self._server.dsn(databases.store))
        try:
            observations = _read(store, OBSERVATIONS).drop(columns="available_at")
            refused = _read(store, QUARANTINED_OBSERVATIONS).drop(columns="available_at")
            versions = observations.groupby(["unique_id", "ds"]).cumcount()
            features = _read(store, FEATURE_TABLE)
        finally:
            store.close()
        rows = len(observations)
        return State(_fingerprint(observations.assign(version=versions), refused), _fingerprint(features), rows)

    def _materialized(self, databases: Databases, run_id: str | None = None) -> dict[str, int]:
        """Days of each asset that Dagster shows as materialized, by any run or by one."""
        with psycopg.connect(self._server.dsn(databases.dagster)) as connection:
            rows = connection.execute(
                "SELECT asset_key, count(DISTINCT partition) FROM event_logs "
                "WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND (%(run)s::text IS NULL OR run_id = %(run)s) "
                "GROUP BY asset_key",
                {"run": run_id},
            ).fetchall()
        return {json.loads(key)[0]: days for key, days in rows}

    # --- a load, undisturbed and disturbed ---

    def _expected(self, kill: Kill) -> Undisturbed:
        """What an undisturbed load does, found out once for each way to load."""
        way = (kill.driver, kill.from_nothing)
        if way not in self._undisturbed:
            with self._databases(kill) as databases, self._proxies() as proxies:
                before = self._state(databases)
                if self._load(databases, PUBLISHED_AFTER, _new_run(kill.driver), proxies) != 0:
                    raise AssertionError(f"an undisturbed load failed; see {self._log}")
                carried = {channel: proxy.forwarded for channel, proxy in proxies.items()}
                self._undisturbed[way] = Undisturbed(before, self._state(databases), carried)
        return self._undisturbed[way]

    def _load(
        self,
        databases: Databases,
        published: str,
        run_id: str | None,
        proxies: Mapping[Channel, TcpProxy] | None = None,
    ) -> int | None:
        """Load and wait; how the process ended."""
        process = start_load(DAYS, run_id, self._environment(databases, published, proxies or {}), self._log)
        process.join(LOAD_DEADLINE_SECONDS)
        process.kill()
        process.join()
        return process.exitcode

    def _disturbed_load(
        self, kill: Kill, databases: Databases, run_id: str | None, carried: int
    ) -> tuple[int | None, bool]:
        """How the process ended, and whether it was there to be disturbed."""
        after_bytes = int(kill.moment * carried)
        with self._proxies() as proxies:
            proxy = proxies[kill.channel]
            proxy.after_bytes = after_bytes
            proxy.trouble = kill.way if kill.victim == "network" else "none"  # type: ignore[assignment] # ways of networks
            environment = self._environment(databases, PUBLISHED_AFTER, proxies)
            process = start_load(DAYS, run_id, environment, self._log)
            is_over = f"byte {after_bytes} of {kill.channel}, or the end of the load"
            wait_until(
                is_over,
                lambda: proxy.forwarded >= after_bytes or not process.is_alive(),
                LOAD_DEADLINE_SECONDS,
                poll_seconds=0.001,
            )
            struck = process.is_alive()
            if kill.victim == "postgres" and self._server.pid is not None:
                os.kill(self._server.pid, getattr(signal, kill.way))
            process.join(PATIENCE_SECONDS.get(kill.way if kill.victim == "network" else kill.victim))
            process.kill()
            process.join()
        if kill.victim == "postgres":
            self._server.start()
        return process.exitcode, struck

    @contextlib.contextmanager
    def _proxies(self) -> Iterator[dict[Channel, TcpProxy]]:
        postgres = ("127.0.0.1", self._server.port)
        with contextlib.ExitStack() as stack:
            targets: dict[Channel, tuple[str, int]] = {"feed": self._feed, "store": postgres, "events": postgres}
            yield {channel: stack.enter_context(TcpProxy(target)) for channel, target in targets.items()}

    def _environment(self, databases: Databases, published: str, proxies: Mapping[Channel, TcpProxy]) -> dict[str, str]:
        addresses = {channel: proxy.address for channel, proxy in proxies.items()}
        feed_host, feed_port = addresses.get("feed", self._feed)
        dagster = _through(self._server.dsn(databases.dagster), addresses.get("events"))
        return {
            "DAGSTER_HOME": str(self._home()),
            "DAGSTER_POSTGRES_URL": dagster.replace("postgresql://", "postgresql+psycopg2://"),
            "DAGSTER_EVENT_BATCH_SIZE": EVENT_BATCH_SIZE,
            "FORECASTING_POSTGRES_DSN": _through(self._server.dsn(databases.store), addresses.get("store")),
            "FORECASTING_FEED_URL": f"http://{feed_host}:{feed_port}/feed?as_of={published}",
            "FORECASTING_FEED_TIMEOUT_SECONDS": "30",
            "NO_PROXY": "127.0.0.1",
        }

    # --- databases ---

    @contextlib.contextmanager
    def _databases(self, kill: Kill) -> Iterator[Databases]:
        """Databases of its own for a load, with the state before; Dagster's only where Dagster loads."""
        number, origin = next(self._numbers), "nothing" if kill.from_nothing else "template"
        made = Databases(f"store_{number}", f"dagster_{number}")
        kinds = {made.store: "forecasting"} | ({made.dagster: "dagster"} if kill.driver == "dagster" else {})
        for name, kind in kinds.items():
            # Postgres's own way forgets the numbers a sequence holds ready: after a crash it gives them again.
            self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, f"{kind}_{origin}")
            # A template's own settings are not copied.
            self._server.create_database(name, settings=DATABASES[kind])
        yield made
        for name in kinds:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _make_templates(self) -> None:
        for name in ("forecasting_nothing", "dagster_nothing", "forecasting_template"):
            self._server.create_database(name)
        self._make_dagsters_tables()
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", "dagster_template", "dagster_nothing")
        if (
            self._load(Databases("forecasting_template", "dagster_template"), PUBLISHED_BEFORE, _new_run("dagster"))
            != 0
        ):
            raise AssertionError(f"the load before failed; see {self._log}")

    def _make_dagsters_tables(self) -> None:
        """As a platform's first start does; a load does not meet Dagster without its tables."""
        from dagster import DagsterInstance

        environment = self._environment(Databases("forecasting_nothing", "dagster_nothing"), PUBLISHED_BEFORE, {})
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            with DagsterInstance.get() as instance:
                instance.get_runs(limit=1)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type] # literals

    # --- what is around ---

    def _fail_one_value(self) -> None:
        fault = {"name": "nan", "day": REFUSED_DAY}
        requests.post(f"http://127.0.0.1:{self._feed[1]}/faults", json=fault, timeout=30).raise_for_status()

    def _home(self) -> Path:
        return self._directory / "dagster"

    @property
    def _log(self) -> str:
        return str(self._directory / "loads.log")


def _new_run(driver: Driver) -> str | None:
    return str(uuid.uuid4()) if driver == "dagster" else None


def _read(store: PostgresTableStore, table: Table) -> pd.DataFrame:
    try:
        return store.read(table)
    except ConfigurationError:  # it is not there yet
        return table.empty()


def _fingerprint(*frames: pd.DataFrame) -> str:
    content = b"".join(frame.to_csv(index=False).encode() for frame in frames)
    return hashlib.sha256(content).hexdigest()


def _through(dsn: str, address: tuple[str, int] | None) -> str:
    """The DSN with the proxy's address in place of the server's."""
    return dsn if address is None else dsn.replace(f":{urlsplit(dsn).port}/", f":{address[1]}/")
