"""The record of each feed's newest load, which comes after the values and costs them nothing."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from forecasting_platform.adapters.feeds.several_feeds import NamedFeed, SeveralFeeds
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import (
    FeedDocumentError,
    FeedUnavailableError,
    ForecastingPlatformError,
    StoreUnavailableError,
)
from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import EVERY_DAY, DueDays
from forecasting_platform.forecasting.series.frames import PLANNED_VALUES
from forecasting_platform.forecasting.series.quality.refusals import Refusals, Refused
from forecasting_platform.ports.ledger import FeedLoadsChange
from forecasting_platform.ports.observation_feed import FeedDocument, ObservationFeed
from forecasting_platform.services.loading.feed_loads import MAX_PROBLEM_CHARACTERS, FeedLoads
from forecasting_platform.services.loading.raw_observations import load_observations
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

DAYS = DateRange(date(2023, 6, 1), date(2023, 6, 30))
LOG = logging.getLogger(__name__)
WEEKLY = DueDays(weekdays=(4,))
TOTAL = Refused(3, "Total,7", "its date names no day")


class Feed:
    """Answers with a value of each series on the last days, or with an error."""

    def __init__(self, *names: str, days: int = 1, refused_values: int = 0) -> None:
        self.names, self.days, self.refused_values = names, days, refused_values
        self.error: ForecastingPlatformError | None = None

    def fetch(self, period: DateRange) -> FeedDocument:
        if self.error is not None:
            raise self.error
        days = pd.date_range(end=period.end, periods=self.days)
        rows = pd.DataFrame([(name, day, 1.0) for name in self.names for day in days], columns=["unique_id", "ds", "y"])
        reach = DateRange(days[0].date(), days[-1].date())
        refusals = Refusals(9, 1, len(rows), self.refused_values, 0, reach, (TOTAL,))
        source, at = f"https://host/{self.names[0]}", datetime.now(UTC)
        quarantined = pd.DataFrame({"unique_id": [], "ds": [], "reason": [], "raw": []})
        return FeedDocument(source, at, "0" * 64, 1, rows, quarantined, last_published=reach.end, refusals=refusals)


class Installation:
    """Feeds, a store and a ledger in memory."""

    def __init__(self, **feeds: Feed) -> None:
        self.feeds, self.store, self.ledger = feeds, MemoryTableStore(), MemoryLedger()
        self.due_days = dict.fromkeys(feeds, WEEKLY)

    @property
    def feed(self) -> ObservationFeed:
        if len(self.feeds) == 1:
            return next(iter(self.feeds.values()))
        named = [NamedFeed(name, feed) for name, feed in self.feeds.items()]
        return SeveralFeeds(named, timeout_seconds=PATIENCE_SECONDS, max_refused_share=0.5)

    def load(self, days: DateRange = DAYS) -> dict[str, FeedLoad]:
        """Load; the record of each feed."""
        feed_loads = FeedLoads(self.ledger, self.due_days, max_refused_share=0.5)
        load_observations(self.feed, self.store, days, feed_loads, LOG)
        return self.recorded

    @property
    def recorded(self) -> dict[str, FeedLoad]:
        return {each.feed: each for each in self.ledger.feed_loads()}


def counts(load: FeedLoad) -> tuple[int, int, int]:
    assert load.document
    return load.document.new, load.document.revised, load.document.unchanged


def test_each_feed_has_the_counts_of_its_own_series() -> None:
    installation = Installation(gas=Feed("corrib", "moffat", days=3), power=Feed("wind", days=2))
    assert {name: counts(load) for name, load in installation.load().items()} == {"gas": (6, 0, 0), "power": (2, 0, 0)}
    installation.feeds["power"].days = 4
    found = installation.load()
    assert {name: counts(load) for name, load in found.items()} == {"gas": (0, 0, 6), "power": (2, 0, 2)}
    gas = found["gas"]
    assert (gas.state, gas.asked_for, gas.due_days) == ("loaded", DAYS, WEEKLY)
    assert gas.document
    assert (gas.document.source, gas.document.newest_day) == ("https://host/corrib", DAYS.end)
    assert (gas.document.refusals.refused_rows, gas.document.refusals.examples) == (1, (TOTAL,))


def test_a_feed_alone_is_called_as_it_is_described() -> None:
    assert list(Installation(ecb=Feed("usd")).load()) == ["ecb"]


def test_one_of_several_that_fails_is_recorded_with_its_error_beside_the_others() -> None:
    installation = Installation(gas=Feed("corrib"), power=Feed("wind"))
    installation.feeds["gas"].error = FeedUnavailableError("https://host/corrib", "503")
    found = installation.load()
    assert {name: load.state for name, load in found.items()} == {"gas": "never loaded", "power": "loaded"}
    assert "https://host/corrib is unavailable: 503" in str(found["gas"].problem)
    assert found["gas"].failing_since is not None


def test_a_feed_of_which_too_much_is_refused_fails_and_shows_what() -> None:
    for installation in (
        Installation(gas=Feed("corrib", refused_values=9)),
        Installation(gas=Feed("corrib", refused_values=9), power=Feed("wind")),
    ):
        gas = installation.load()["gas"]
        assert gas.state == "failing"
        assert "more was refused than the 50 %" in str(gas.problem)
        assert gas.document
        assert gas.document.refusals.refused_values == 9


def test_days_on_which_nothing_is_due_are_no_reason_to_call_an_empty_load_a_failure() -> None:
    installation = Installation(gas=Feed("corrib", days=0))
    installation.feeds["gas"].fetch = lambda _: FeedDocument(  # type: ignore[method-assign] # a document without values
        "gas", datetime.now(UTC), "0" * 64, 1, *_nothing(), refusals=Refusals(rows=3)
    )
    assert installation.load()["gas"].problem is None, "four Fridays"
    installation.due_days = {"gas": EVERY_DAY}
    assert "none of the 30 days asked for has a value" in str(installation.load()["gas"].problem)


def _nothing() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = pd.DataFrame({"unique_id": [], "ds": pd.to_datetime([]), "y": pd.Series(dtype=float)})
    return rows, pd.DataFrame({"unique_id": [], "ds": [], "reason": [], "raw": []})


@pytest.mark.parametrize("names", [("gas",), ("gas", "power")])
def test_a_load_that_fails_is_recorded_for_each_feed_and_fails_with_its_own_error(names: Sequence[str]) -> None:
    installation = Installation(**{name: Feed(name) for name in names})
    before = installation.load()
    for feed in installation.feeds.values():
        feed.error = FeedDocumentError(feed.names[0], f"{feed.names[0]} is a web page", "Mend it.")
    with pytest.raises(FeedDocumentError, match="is a web page"):
        installation.load()
    for name, load in installation.recorded.items():
        assert (load.state, load.document) == ("failing", before[name].document)
        assert f"the document of {name} was refused" in str(load.problem)
        assert ("gas is a web page" in str(load.problem)) == (name == "gas"), "each its own reason"


def test_values_that_cannot_be_stored_fail_every_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    installation = Installation(gas=Feed("corrib"), power=Feed("wind"))
    away = StoreUnavailableError("the store", "it is restarted")
    monkeypatch.setattr(installation.store, "record_observations", _raising(away))
    with pytest.raises(StoreUnavailableError, match="the store is unavailable"):
        installation.load()
    assert {load.state for load in installation.recorded.values()} == {"never loaded"}
    assert set(installation.recorded) == {"gas", "power"}


def _raising(error: Exception) -> object:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    return fail


class AwayLedger(MemoryLedger):
    """Cannot be written."""

    def change_feed_loads(self, change: FeedLoadsChange) -> None:
        raise StoreUnavailableError("the ledger", "it is restarted")


def test_a_record_that_cannot_be_written_costs_the_load_nothing_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    installation = Installation(gas=Feed("corrib"))
    installation.ledger = AwayLedger()
    assert installation.load() == {}
    assert len(installation.store.read_observations(DAYS)) == 1
    assert "the load stays out of the record of the feeds" in caplog.text
    installation.feeds["gas"].error = FeedUnavailableError("gas", "503")
    with pytest.raises(FeedUnavailableError, match="gas is unavailable: 503"):
        installation.load()


def test_the_values_are_stored_before_the_record_says_so() -> None:
    installation = Installation(gas=Feed("corrib"))
    seen: list[int] = []

    class Watching(MemoryLedger):
        def change_feed_loads(self, change: FeedLoadsChange) -> None:
            seen.append(len(installation.store.read_observations(DAYS)))
            super().change_feed_loads(change)

    installation.ledger = Watching()
    installation.load()
    assert seen == [1]


def test_plans_are_kept_by_when_they_became_known_and_are_no_values() -> None:
    installation = Installation(sales=Feed("sales"))
    feed, plan = installation.feeds["sales"], [0.0, 1.0]

    def with_plans(period: DateRange) -> FeedDocument:
        days = pd.to_datetime(["2023-07-01", "2023-07-02"])
        planned = pd.DataFrame({"unique_id": "promotion", "ds": days, "y": plan})
        return replace(Feed.fetch(feed, period), planned=planned)

    feed.fetch = with_plans  # type: ignore[method-assign] # the same, with plans
    installation.load()
    plan[1] = 5.0
    assert counts(installation.load()["sales"]) == (0, 0, 1)
    kept = installation.store.read(PLANNED_VALUES)
    assert list(zip(kept["ds"].dt.day, kept["y"], strict=True)) == [(1, 0.0), (2, 1.0), (2, 5.0)]
    assert kept["available_at"].nunique() == 2
    assert set(installation.store.read_observations()["unique_id"]) == {"sales"}


def test_a_problem_is_kept_as_any_store_can_hold_it() -> None:
    installation = Installation(gas=Feed("corrib"))
    installation.feeds["gas"].error = FeedDocumentError("gas", "\x00\ud800" + "x" * 5000, "Mend it.")
    with pytest.raises(FeedDocumentError):
        installation.load()
    problem = str(installation.recorded["gas"].problem)
    assert "\\x00\\ud800xxx" in problem
    assert len(problem) == MAX_PROBLEM_CHARACTERS
