"""What one daily tick costs: the look-back window, every day there is, and the comparison of feed and table.

`make bench NAME=ticks`: load and features of four simulated series as one run each, on an embedded Postgres
that holds Dagster's instance (as `dagster.yaml` sets it up) and the tables. Checks are left out. Rows and
bytes are what the run adds to Dagster's database. Seconds are CPU of the run's own process: its start and
Postgres are not in them.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import psycopg

from benchmarks.results_file import Aim, report
from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.adapters.local_engine import LocalEngine
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import DAILY
from forecasting_platform.forecasting.series.quality.reconciliation import differing_values
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.jobs import load_job
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.services.loading.feed_loads import FeedLoads
from forecasting_platform.settings import Settings

ALL = DateRange(date(2018, 1, 1), date(2023, 6, 30))
WINDOW = DateRange(date(2023, 5, 31), date(2023, 6, 30))
PORT = 24791


class Feed:
    """The simulated supply, simulated once."""

    def __init__(self) -> None:
        wide = simulate_gas_supply(ALL).rename_axis(index="ds", columns="unique_id")
        self.values = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")[["unique_id", "ds", "y"]]

    def fetch(self, period: DateRange) -> FeedDocument:
        """The days asked for."""
        inside = self.values["ds"].between(pd.Timestamp(period.start), pd.Timestamp(period.end))
        nothing = pd.DataFrame({name: pd.Series(dtype=object) for name in ("unique_id", "ds", "reason", "raw")})
        return FeedDocument("simulated", datetime.now(UTC), "0" * 64, 1, self.values[inside], nothing)


@contextmanager
def platform() -> Iterator[tuple[dg.DagsterInstance, str]]:
    """Dagster's instance on Postgres, and the DSN of its database."""
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "1000"
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder / "postgres", PORT) as server:
            server.create_database("dagster")
            dsn = server.dsn("dagster")
            os.environ["DAGSTER_POSTGRES_URL"] = dsn.replace("postgresql://", "postgresql+psycopg2://")
            (folder / "home").mkdir()
            shutil.copy(Path(__file__).parents[1] / "dagster.yaml", folder / "home" / "dagster.yaml")
            with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
                yield instance, dsn
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stored(dsn: str) -> tuple[int, int]:
    """Rows of the event log, and bytes of the database."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*), pg_database_size(current_database()) FROM event_logs").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def main() -> None:
    """Measure and report."""
    feed, rows = Feed(), []
    with platform() as (instance, dsn):
        store = PostgresTableStore(dsn)
        store.prepare()
        definitions = dg.Definitions(
            [raw_observations, feature_table],
            jobs=[load_job],
            resources={
                "observation_feed": feed,
                "table_store": store,
                "engine": LocalEngine(store, lambda: store),
                "settings": Settings(),
                "calendars": DAILY,
                "feed_loads": FeedLoads(None),
            },
        )
        job = definitions.resolve_job_def("load_job")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        for name, days in (("first load", ALL), ("every day again", ALL), ("look-back window", WINDOW)):
            (events, size), began = stored(dsn), time.process_time()
            job.execute_in_process(instance=instance, tags=range_tags(days), run_config=quiet)
            seconds = time.process_time() - began
            after = stored(dsn)
            rows.append(_row(name, len(days), seconds, after[0] - events, after[1] - size))
        began = time.process_time()
        differing_values(feed.fetch(ALL).observations, store.read_observations(ALL))
        rows.append(_row("comparison alone", len(ALL), time.process_time() - began, 0, 0))
        store.close()
    aims = [
        Aim(
            "CPU seconds of a comparison of every day",
            rows[-1]["CPU seconds"],
            "<= 0.5",
            rows[-1]["CPU seconds"] <= 0.5,
        )
    ]
    report("ticks", rows, aims)


def _row(name: str, days: int, seconds: float, events: int, size: int) -> dict[str, Any]:
    return {
        "what": name, "days": days, "CPU seconds": round(seconds, 2), "events": events,
        "megabytes": round(size / 1e6, 2), "megabytes a year of nights": round(size * 365 / 1e6),
    }  # fmt: skip


if __name__ == "__main__":
    main()
