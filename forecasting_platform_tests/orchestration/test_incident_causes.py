"""What the person on call reads: runs that really fail, and the incident and message that come of each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from forecasting_platform.adapters.feeds.file_feed import FileFeed
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.errors import StoreUnavailableError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform.forecasting.monitoring.next_steps import NEXT_STEPS
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.orchestration.sensors import alert_sensor, run_failure_sensor
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.dagster_internals import BulkActionStatus, PartitionBackfill
from forecasting_platform_tests.support.web_servers import RecordingServer

pytestmark = pytest.mark.slow

DAYS = DateRange(date(2023, 7, 1), date(2023, 7, 5))
GOOD = "Date,a\n" + "".join(f"{DAYS.start + timedelta(days=n):%d/%m/%Y},{n}\n" for n in range(5))
LONG = "Series,Date,Value\n" + "".join(
    f"id_{name},{DAYS.start + timedelta(days=n):%d/%m/%Y},{name * 10 + n}\n" for name in (1, 2) for n in range(5)
)
BAD_CSV = 'Date,a\n"01/07/2023"x,1\n'


class BrokenStore(MemoryTableStore):
    """Loses its connection at the call named."""

    broken: str | None = None

    def __getattribute__(self, name: str) -> Any:
        if name == super().__getattribute__("broken"):
            raise StoreUnavailableError("the table store", "server closed the connection")
        return super().__getattribute__(name)


@dataclass
class Platform:
    """The real definitions on memory adapters and a file that a test writes."""

    instance: dg.DagsterInstance
    file: Path
    store: BrokenStore
    ledger: MemoryLedger

    def run(
        self, job: str, days: DateRange | None = None, tags: Mapping[str, str] | None = None, asset: str | None = None
    ) -> dg.DagsterRun:
        resources = {
            "observation_feed": FileFeed(
                FeedDescription.of_default_shape(self.file.as_uri()), timeout_seconds=60, max_bytes=1_000_000
            ),
            "table_store": self.store,
            "model_registry": MemoryModelRegistry(),
            "ledger": self.ledger,
            "settings": Settings(),
            "mlflow": SimpleNamespace(set_tag=lambda *_: None, end_run=lambda *_: None),
        }
        result = (
            build_definitions(resources=resources)
            .resolve_job_def(job)
            .execute_in_process(
                instance=self.instance,
                tags={**(range_tags(days) if days else {}), **(tags or {})},
                asset_selection=[dg.AssetKey(asset)] if asset else None,
                raise_on_error=False,
            )
        )
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        if run.status is dg.DagsterRunStatus.FAILURE:
            (event,) = self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
            context = dg.build_run_status_sensor_context(
                "run_failure_sensor", event.get_dagster_event(), self.instance, run
            ).for_run_failure()
            run_failure_sensor(context, ledger=self.ledger, settings=Settings())
        return run

    def look(self) -> list[Alert]:
        """The incidents that somebody is called for, after one look of the alert sensor."""
        context = dg.build_sensor_context(instance=self.instance, cursor="0")
        alert_sensor(context, ledger=self.ledger, settings=Settings())
        return [alert for alert in self.ledger.alerts(open_only=True) if alert.state in {"PENDING", "FIRING"}]


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setenv("FORECASTING_ALERT_PENDING_SECONDS", "0")
    (tmp_path / "feed.csv").write_text(GOOD, encoding="utf-8")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(instance, tmp_path / "feed.csv", BrokenStore(), MemoryLedger())


def one(alerts: list[Alert]) -> Alert:
    (alert,) = alerts
    return alert


def test_a_load_of_a_broken_document_tells_the_parsers_own_sentence(platform: Platform) -> None:
    platform.file.write_text(BAD_CSV, encoding="utf-8")
    platform.run("load_job", DAYS)
    alert = one(platform.look())
    assert alert.fingerprint == "run_failure:load_job"
    assert alert.summary.startswith(f"load_job failed: {DAYS}: raw_observations: FeedDocumentError: the document of ")
    assert "it is not valid CSV" in alert.summary
    assert "have the publisher mend the document" in alert.summary
    assert alert.summary.endswith(f"Next: {NEXT_STEPS['run_failure']}")


def break_features(platform: Platform) -> dg.DagsterRun:
    platform.store.broken = "replace"
    return platform.run("load_job", DAYS)


def break_nothing_to_train_on(platform: Platform) -> dg.DagsterRun:
    return platform.run("training_job")


def break_no_challenger(platform: Platform) -> dg.DagsterRun:
    return platform.run("promotion_job")


def break_no_champion(platform: Platform) -> dg.DagsterRun:
    return platform.run("forecast_job", DAYS)


def break_errors(platform: Platform) -> dg.DagsterRun:
    platform.store.broken = "read"
    return platform.run("forecast_job", DAYS, asset="forecast_errors")


@pytest.mark.parametrize(
    ("fail", "job", "asset", "said"),
    [
        (break_features, "load_job", "feature_table", "StoreUnavailableError: the table store is unavailable"),
        (break_nothing_to_train_on, "training_job", "trained_model", "InsufficientHistoryError: training needs"),
        (break_no_challenger, "promotion_job", "champion_model", "NoChallengerError: forecasting_platform has no"),
        (break_no_champion, "forecast_job", "forecasts", "NoChampionError: forecasting_platform has no champion"),
        (break_errors, "forecast_job", "forecast_errors", "StoreUnavailableError: the table store is unavailable"),
    ],
)
def test_a_failed_run_of_each_asset_tells_its_own_error(
    platform: Platform, fail: Callable[[Platform], dg.DagsterRun], job: str, asset: str, said: str
) -> None:
    run = fail(platform)
    platform.store.broken = None
    alert = next(found for found in platform.look() if found.fingerprint == f"run_failure:{job}")
    days = f"{DAYS}: " if run.tags.get("dagster/asset_partition_range_start") else ""
    assert alert.summary.startswith(f"{job} failed: {days}{asset}: {said}")
    assert "Next: " in alert.summary


def test_a_load_that_a_check_stops_is_one_incident_with_the_checks_sentence(platform: Platform) -> None:
    platform.file.write_text(LONG, encoding="utf-8")
    assert platform.run("load_job", DAYS).status is dg.DagsterRunStatus.FAILURE
    alert = one(platform.look())
    assert (alert.fingerprint, alert.severity) == ("raw_observations:feed_document_gives_values", "error")
    assert alert.summary.startswith(
        f"raw_observations: {DAYS}: no value of the days asked for could be used: 0 of 10 rows"
    )
    assert "such as row 1 of 'Series', 'id_1': no cell of the column is a number" in alert.summary
    assert "Next: Compare the examples with the document" in alert.summary
    platform.file.write_text(GOOD, encoding="utf-8")
    platform.run("load_job", DAYS)
    assert platform.look() == [], "the next good load ends it"


def backfill_of(run: dg.DagsterRun, status: BulkActionStatus) -> PartitionBackfill:
    return PartitionBackfill(
        backfill_id="abc", status=status, from_failure=False, tags={}, backfill_timestamp=1_700_000_000.0,
        asset_selection=[dg.AssetKey("raw_observations"), dg.AssetKey("feature_table")],
    )  # fmt: skip


BACKFILL = "backfill_failure:feature_table+raw_observations"
CHECK = "raw_observations:feed_document_gives_values"
LONG_PAST = DateRange(date(2023, 1, 1), DAYS.end)


@pytest.mark.parametrize(
    ("content", "days", "fingerprint", "said"),
    [
        (BAD_CSV, DAYS, BACKFILL, "backfill of feature_table+raw_observations failed: {days}: raw_observations: Feed"),
        (LONG, DAYS, CHECK, "raw_observations: {days}: no value of the days asked for could be used"),
        (
            LONG,
            LONG_PAST,
            BACKFILL,
            "backfill of feature_table+raw_observations failed: {days}: raw_observations: feed",
        ),
    ],
    ids=["broken document", "stopped by a check", "stopped by a check, long past"],
)
def test_a_failed_backfill_calls_somebody_once_and_says_why(
    platform: Platform, content: str, days: DateRange, fingerprint: str, said: str
) -> None:
    platform.file.write_text(content, encoding="utf-8")
    run = platform.run("load_job", days, {"dagster/backfill": "abc"})
    platform.instance.add_backfill(backfill_of(run, BulkActionStatus.COMPLETED_FAILED))
    alert = one(platform.look())
    assert alert.fingerprint == fingerprint
    assert alert.summary.startswith(said.format(days=days))
    assert platform.look(), "the next look changes nothing"


def test_the_message_that_is_sent_names_the_cause(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    with RecordingServer() as server:
        monkeypatch.setenv("FORECASTING_ALERTMANAGER_URL", server.url)
        platform.file.write_text(BAD_CSV, encoding="utf-8")
        platform.run("load_job", DAYS)
        platform.look()
        (posted,) = [alert for request in server.asked for alert in request.json]
    assert "FeedDocumentError: the document of" in posted["annotations"]["summary"]
    assert "it is not valid CSV" in posted["annotations"]["summary"]
