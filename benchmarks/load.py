"""Loading into Postgres: the store's own write against a bare COPY of the same bytes and against `to_sql`.

`make bench NAME=load`. All write the same rows (normally distributed values, seed 0) into tables with the key and
the index of `raw_observations`, on one embedded Postgres with the platform's settings, in turns; the median of the
turns counts. `COPY, no key` writes to a table without any: no store of revisions can do that, it is there to show
what the index costs. The last rows load ten million values in a process of their own and read its peak memory.
Spark is measured by `benchmarks.spark_load`.
"""

import contextlib
import io
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import sqlalchemy
from psycopg import sql

from benchmarks.local_server import free_ports, open_directory
from benchmarks.results_file import Aim, report
from forecasting_platform.adapters.postgres.blocks import copy_blocks
from forecasting_platform.adapters.postgres.schema import identifier
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import OBSERVATIONS
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres

FULL = os.environ.get("FULL", "1") != "0"
PERIOD = DateRange(date(2018, 1, 1), date(2023, 6, 30))
KNOWN_AT = datetime(2026, 1, 1, tzinfo=UTC)
# `CREATE TABLE … LIKE` with the key and the indexes of the store's own table, and without.
FLOORS = {"keyed": "INCLUDING ALL", "plain": ""}


@dataclass(frozen=True, slots=True)
class Size:
    """How many series of 2,007 days, how often each way is timed, and the ways of `to_sql`, which takes long."""

    series: int
    turns: int
    to_sql_turns: int
    to_sql_ways: tuple[str, ...] = ("to_sql",)


TO_SQL: Mapping[str, Mapping[str, Any]] = {"to_sql": {}, "to_sql, multi": {"method": "multi", "chunksize": 1000}}
SIZES = (Size(20, 9, 3, tuple(TO_SQL)), Size(1000, 3, 1)) if FULL else (Size(20, 3, 1, tuple(TO_SQL)), Size(100, 2, 1))
LARGE_SERIES = 4983 if FULL else 250  # 4,983 × 2,007 days: ten million rows


def observations(series: int) -> pd.DataFrame:
    """`unique_id`, `ds`, `y` of so many series over the period."""
    days = pd.date_range(PERIOD.start, PERIOD.end)
    names = np.array([f"Entry point {number:04}" for number in range(series)], dtype="object")
    values = np.random.default_rng(0).normal(100, 10, series * len(days))
    return pd.DataFrame({"unique_id": np.repeat(names, len(days)), "ds": np.tile(days.to_numpy(), series), "y": values})


class Database:
    """A Postgres of the platform's settings with the store's tables, and beside them those of the floor and peer."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        server.create_database("load")
        self.dsn = server.dsn("load")
        self.store = PostgresTableStore(self.dsn)
        self.store.prepare()
        self.engine = sqlalchemy.create_engine(self.dsn.replace("postgresql://", "postgresql+psycopg2://"))
        with psycopg.connect(self.dsn) as connection:
            for name, including in FLOORS.items():
                statement = sql.SQL("CREATE TABLE {} (LIKE {} {})").format(
                    sql.Identifier(name), identifier(OBSERVATIONS), sql.SQL(including)
                )
                connection.execute(statement)

    def close(self) -> None:
        """Give back the connections."""
        self.store.close()
        self.engine.dispose()

    def empty(self) -> None:
        """Truncate all tables and write out what is pending, so that no way pays for the one before."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("TRUNCATE forecasting.raw_observations, keyed, plain")
            connection.execute("CHECKPOINT")

    def bare_copy(self, table: str, content: bytes) -> None:
        """The floor: the bytes that the store would send, sent as they are in one COPY."""
        statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(table))
        stream = io.BytesIO(content)
        with psycopg.connect(self.dsn) as connection, connection.cursor().copy(statement) as copy:
            while piece := stream.read(1 << 17):
                copy.write(piece)

    def load(self, rows: pd.DataFrame, days_later: int) -> Mapping[str, int]:
        """The store's own way; what happened to the rows."""
        known_at = KNOWN_AT + timedelta(days=days_later)
        return self.store.record_observations(rows, PERIOD, available_at=known_at).totals


@contextlib.contextmanager
def database() -> Iterator[Database]:
    """A server of its own, removed afterwards."""
    with (
        open_directory() as directory,
        EmbeddedPostgres(directory, free_ports(1)) as server,
        contextlib.closing(Database(server)) as made,
    ):
        yield made


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def one_turn(made: Database, rows: pd.DataFrame, content: bytes) -> Iterator[tuple[str, float]]:
    """Each way of writing once, but `to_sql`."""
    made.empty()
    yield "COPY, no key (not comparable)", seconds(lambda: made.bare_copy("plain", content))
    made.empty()
    yield "COPY (floor)", seconds(lambda: made.bare_copy("keyed", content))
    made.empty()
    yield "ours, first load", seconds(lambda: made.load(rows, 0))
    yield "ours, nothing changed", seconds(lambda: made.load(rows, 1))
    revised = rows.assign(y=rows["y"].where(rows.index % 100 != 0, rows["y"] + 1.0))
    yield "ours, 1 % revised", seconds(lambda: made.load(revised, 2))


def to_sql_turn(made: Database, rows: pd.DataFrame, ways: Sequence[str]) -> Iterator[tuple[str, float]]:
    """`to_sql` as it is, and with the option that is most often advised."""
    stamped = rows.assign(available_at=KNOWN_AT)
    for way in ways:
        made.empty()
        write = partial(stamped.to_sql, "keyed", made.engine, if_exists="append", index=False, **TO_SQL[way])
        yield way, seconds(write)


def measure(made: Database, size: Size) -> list[dict[str, Any]]:
    """One row a way: median seconds, rows a second, spread."""
    rows = observations(size.series)
    content = b"".join(copy_blocks(OBSERVATIONS, rows.assign(available_at=pd.Timestamp(KNOWN_AT))))
    times: dict[str, list[float]] = {}
    for turn in range(size.turns):
        ways = size.to_sql_ways if turn < size.to_sql_turns else ()
        found = [*one_turn(made, rows, content), *to_sql_turn(made, rows, ways)]
        for way, taken in found:
            times.setdefault(way, []).append(taken)
    return [row_of(way, size.series, len(rows), taken) for way, taken in times.items()]


def row_of(
    way: str, series: int, count: int, taken: list[float], peak_megabytes: float | None = None
) -> dict[str, Any]:
    """A row of the result; `taken` in seconds, one a turn."""
    median = statistics.median(taken)
    return {
        "store": "postgres", "series": series, "rows": count, "way": way, "seconds": median, "rows/s": count / median,
        "fastest": min(taken), "slowest": max(taken), "turns": len(taken), "peak MB": peak_megabytes,
    }  # fmt: skip


def load_much(dsn: str, answers: "multiprocessing.Queue[list[dict[str, Any]]]") -> None:
    """Load ten million rows, and again. Runs in a process of its own, whose peak memory it reads."""
    rows, store, found = observations(LARGE_SERIES), PostgresTableStore(dsn), []
    made = _peak_megabytes()
    for days_later, way in enumerate(("ours, first load", "ours, nothing changed")):
        known_at = KNOWN_AT + timedelta(days=days_later)
        began = time.perf_counter()
        store.record_observations(rows, PERIOD, available_at=known_at)
        taken = [time.perf_counter() - began]
        found.append(row_of(way, LARGE_SERIES, len(rows), taken, _peak_megabytes()))
    store.close()
    print(f"peak before the load, with the frame of {len(rows):,} rows: {made:,.0f} MB")
    answers.put(found)


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_memory(made: Database) -> list[dict[str, Any]]:
    """The rows of `load_much`, run in a new process."""
    made.empty()
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[list[dict[str, Any]]] = context.Queue()
    process = context.Process(target=load_much, args=(made.dsn, answers))
    process.start()
    found = answers.get(timeout=1800)
    process.join()
    return found


def aims_of(rows: list[dict[str, Any]], size: Size) -> Iterator[Aim]:
    """The aims for one size."""
    taken = {row["way"]: row["seconds"] for row in rows if row["series"] == size.series}
    ours = taken["ours, first load"]
    of_floor = taken["COPY (floor)"] / ours
    of_to_sql = min(taken[way] for way in size.to_sql_ways) / ours
    again = taken["ours, nothing changed"] / ours
    yield Aim(f"{size.series} series: rows/s, of bare COPY", of_floor, ">= 0.5", of_floor >= 0.5)
    yield Aim(f"{size.series} series: rows/s, times the best to_sql", of_to_sql, ">= 10", of_to_sql >= 10)
    yield Aim(f"{size.series} series: re-load of the same, of first load", again, "<= 1", again <= 1)


def main() -> None:
    """Measure and report."""
    with database() as made:
        rows = [row for size in SIZES for row in measure(made, size)]
        large = measure_memory(made)
    aims = [aim for size in SIZES for aim in aims_of(rows, size)]
    peak = max(row["peak MB"] for row in large)
    aims.append(Aim(f"{large[0]['rows']:,} rows: peak MB", peak, "<= 4096", peak <= 4096))
    report("load", [*rows, *large], aims)


if __name__ == "__main__":
    main()
