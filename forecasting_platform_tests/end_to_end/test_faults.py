"""What goes wrong from outside, each on its own: a clear error, and nothing lost, doubled or half-written.

The real definitions, feed client and Postgres run in this process where that is enough; what a person
sees is tested on a platform started by its command.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import dagster as dg
import pandas as pd
import psycopg
import pytest
import requests
from flask import Response

from forecasting_platform.adapters.feeds import http_download
from forecasting_platform.adapters.feeds.http_feed import HttpFeed
from forecasting_platform.adapters.feeds.simulated_feed import create_app
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.errors import FeedDocumentError, FeedUnavailableError, StoreUnavailableError
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, OBSERVATIONS, QUARANTINED_OBSERVATIONS
from forecasting_platform.local.embedded_postgres import EmbeddedPostgres
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.settings import Settings
from forecasting_platform_tests.end_to_end.conftest import (
    COMMAND,
    PORTS,
    SERVED_SECONDS,
    STOP_SECONDS,
    Platform,
    processes_of,
    run_command,
)
from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS, wait_until
from forecasting_platform_tests.support.web_servers import served

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

JUNE = DateRange(date(2023, 6, 1), date(2023, 6, 30))
WEEK = DateRange(date(2023, 7, 1), date(2023, 7, 7))
SERIES = 4


@dataclass
class Feed:
    """The simulated feed on a port of its own, with faults on request."""

    base: str

    @property
    def url(self) -> str:
        return f"{self.base}/feed"

    def fail(self, name: str, **parameters: Any) -> None:
        requests.post(
            f"{self.base}/faults", json={"name": name, **parameters}, timeout=PATIENCE_SECONDS
        ).raise_for_status()

    def recover(self) -> None:
        requests.delete(f"{self.base}/faults", timeout=PATIENCE_SECONDS).raise_for_status()


@pytest.fixture(scope="module")
def feed() -> Iterator[Feed]:
    with served(create_app(today=date(2023, 8, 31))) as base:
        yield Feed(base)


@pytest.fixture
def sound_feed(feed: Feed) -> Iterator[Feed]:
    """The feed, without faults before and after."""
    feed.recover()
    yield feed
    feed.recover()


class Loading:
    """The real `load_job` in this process: the real feed client, the real store."""

    def __init__(self, dsn: str, url: str) -> None:
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
                    self.url, date_format="dd/mm/yyyy", timeout_seconds=PATIENCE_SECONDS, max_bytes=64 * 1024 * 1024
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


@pytest.fixture
def loading(prepared_dsn: str, sound_feed: Feed) -> Iterator[Loading]:
    """A store that holds June."""
    found = Loading(prepared_dsn, sound_feed.url)
    assert found.load(JUNE)["new"] == SERIES * len(JUNE)
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
    sound_feed: Feed,
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
    loading: Loading, sound_feed: Feed, fault: str, refused_values: int
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
    tmp_path: Path, free_port: int, sound_feed: Feed
) -> None:
    with EmbeddedPostgres(tmp_path, free_port) as server:
        server.create_database("forecasting")
        loading = Loading(server.dsn("forecasting"), sound_feed.url)
        loading.load(JUNE)
        before = loading.rows()
        sound_feed.fail("nan", day="2023-07-05")
        with _killed_at_its_second_table(server), pytest.raises(StoreUnavailableError, match="then retry"):
            loading.load(WEEK)
        sound_feed.recover()
        server.start()
        pd.testing.assert_frame_equal(loading.rows(), before)
        assert loading.materialized(WEEK) == 0
        assert loading.load(WEEK)["new"] == SERIES * len(WEEK)
        assert len(loading.store.read(FEATURE_TABLE, WEEK)) == SERIES * len(WEEK)
        loading.close()


def test_a_scheduled_load_outlives_a_restart_of_postgres(
    tmp_path: Path, free_port: int, sound_feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_RETRY_WAIT_SECONDS", "5")
    with EmbeddedPostgres(tmp_path, free_port) as server:
        server.create_database("forecasting")
        loading = Loading(server.dsn("forecasting"), sound_feed.url)
        loading.load(JUNE)
        sound_feed.fail("nan", day="2023-07-05")
        with ThreadPoolExecutor(1) as aside:
            with _killed_at_its_second_table(server):
                load = aside.submit(loading.load, WEEK, {"dagster/schedule_name": "daily_load_schedule"})
            wait_until("the end of Postgres", lambda: not server.is_running)
            server.start()
        assert load.result() == {"new": SERIES * 7 - 1, "revised": 0, "unchanged": 0, "quarantined": 1}
        assert loading.materialized(WEEK) == 7
        assert len(loading.store.read(FEATURE_TABLE, WEEK)) == SERIES * 7 - 1
        loading.close()


class _killed_at_its_second_table:  # noqa: N801 # reads as a clause of `with`
    """Holds back a load once its observations are written and not committed, and kills the server then."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._holder = psycopg.connect(server.dsn("forecasting"))
        self._watcher = psycopg.connect(server.dsn("forecasting"), autocommit=True)
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


# --- the command that starts it all ---


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where nobody can write")
def test_a_data_directory_where_nobody_can_write_is_refused_by_name() -> None:
    refused = run_command("up", "--data-dir", "/proc/platform", "--port-base", str(free_ports(PORTS)))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "/proc/platform cannot be used" in refused.stderr
    assert "--data-dir" in refused.stderr


@pytest.fixture(scope="module")
def bare(feed: Feed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform without data, model or champion, whose feed the tests can break."""
    data_dir = tmp_path_factory.mktemp("bare platform") / "data"
    log = data_dir.parent / "up.log"
    words = ["up", "--data-dir", str(data_dir), "--port-base", str(free_ports(PORTS)), "--feed-url", feed.url]
    impatient = os.environ | {"FORECASTING_FEED_TIMEOUT_SECONDS": "10"}
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [COMMAND, *words, "--no-main-job"], stdout=output, stderr=subprocess.STDOUT, text=True, env=impatient
        )
    started = Platform(data_dir, process, log)

    def is_up() -> bool:
        text = log.read_text(encoding="utf-8")
        assert process.poll() is None, text
        return "Ctrl-C stops everything" in text

    try:
        wait_until("a platform that is up", is_up, SERVED_SECONDS)
        yield started
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_SECONDS)


def test_before_there_is_a_champion_the_app_says_how_to_get_one(bare: Platform) -> None:
    answer = bare.post("/predict", {"start": "2023-07-01", "end": "2023-07-15"})
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "has no champion yet. Train a model (`forecasting-platform train`)" in answer.json()["detail"]
    app = bare.endpoints["app"]
    assert requests.get(f"{app}/health", timeout=PATIENCE_SECONDS).status_code == 200
    assert requests.get(f"{app}/ready", timeout=PATIENCE_SECONDS).status_code == 503


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("forecast", "--start", "2023-07-01", "--end", "2023-07-02"), "has no champion yet"),
        (("train",), "Load the days to train on, then train again"),
        (("promote",), "has no challenger to evaluate. Run `forecasting-platform train` first"),
        (("rollback", "--reason", "a drill"), "has no champion yet"),
    ],
    ids=["forecast", "train", "promote", "rollback"],
)
def test_a_command_that_comes_too_early_says_what_comes_first(
    bare: Platform, words: tuple[str, ...], said: str
) -> None:
    failed = bare.run(*words, "--json")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert said in " ".join(failed.stderr.split())
    assert "Traceback" not in failed.stderr


def test_a_load_from_a_feed_that_is_down_fails_with_the_feeds_words(bare: Platform, sound_feed: Feed) -> None:
    sound_feed.fail("down")
    failed = bare.run("load", "--start", str(WEEK.start), "--end", str(WEEK.end), "--json")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "answered 503" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_killed_server_ends_the_platform_by_name_with_its_log_and_leaves_nothing_running(bare: Platform) -> None:
    bare.process_of("MLflow").kill()
    assert bare.process.wait(STOP_SECONDS) == 1
    said = bare.log.read_text(encoding="utf-8")
    assert "forecasting-platform: MLflow ended with signal SIGKILL" in said
    assert '"GET /api/2.0/mlflow/registered-models/alias' in said, "the end of its log"
    assert "Traceback" not in said
    assert processes_of(bare.data_dir) == []
    assert not (bare.data_dir / "endpoints.json").exists()
