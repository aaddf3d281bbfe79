"""What dies on a running platform, and what goes on: of `docs/reliability.md` what the kill tests try by hundreds."""

import os
import signal
from datetime import date

import pytest

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.slow

DAYS = DateRange(date(2018, 1, 1), date(2018, 1, 3))


def test_a_run_whose_worker_is_killed_is_retried_and_its_days_are_there(
    running_platform: tuple[EmbeddedPlatform, str],
) -> None:
    dagster = running_platform[0].dagster
    status = dagster.wait_for_backfill(
        dagster.launch_backfill(["dies_once"], DAYS), deadline_seconds=2 * PATIENCE_SECONDS
    )
    assert status.succeeded, status
    assert dagster.materialized_days("dies_once") == set(DAYS)


def test_a_daemon_that_is_killed_loses_no_backfill_and_launches_none_twice(
    running_platform: tuple[EmbeddedPlatform, str],
) -> None:
    running = running_platform[0]
    running.wait_until_ready()
    (daemon,) = (child for child in running._children if child.program.name == "Dagster's daemon")
    backfill = running.dagster.launch_backfill(["observations"], DAYS)
    assert daemon.pid is not None
    os.kill(daemon.pid, signal.SIGKILL)
    wait_until("the end of the daemon", lambda: not daemon.is_running)
    daemon.stop()
    daemon.start()
    status = running.dagster.wait_for_backfill(backfill, deadline_seconds=2 * PATIENCE_SECONDS)
    assert status.succeeded, status
    assert len(status.run_ids) == 1
    daemon.wait_until_ready()
