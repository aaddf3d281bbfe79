"""What a load shows, and what it leaves: real Dagster runs from a file feed, in this process."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import pandas as pd
import pytest

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.file_feed import FileFeed
from forecasting_platform.adapters.feeds.http_feed import HttpFeed
from forecasting_platform.adapters.feeds.simulated_feed import create_app
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import EVERY_DAY, DueDays
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars, SeriesCalendar
from forecasting_platform.local.environment import DAGSTER_INSTANCE
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.services.loading.feed_loads import FeedLoads
from forecasting_platform.settings import Settings
from forecasting_platform_tests.contracts.observation_feed_contract import TODAY, SimulatedDocument, published
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from forecasting_platform_tests.support.web_servers import served

pytestmark = pytest.mark.slow

MODULE = "forecasting_platform.orchestration.assets.raw_observations"
WEEK = DateRange(date(2018, 6, 4), date(2018, 6, 10))
SERIES = 4
Metadata = dict[str, Any]


class Load:
    """`raw_observations` on a memory store, from a file that a test can change."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, calendars: Calendars = DAILY) -> None:
        self.instance, self.store, self.document = instance, MemoryTableStore(), SimulatedDocument()
        self.file, self.ledger = folder / "feed.json", MemoryLedger()
        self.archive = DocumentArchive(str(folder / "archive"), keep_days=30)
        feed = FileFeed(
            FeedDescription.of_default_shape(self.file.as_uri()),
            timeout_seconds=60,
            max_bytes=200_000,
            archive=self.archive,
        )
        resources = {
            "observation_feed": feed,
            "table_store": self.store,
            "settings": Settings(),
            "calendars": calendars,
            "feed_loads": FeedLoads(self.ledger, {"gas": EVERY_DAY}),
        }
        self.job = dg.Definitions([raw_observations], resources=resources).resolve_implicit_global_asset_job_def()

    def __call__(self, days: DateRange, *, raising: bool = True) -> dict[str, Metadata]:
        """Load days from the file as it is now: the metadata of each partition that was materialized."""
        self.file.write_bytes(self.document.content)
        self.result = self.job.execute_in_process(instance=self.instance, tags=range_tags(days), raise_on_error=raising)
        found = self.result.asset_materializations_for_node("raw_observations")
        return {str(each.partition): {name: entry.value for name, entry in each.metadata.items()} for each in found}

    @property
    def log(self) -> str:
        """What the last run logged itself, one line a message."""
        entries = self.instance.all_logs(self.result.run_id)
        return "\n".join(entry.user_message for entry in entries if not entry.is_dagster_event)

    @property
    def materialized(self) -> set[str]:
        return self.instance.get_materialized_partitions(raw_observations.key)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    monkeypatch.setattr(f"{MODULE}.observations_plot", lambda _: b"")  # slow, and looked at elsewhere
    with dg.DagsterInstance.ephemeral() as instance:
        yield Load(tmp_path, instance)


def rows(metadata: Metadata) -> list[int]:
    return [metadata[f"rows_{name}"] for name in ("new", "revised", "unchanged", "quarantined")]


def test_each_partition_shows_its_rows_and_the_document_they_came_from(load: Load) -> None:
    load(DateRange(date(2018, 6, 4), date(2018, 6, 6)))
    load.document.fail("level_shift", series="Corrib production", **{"from": "2018-06-05", "to": "2018-06-05"})
    load.document.fail("text", series="Moffat imports", day="2018-06-07")
    shown = load(DateRange(date(2018, 6, 4), date(2018, 6, 7)))
    assert {day: rows(metadata) for day, metadata in shown.items()} == {
        "2018-06-04": [0, 0, 4, 0],
        "2018-06-05": [0, 1, 3, 0],
        "2018-06-06": [0, 0, 4, 0],
        "2018-06-07": [3, 0, 0, 1],
    }
    content = load.document.content
    for metadata in shown.values():
        assert [metadata[f"load_{name}"] for name in ("new", "revised", "unchanged", "quarantined")] == [3, 1, 11, 1]
        assert (metadata["feed"], metadata["feed_bytes"]) == (load.file.as_uri(), len(content))
        assert metadata["feed_sha256"] == hashlib.sha256(content).hexdigest()
        assert gzip.decompress(Path(urlsplit(metadata["feed_document"]).path).read_bytes()) == content
    assert shown["2018-06-07"]["dagster/partition_row_count"] == 3, "a refused row is none of the table's"


def test_a_load_is_recorded_for_its_feed_and_shows_its_days(load: Load) -> None:
    load.document.fail("text", series="Moffat imports", day="2018-06-07")
    shown = load(WEEK)["2018-06-04"]
    assert (shown["feed_newest_day"], shown["feed_next_due"]) == ("2018-06-30", "2018-07-01")
    assert shown["feed_complete_from"] == "2018-07-02 00:00:00+00:00"
    (recorded,) = load.ledger.feed_loads()
    assert (recorded.feed, recorded.state, recorded.asked_for) == ("gas", "loaded", WEEK)
    assert recorded.document
    assert (recorded.document.new, recorded.document.refusals.refused_values) == (SERIES * 7 - 1, 1)
    load.document.fail("html")
    load(WEEK, raising=False)
    (failed,) = load.ledger.feed_loads()
    assert (failed.state, failed.document) == ("failing", recorded.document)
    assert "it is a web page" in str(failed.problem)


def test_the_log_tells_each_step_as_it_is_done(load: Load) -> None:
    load(WEEK)
    steps = [
        "asking the feed for 2018-06-04..2018-06-10",
        "kept at file://",
        "recorded rows: 28 new, 0 revised",
    ]
    places = [load.log.find(step) for step in steps]
    assert places == sorted(places)
    assert places[0] >= 0, load.log


def test_a_feed_that_is_asked_again_says_so_in_the_runs_own_log() -> None:
    settings = {"python_logs": DAGSTER_INSTANCE["python_logs"]}
    app = create_app(today=TODAY)
    app.test_client().post("/faults", json={"name": "flaky"})
    with served(app) as base, dg.DagsterInstance.ephemeral(settings=settings) as instance:
        feed = HttpFeed(
            FeedDescription.of_default_shape(f"{base}/feed"), timeout_seconds=PATIENCE_SECONDS, max_bytes=200_000
        )
        resources = {
            "observation_feed": feed,
            "table_store": MemoryTableStore(),
            "settings": Settings(),
            "calendars": DAILY,
            "feed_loads": FeedLoads(None),
        }
        job = dg.Definitions([raw_observations], resources=resources).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, tags=range_tags(WEEK))
        logged = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert [
        text for text in logged if f"{base}/feed: it answered 503 SERVICE UNAVAILABLE; asking again in 0.2 s" in text
    ]


def test_a_day_on_which_nothing_is_due_is_not_named_among_those_without_a_value(load: Load, tmp_path: Path) -> None:
    tuesday, wednesday = date(2018, 6, 5), date(2018, 6, 6)
    calendars = Calendars((SeriesCalendar(DueDays(closed=(DateRange(tuesday, tuesday),))),))
    load = Load(tmp_path, load.instance, calendars)
    load.document.fail("missing_days", **{"from": str(tuesday), "to": str(wednesday)})
    shown = load(WEEK)
    assert shown[str(tuesday)]["note"] == "no value is due on this day"
    assert shown[str(wednesday)]["note"] == "the feed has no value for this day"
    assert shown[str(tuesday)]["load_days_without_value_named"] == f"{wednesday}..{wednesday}"


def test_days_without_a_value_are_materialized_with_0_rows_and_named(load: Load) -> None:
    load.document.fail("missing_days", **{"from": "2018-06-05", "to": "2018-06-06"})
    load.document.fail("null_days", **{"from": "2018-06-08", "to": "2018-06-08"})
    shown = load(WEEK)
    assert set(shown) == {str(day) for day in WEEK}
    empty = {day: metadata["note"] for day, metadata in shown.items() if "note" in metadata}
    assert empty == dict.fromkeys(["2018-06-05", "2018-06-06", "2018-06-08"], "the feed has no value for this day")
    assert {rows(shown[day])[0] for day in empty} == {0}
    assert shown["2018-06-08"]["rows_announced_without_value"] == SERIES
    assert "rows_announced_without_value" not in shown["2018-06-05"]
    named = "2018-06-05..2018-06-06, 2018-06-08..2018-06-08"
    assert (shown["2018-06-04"]["load_days_without_value"], shown["2018-06-04"]["load_days_without_value_named"]) == (
        3,
        named,
    )
    assert f"no value for {named}; these days are materialized with 0 rows" in load.log


def test_days_beyond_the_feeds_last_one_are_materialized_with_0_rows(load: Load) -> None:
    last_days = DateRange(date(2018, 6, 29), date(2018, 7, 3))
    shown = load(last_days)
    assert [rows(shown[str(day)])[0] for day in last_days] == [4, 4, 0, 0, 0]


def test_of_many_days_without_a_value_five_stretches_are_named(load: Load) -> None:
    holes = range(1, 22, 3)
    records = json.loads(load.document.content)
    names = {f"{day:02}/06/2018" for day in holes}
    load.document = SimpleNamespace(content=json.dumps([row for row in records if row["Date"] not in names]).encode())
    shown = load(DateRange(date(2018, 6, 1), date(2018, 6, 30)))["2018-06-30"]
    assert shown["load_days_without_value"] == len(holes)
    assert shown["load_days_without_value_named"].startswith("2018-06-01..2018-06-01, 2018-06-04..2018-06-04, ")
    assert shown["load_days_without_value_named"].endswith("2018-06-13..2018-06-13 … (7 in all)")


@pytest.mark.parametrize("fault", ["html", "empty", "swapped_dates", "huge"])
def test_a_feed_that_cannot_be_used_materializes_nothing_and_the_next_load_all(load: Load, fault: str) -> None:
    load(DateRange(WEEK.start, WEEK.start))
    load.document.fail(fault, megabytes=1)
    assert load(WEEK, raising=False) == {}
    assert not load.result.success
    assert load.materialized == {str(WEEK.start)}
    assert load.store.read_observations(WEEK)["ds"].nunique() == 1
    load.document = SimulatedDocument()
    assert len(load(WEEK)) == len(WEEK)


def test_a_document_that_cannot_be_kept_is_not_loaded(load: Load, tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("in the way")
    assert load(WEEK, raising=False) == {}
    assert load.store.read_observations(WEEK).empty
    assert load.materialized == set()
    (tmp_path / "archive").unlink()
    assert len(load(WEEK)) == len(WEEK)


def test_chunks_gaps_and_repeats_leave_what_one_load_leaves(load: Load) -> None:
    days = [(4, 4), (8, 10), (5, 6), (4, 6), (8, 8), (7, 7), (4, 10)]
    for first, last in days:
        load(DateRange(date(2018, 6, first), date(2018, 6, last)))
    found = load.store.read_observations(WEEK)
    pd.testing.assert_frame_equal(found[["unique_id", "ds", "y"]], published(WEEK))
    assert load.materialized == {str(day) for day in WEEK}
    assert [rows(metadata) for metadata in load(WEEK).values()] == [[0, 0, SERIES, 0]] * len(WEEK)
