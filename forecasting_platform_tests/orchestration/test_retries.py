"""A load that nobody watches asks a part again that did not answer; other errors, and people, are told at once."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import (
    ArchiveUnavailableError,
    FeedDocumentError,
    FeedUnavailableError,
    StoreUnavailableError,
)
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import DAILY
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, QUARANTINED_OBSERVATIONS
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.orchestration import retries
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.services.loading.feed_loads import FeedLoads
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.in_process_engine import in_process

pytestmark = pytest.mark.slow

WEEK = DateRange(date(2023, 6, 5), date(2023, 6, 11))
BY_THE_SCHEDULE = {"dagster/schedule_name": "daily_load_schedule"}
BY_A_SENSOR = {"dagster/sensor_name": "reconcile_sensor"}
REFUSED = FeedDocumentError("the feed", "it is HTML", "Look at it.")


@dataclass
class Parts:
    """A feed of one series and a store in memory, which raise each of their errors once, in order."""

    feed_errors: list[Exception] = field(default_factory=list)
    store_errors: list[Exception] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.store = _FailingStore(self.store_errors)

    def fetch(self, period: DateRange) -> FeedDocument:
        self.asked += 1
        if self.feed_errors:
            raise self.feed_errors.pop(0)
        days = pd.date_range(period.start, period.end, unit="ns")
        values = pd.DataFrame({"unique_id": "a", "ds": days, "y": range(1, len(days) + 1)}).astype({"y": float})
        none = QUARANTINED_OBSERVATIONS.empty()[["unique_id", "ds", "reason", "raw"]]
        return FeedDocument("the feed", datetime(2023, 7, 1, tzinfo=UTC), "0" * 64, 1, values, none)


class _FailingStore(MemoryTableStore):
    def __init__(self, errors: list[Exception]) -> None:
        super().__init__()
        self._errors = errors

    def replace(self, table: Table, *arguments: Any, **options: Any) -> int:
        if self._errors:
            raise self._errors.pop(0)
        return super().replace(table, *arguments, **options)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTING_RETRY_WAIT_SECONDS", "0.01")


def load(parts: Parts, tags: dict[str, str]) -> tuple[dg.ExecuteInProcessResult, set[str]]:
    """Load the week; the result, and the days that Dagster shows of both assets."""
    assets = [raw_observations, feature_table]
    resources = {
        "observation_feed": parts,
        "table_store": parts.store,
        "engine": in_process(parts.store),
        "settings": Settings(),
        "calendars": DAILY,
        "feed_loads": FeedLoads(None),
    }
    job = dg.Definitions(assets, resources=resources).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, tags=range_tags(WEEK) | tags, raise_on_error=False)
        shown = [instance.get_materialized_partitions(asset.key) for asset in assets]
    return result, shown[0] & shown[1]


def waits(result: dg.ExecuteInProcessResult) -> list[float | None]:
    """The seconds before each repetition of a step."""
    return [event.step_retry_data.seconds_to_wait for event in result.all_events if event.is_step_up_for_retry]


def error_of(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    error = failed.step_failure_data.error
    assert error is not None
    return (error.cause or error).to_string()


@pytest.mark.parametrize("tags", [BY_THE_SCHEDULE, BY_A_SENSOR])
def test_a_part_that_is_back_after_a_while_costs_the_night_nothing(tags: dict[str, str]) -> None:
    away = [FeedUnavailableError("the feed", "503"), ArchiveUnavailableError("s3://feed-archive", "503")]
    parts = Parts(away, [StoreUnavailableError("Postgres", "it is restarted")])
    result, shown = load(parts, tags)
    assert result.success
    assert shown == {str(day) for day in WEEK}
    assert len(parts.store.read(FEATURE_TABLE)) == len(WEEK)
    assert parts.asked == 3
    assert waits(result) == [0.01, 0.04, 0.01]


def test_a_part_that_stays_away_fails_the_run_with_its_own_error_and_shows_no_day() -> None:
    parts = Parts([FeedUnavailableError("the feed", "503")] * 9)
    result, shown = load(parts, BY_THE_SCHEDULE)
    assert not result.success
    assert "FeedUnavailableError: the feed is unavailable: 503" in error_of(result)
    assert (shown, parts.asked) == (set(), 1 + retries.RETRIES)


@pytest.mark.parametrize(
    ("error", "tags", "said"),
    [
        pytest.param(REFUSED, BY_THE_SCHEDULE, "it is HTML", id="the same document is the same a minute later"),
        pytest.param(FeedUnavailableError("the feed", "503"), {}, "503", id="a person is told at once"),
    ],
)
def test_asking_again_is_for_a_part_that_is_away_while_nobody_waits(
    error: Exception, tags: dict[str, str], said: str
) -> None:
    parts = Parts([error])
    result, shown = load(parts, tags)
    assert said in error_of(result)
    assert (parts.asked, shown) == (1, set())
    assert waits(result) == []
