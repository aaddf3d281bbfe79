"""What breaks around a load: a clear error, and nothing lost, doubled or half-written.

The real definitions, feed client and Postgres run in this process; what a person sees of it is in
`end_to_end/test_faults.py`.
"""

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType, SimpleNamespace

import dagster as dg
import pandas as pd
import psycopg
import pytest
from flask import Response

from forecasting_platform.adapters.feeds import http_download
from forecasting_platform.adapters.feeds.http_feed import HttpFeed
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.errors import FeedDocumentError, FeedUnavailableError, StoreUnavailableError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, OBSERVATIONS, QUARANTINED_OBSERVATIONS
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.databases import copied_database
from forecasting_platform_tests.support.faulty_feed import FaultyFeed, running_feed
from forecasting_platform_tests.support.pictures import without_pictures
from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until
from forecasting_platform_tests.support.web_servers import served

pytestmark = pytest.mark.slow

JUNE = DateRange(date(2023, 6, 1), date(2023, 6, 30))
WEEK = DateRange(date(2023, 7, 1), date(2023, 7, 7))
SERIES = 4

_no_pictures = pytest.fixture(scope="module", autouse=True)(without_pictures)


@pytest.fixture(scope="module")
def feed() -> Iterator[FaultyFeed]:
    with running_feed(date(2023, 8, 31)) as found:
        yield found


@pytest.fixture
def sound_feed(feed: FaultyFeed) -> Iterator[FaultyFeed]:
    """The feed, without faults before and after."""
    feed.recover()
    yield feed
    feed.recover()


class Loading:
    """The real `load_job` in this process: the real feed client, the real store."""

    def __init__(self, dsn: str, url: str) -> None:
        self.dsn = dsn
        self.store = PostgresTableStore(dsn)
        self.store.prepare()
        self.instance = dg.DagsterInstance.ephemeral()
        self.url = url

    def close(self) -> None:
        self.store.close()
        self.instance.dispose()

    def load(self, days: DateRange, tags: Mapping[str, str] = MappingProxyType({})) -> dict[str, object]:
        """Load days; how many values were `new`, `revised`, `unchanged` and `quarantined`."""
        definitions = build_definitions(
            resources={
                "observation_feed": HttpFeed(
                    FeedDescription.of_default_shape(self.url),
                    timeout_seconds=PATIENCE_SECONDS,
                    max_bytes=64 * 1024 * 1024,
                ),
                "table_store": self.store,
                "model_registry": MemoryModelRegistry(),
                "ledger": MemoryLedger(),
                "settings": Settings(),
                "mlflow": SimpleNamespace(),
            }
        )
        job = definitions.resolve_job_def("load_job")
        result = job.execute_in_process(instance=self.instance, tags={**range_tags(days), **tags})
        metadata = result.asset_materializations_for_node("raw_observations")[0].metadata
        return {name: metadata[f"load_{name}"].value for name in ("new", "revised", "unchanged", "quarantined")}

    def materialized(self, days: DateRange) -> int:
        """How many of the days Dagster shows as loaded."""
        key = dg.AssetKey("raw_observations")
        shown = self.instance.get_materialized_partitions(key)
        return len(shown & {str(day) for day in days})

    def rows(self) -> pd.DataFrame:
        """Every version of every value."""
        return self.store.read(OBSERVATIONS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, feed: FaultyFeed) -> Iterator[EmbeddedPostgres]:
    """A Postgres that the tests may kill, with a database that holds June."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), free_ports(), settings={"fsync": "off"}) as started:
        started.create_database("june")
        made = Loading(started.dsn("june"), feed.url)
        assert made.load(JUNE)["new"] == SERIES * len(JUNE)
        made.close()
        yield started


@pytest.fixture
def loading(server: EmbeddedPostgres, sound_feed: FaultyFeed) -> Iterator[Loading]:
    """A store that holds June."""
    with copied_database(server, "june") as dsn:
        found = Loading(dsn, sound_feed.url)
        yield found
        found.close()


# --- the feed ---


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("down", FeedUnavailableError, "answered 503 .*then retry"),
        ("html", FeedDocumentError, "nothing of it was stored"),
        ("empty", FeedDocumentError, "nothing of it was stored"),
        ("wrong_column", FeedDocumentError, "Date"),
        ("swapped_dates", FeedDocumentError, "dd/mm/yyyy"),
        ("huge", FeedDocumentError, "bytes"),
    ],
)
def test_a_feed_that_cannot_be_used_stores_nothing_and_the_next_load_stores_all(
    loading: Loading,
    sound_feed: FaultyFeed,
    fault: str,
    error: type[Exception],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_download, "_pauses", lambda: iter([0.0, float("inf")]))
    before = loading.rows()
    sound_feed.fail(fault)
    with pytest.raises(error, match=said):
        loading.load(WEEK)
    pd.testing.assert_frame_equal(loading.rows(), before)
    assert loading.materialized(WEEK) == 0
    assert loading.store.read(QUARANTINED_OBSERVATIONS).empty
    sound_feed.recover()
    assert loading.load(WEEK)["new"] == SERIES * len(WEEK)
    assert loading.materialized(WEEK) == len(WEEK)


@pytest.mark.parametrize(("fault", "refused_values"), [("nan", 1), ("text", 1), ("duplicate_day", 2)])
def test_a_bad_value_is_set_aside_alone_and_its_correction_is_loaded(
    loading: Loading, sound_feed: FaultyFeed, fault: str, refused_values: int
) -> None:
    sound_feed.fail(fault, day="2023-07-05")
    assert loading.load(WEEK) == {"new": SERIES * 7 - 1, "revised": 0, "unchanged": 0, "quarantined": refused_values}
    refused = loading.store.read(QUARANTINED_OBSERVATIONS)
    assert set(refused["unique_id"]) == {"Corrib production"}
    assert set(refused["ds"].dt.date) == {date(2023, 7, 5)}
    assert refused["reason"].all()
    assert refused["raw"].all()
    sound_feed.recover()
    assert loading.load(WEEK) == {"new": 1, "revised": 0, "unchanged": SERIES * 7 - 1, "quarantined": 0}
    assert len(loading.store.read(QUARANTINED_OBSERVATIONS)) == refused_values, "the record of it stays"


def test_a_day_in_the_future_is_set_aside(loading: Loading) -> None:
    # Not tomorrow, which may have become today by then.
    next_week = datetime.now(UTC).date() + timedelta(days=7)
    document = [{"Date": f"{day:%d/%m/%Y}", "Corrib production": 90.0} for day in (WEEK.start, next_week)]
    with served(Response(json.dumps(document), mimetype="application/json")) as loading.url:
        assert loading.load(DateRange(WEEK.start, WEEK.start))["new"] == 1
    (refused,) = loading.store.read(QUARANTINED_OBSERVATIONS).to_dict("records")
    assert "future" in refused["reason"]
    assert f"{next_week:%d/%m/%Y}" in refused["raw"]


# --- the store ---


def test_postgres_killed_in_the_middle_of_a_load_leaves_nothing_half_written(
    server: EmbeddedPostgres, loading: Loading, sound_feed: FaultyFeed
) -> None:
    before = loading.rows()
    sound_feed.fail("nan", day="2023-07-05")
    with _killed_at_its_second_table(server, loading), pytest.raises(StoreUnavailableError, match="then retry"):
        loading.load(WEEK)
    sound_feed.recover()
    server.start()
    pd.testing.assert_frame_equal(loading.rows(), before)
    assert loading.materialized(WEEK) == 0
    assert loading.load(WEEK)["new"] == SERIES * len(WEEK)
    assert len(loading.store.read(FEATURE_TABLE, WEEK)) == SERIES * len(WEEK)


def test_a_scheduled_load_outlives_a_restart_of_postgres(
    server: EmbeddedPostgres, loading: Loading, sound_feed: FaultyFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_RETRY_WAIT_SECONDS", "5")
    sound_feed.fail("nan", day="2023-07-05")
    with ThreadPoolExecutor(1) as aside:
        with _killed_at_its_second_table(server, loading):
            load = aside.submit(loading.load, WEEK, {"dagster/schedule_name": "daily_load_schedule"})
        wait_until("the end of Postgres", lambda: not server.is_running)
        server.start()
    assert load.result() == {"new": SERIES * 7 - 1, "revised": 0, "unchanged": 0, "quarantined": 1}
    assert loading.materialized(WEEK) == 7
    assert len(loading.store.read(FEATURE_TABLE, WEEK)) == SERIES * 7 - 1


class _killed_at_its_second_table:  # noqa: N801 # reads as a clause of `with`
    """Holds back a load once its observations are written and not committed, and kills the server then."""

    def __init__(self, server: EmbeddedPostgres, loading: Loading) -> None:
        self._server = server
        self._holder = psycopg.connect(loading.dsn)
        self._watcher = psycopg.connect(loading.dsn, autocommit=True)
        self._thread = threading.Thread(target=self._kill, daemon=True)

    def __enter__(self) -> None:
        self._holder.execute("LOCK TABLE forecasting.quarantined_observations IN ACCESS EXCLUSIVE MODE")
        self._thread.start()

    def _kill(self) -> None:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%quarantined%'"
        wait_until("a load that waits", lambda: self._watcher.execute(waiting).fetchone() != (0,))
        assert self._server.pid is not None
        os.kill(self._server.pid, signal.SIGKILL)

    def __exit__(self, *_: object) -> None:
        self._thread.join(PATIENCE_SECONDS)
        self._holder.close()
        self._watcher.close()
