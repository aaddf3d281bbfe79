"""What a platform's databases and folders grow by in a year, with five series: measured over simulated nights.

`make bench NAME=growth`; `FULL=0` lives 3 nights after 400 days instead of 10 after 2,000. The embedded platform loads,
trains, promotes, and trains a challenger; then each night loads its day with the look-back window before it, and
sensors forecast it with both versions, match errors and check. Then it answers requests, and rests. A year is 365
nights and 24 trainings. Bytes of a row are those of its table with indexes, packed (`VACUUM FULL`) at the end; space
that replaced rows leave is used again. The simulated feed has four series, so tables that grow with the series are
taken 5/4 times.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import requests
from psycopg import sql

from benchmarks.local_server import free_ports, open_directory
from benchmarks.results_file import report
from forecasting_platform.adapters.feeds.simulated_gas_supply import SERIES
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.databases import DATABASES
from forecasting_platform.local.main_job import LOAD_ASSETS, MainJob
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform.settings import Settings

FULL = os.environ.get("FULL", "1") != "0"
FIRST_DAY = date(2018, 1, 1)
HISTORY, NIGHTS = (2_000, 10) if FULL else (400, 3)
LOOK_BACK = timedelta(days=Settings().load_look_back_days - 1)
REQUESTS = 200
REST_SECONDS = 120.0
DEADLINE_SECONDS = 1_800.0
NIGHTS_A_YEAR, TRAININGS_A_YEAR = 365, 24
BY_SERIES = tuple(
    f"forecasting.{table}"
    for table in ("raw_observations", "feature_table", "forecasts", "forecast_errors", "prediction_log")
)
FIVE_SERIES = 5 / len(SERIES)
FOLDERS = ("feed-archive", "data-docs", "dagster/storage", "mlflow", "logs")
BOUNDED = {
    "dagster.job_ticks": "1 day",
    "forecasting.prediction_log": "400 days",
    "forecasting.quarantined_observations": "400 days",
    "forecasting.alerts": "400 days",
    "forecasting.alert_messages": "400 days",
    "data-docs": "366 pages",
    "dagster/storage": "90 days",
    "feed-archive": "400 days",
    "logs": "64 MB a process",
}
"""What bounds it; the others only grow."""

Amounts = dict[str, int]
"""Rows of each table, and bytes of each folder."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A platform's amounts before and after something, so often."""

    before: Amounts
    after: Amounts
    times: float

    def of(self, name: str) -> float:
        """What one time added."""
        return (self.after.get(name, 0) - self.before.get(name, 0)) / self.times


def amounts(platform: EmbeddedPlatform) -> Amounts:
    """Rows of every table and bytes of every folder now."""
    found = {f"{database}.{table}": rows for database in DATABASES for table, rows in _rows(platform, database).items()}
    return found | {name: _bytes_below(platform.directory.path / name) for name in FOLDERS}


def _rows(platform: EmbeddedPlatform, database: str) -> Amounts:
    with psycopg.connect(platform.postgres.dsn(database)) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'forecasting')"
        ).fetchall()
        count = sql.SQL("SELECT count(*) FROM {}")
        return {
            table: int((connection.execute(count.format(sql.Identifier(schema, table))).fetchone() or (0,))[0])
            for schema, table in tables
        }


def bytes_of_rows(platform: EmbeddedPlatform) -> dict[str, float]:
    """Bytes of a row of each table, with its share of indexes; packs the tables first."""
    found: dict[str, float] = {}
    for database in DATABASES:
        with psycopg.connect(platform.postgres.dsn(database), autocommit=True) as connection:
            connection.execute("VACUUM (FULL)")
            sizes = connection.execute(
                "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' "
                "AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'forecasting'))"
            ).fetchall()
        rows = _rows(platform, database)
        found |= {f"{database}.{table}": size / rows[table] for table, size in sizes if rows.get(table)}
    return found


def _bytes_below(folder: Path) -> int:
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(directory, name).stat().st_size
            except FileNotFoundError:  # it was being written
                continue
    return total


def wait_until(what: str, is_there: Callable[[], bool], platform: EmbeddedPlatform) -> None:
    """Wait, and notice a process that dies meanwhile."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_there():
        platform.look()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {DEADLINE_SECONDS:g} s")
        time.sleep(1.0)


def night(platform: EmbeddedPlatform, day: date) -> None:
    """Load a day with the window before it; wait until its forecasts and errors are there."""
    dagster = platform.dagster
    backfill = dagster.launch_backfill(LOAD_ASSETS, DateRange(day - LOOK_BACK, day))
    dagster.wait_for_backfill(backfill, deadline_seconds=DEADLINE_SECONDS, meanwhile=platform.look)
    wait_until(f"forecasts of {day}", lambda: day in dagster.materialized_days("forecast_errors"), platform)


def train(platform: EmbeddedPlatform) -> None:
    """Train a challenger, and wait until it is decided on."""
    decided = _rows(platform, "forecasting")["promotion_decisions"]
    run = platform.dagster.launch_job("training_job")
    platform.dagster.wait_for_run(run, deadline_seconds=DEADLINE_SECONDS, meanwhile=platform.look)
    wait_until("a decision", lambda: _rows(platform, "forecasting")["promotion_decisions"] > decided, platform)


def ask(platform: EmbeddedPlatform, last_day: date) -> None:
    """Ask the app for the next 15 days of all series, again and again, and wait until all is logged."""
    before = _rows(platform, "forecasting")["prediction_log"]
    body = {"start": (last_day + timedelta(days=1)).isoformat(), "end": (last_day + timedelta(days=15)).isoformat()}
    rows = 0
    for _ in range(REQUESTS):
        answer = requests.post(f"{platform.endpoints['app']}/predict", json=body, timeout=60)
        answer.raise_for_status()
        rows += len(answer.json()["forecasts"])
    wait_until("the log", lambda: _rows(platform, "forecasting")["prediction_log"] >= before + rows, platform)


def main() -> None:
    """Live some nights and report."""
    days = DateRange(FIRST_DAY, FIRST_DAY + timedelta(days=HISTORY - 1))
    with open_directory() as folder, EmbeddedPlatform(folder / "platform", free_ports(5)) as platform:
        platform.start_services()
        job = MainJob(platform.dagster, platform.endpoints["app"], days, print, platform.look)
        backfill = job.submit_load()
        platform.start_daemon()
        job.finish(backfill)
        night(platform, days.end + timedelta(days=1))  # the first one makes the errors of the days before, too
        steps = [amounts(platform)]
        train(platform)
        steps.append(amounts(platform))
        for number in range(2, NIGHTS + 2):
            night(platform, days.end + timedelta(days=number))
        steps.append(amounts(platform))
        ask(platform, days.end + timedelta(days=NIGHTS + 1))
        steps.append(amounts(platform))
        time.sleep(REST_SECONDS)
        steps.append(amounts(platform))
        packed = bytes_of_rows(platform)
    a_training = Grown(steps[0], steps[1], 1)
    a_night = Grown(steps[1], steps[2], NIGHTS)
    a_request = Grown(steps[2], steps[3], REQUESTS)
    a_day_of_rest = Grown(steps[3], steps[4], REST_SECONDS / 86_400)
    rows = [_row(name, packed.get(name, 1.0), a_night, a_training, a_request, a_day_of_rest) for name in steps[-1]]
    grown = [row for row in rows if row["MB a year"] or row["bytes a request"]]
    grown.sort(key=lambda row: row["MB a year"], reverse=True)
    report("growth", grown, [])


def _row(
    name: str, unit: float, a_night: Grown, a_training: Grown, a_request: Grown, a_day_of_rest: Grown
) -> dict[str, Any]:
    share = FIVE_SERIES if name in BY_SERIES else 1.0
    # What the clock writes is measured at rest; the rest of a night is its load, forecasts and checks.
    nightly = a_day_of_rest if name in {"dagster.job_ticks", "logs"} else a_night
    rows_a_night, rows_a_training = (max(0.0, grown.of(name)) * share for grown in (nightly, a_training))
    bytes_a_year = (NIGHTS_A_YEAR * rows_a_night + TRAININGS_A_YEAR * rows_a_training) * unit
    return {
        "what": name,
        "rows a night": None if name in FOLDERS else round(rows_a_night, 1),
        "bytes a row": None if name in FOLDERS else round(unit),
        "kB a night": round(rows_a_night * unit / 1e3, 1),
        "kB a training": round(rows_a_training * unit / 1e3, 1),
        "bytes a request": round(a_request.of(name) * share * unit) if name == "forecasting.prediction_log" else 0,
        "MB a year": round(bytes_a_year / 1e6, 1),
        "bounded by": BOUNDED.get(name, ""),
    }


if __name__ == "__main__":
    main()
