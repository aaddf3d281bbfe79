"""A backfill of 2,007 days as Dagster's UI asks for it: from the click to the last day shown as materialized.

`make bench NAME=backfill`; `FULL=0` takes 200 days. On a running embedded platform with the simulated feed (four
series), `launchPartitionBackfill` for `raw_observations` and `feature_table`; then the web server is asked again and
again for the days it shows. The parts are read from the times of the run and of its events. The first backfill loads
into empty tables, the others load the same days again.
"""

import os
import time
from collections.abc import Iterator
from datetime import date, timedelta
from statistics import median
from typing import Any

import psycopg

from benchmarks.local_server import free_ports, open_directory
from benchmarks.results_file import Aim, report
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.main_job import LOAD_ASSETS
from forecasting_platform.local.platform import EmbeddedPlatform

FULL = os.environ.get("FULL", "1") != "0"
FIRST_DAY = date(2018, 1, 1)
DAYS = DateRange(FIRST_DAY, date(2023, 6, 30) if FULL else FIRST_DAY + timedelta(days=199))
TURNS = 4 if FULL else 2
DEADLINE_SECONDS = 900.0
LOOK_SECONDS = 0.2

_MOMENTS = """
SELECT extract(epoch FROM runs.create_timestamp AT TIME ZONE 'UTC')::float8,
       min(extract(epoch FROM event.timestamp)) FILTER (WHERE dagster_event_type = 'PIPELINE_STARTING')::float8,
       min(extract(epoch FROM event.timestamp)) FILTER (WHERE dagster_event_type = 'STEP_START')::float8
FROM runs JOIN event_logs AS event USING (run_id) WHERE run_id = %s GROUP BY runs.create_timestamp
"""
_STORING = """
SELECT coalesce(sum(seconds), 0)::float8 FROM (
    SELECT max(extract(epoch FROM timestamp)) FILTER (WHERE dagster_event_type = 'STEP_SUCCESS')
         - max(extract(epoch FROM timestamp)) FILTER (WHERE dagster_event_type = 'STEP_OUTPUT') AS seconds
    FROM event_logs WHERE run_id = %s AND step_key = ANY(%s) GROUP BY step_key
) AS steps
"""


def backfill(platform: EmbeddedPlatform, turn: int) -> dict[str, Any]:
    """One backfill and its parts, in seconds."""
    seen_before = newest_materialization(platform)
    clicked = time.time()
    backfill_id = platform.dagster.launch_backfill(LOAD_ASSETS, DAYS)
    shown = wait_until_shown(platform, seen_before)
    (run_id,) = platform.dagster.wait_for_backfill(backfill_id, deadline_seconds=DEADLINE_SECONDS).run_ids
    with psycopg.connect(platform.postgres.dsn("dagster")) as connection:
        created, starting, first_step = connection.execute(_MOMENTS, [run_id]).fetchone() or (0.0, 0.0, 0.0)
        (storing,) = connection.execute(_STORING, [run_id, list(LOAD_ASSETS)]).fetchone() or (0.0,)
    return {
        "turn": "into empty tables" if turn == 0 else "the same again",
        "days": len(DAYS),
        "click to last day shown, s": shown - clicked,
        "daemon's poll": created - clicked,
        "planned events": starting - created,
        "run start": first_step - starting,
        "load": shown - first_step - storing,
        "materialization events": storing,
        "all but the poll": shown - created,
    }


def newest_materialization(platform: EmbeddedPlatform) -> int:
    """The newest event of the kind that the days are counted from."""
    query = "SELECT coalesce(max(id), 0) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
    with psycopg.connect(platform.postgres.dsn("dagster")) as connection:
        (number,) = connection.execute(query).fetchone() or (0,)
    return int(number)


def wait_until_shown(platform: EmbeddedPlatform, after: int) -> float:
    """When every day of both assets was there, by events after the given one and as the web server shows it."""
    query = "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND id > %s"
    deadline = time.monotonic() + DEADLINE_SECONDS
    with psycopg.connect(platform.postgres.dsn("dagster"), autocommit=True) as connection:
        while (connection.execute(query, [after]).fetchone() or (0,))[0] < len(DAYS) * len(LOAD_ASSETS):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the days are not shown as materialized after {DEADLINE_SECONDS:g} s")
            platform.look()
            time.sleep(LOOK_SECONDS)
    for asset in LOAD_ASSETS:
        shown = platform.dagster.materialized_partitions(asset)
        if shown < len(DAYS):
            raise ValueError(f"{asset}: the web server shows {shown} days of {len(DAYS)}")
    return time.time()


def measure() -> Iterator[dict[str, Any]]:
    """The turns on one platform."""
    with open_directory() as directory, EmbeddedPlatform(directory / "platform", free_ports(5)) as platform:
        platform.start(print)
        for turn in range(TURNS):
            row = backfill(platform, turn)
            print(row, flush=True)
            yield row


def main() -> None:
    """Measure and report."""
    rows = list(measure())
    slowest = max(row["click to last day shown, s"] for row in rows)
    ours = median(row["all but the poll"] for row in rows)
    aims = [
        Aim("click to last day shown, slowest, s", slowest, "<= 45", slowest <= 45),
        Aim("all but the daemon's poll, median, s", ours, "<= 10", ours <= 10),
    ]
    report("backfill", rows, aims)


if __name__ == "__main__":
    main()
