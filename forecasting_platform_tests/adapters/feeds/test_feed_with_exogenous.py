import logging
import threading
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.feed_with_exogenous import FeedWithExogenous
from forecasting_platform.adapters.feeds.http_feed import HttpFeed
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.exogenous import KnownAtCutoff, KnownInAdvance
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import feed_of
from forecasting_platform_tests.adapters.feeds import test_http_feed
from forecasting_platform_tests.contracts.observation_feed_contract import MAX_BYTES, MakeFeed
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

DAY = date(2023, 6, 30)
DAYS = DateRange(DAY, DAY)
WEATHER = [KnownAtCutoff("Temperature"), KnownInAdvance("Temperature +{step}")]
TEMPERATURE = {"unique_id": "Temperature", "known": "at_cutoff"}


class Fixed:
    """Answers with one value of each series, or not at all."""

    def __init__(self, *names: str, error: Exception | None = None) -> None:
        self.names, self.error = names, error

    def fetch(self, period: DateRange) -> FeedDocument:
        if self.error is not None:
            raise self.error
        rows = pd.DataFrame({"unique_id": list(self.names), "ds": pd.Timestamp(DAY), "y": 1.0})
        refused = pd.DataFrame({"unique_id": [*self.names[-1:], None], "ds": None, "reason": "text", "raw": "n/a"})
        announced = tuple((name, DAY) for name in self.names)
        return FeedDocument(
            "/".join(self.names), datetime(2026, 1, 1, tzinfo=UTC), "0" * 64, 1, rows, refused, announced
        )


def both(first: Fixed, second: Fixed) -> FeedWithExogenous:
    return FeedWithExogenous(first, second, WEATHER, timeout_seconds=PATIENCE_SECONDS)


@pytest.mark.slow
class TestFeedBesideOneThatFails(test_http_feed.TestHttpFeed):
    """Whatever the second feed does, the first keeps its promises."""

    @pytest.fixture
    def make_feed(self, publisher: test_http_feed.Site) -> MakeFeed:
        gone, url = Fixed(error=FeedUnavailableError("the weather", "refused")), f"{publisher.base}/feed?key=geheim"

        def make(archive: DocumentArchive | None, timeout_seconds: float = PATIENCE_SECONDS) -> FeedWithExogenous:
            first = test_http_feed.feed(url, timeout_seconds=timeout_seconds, max_bytes=MAX_BYTES, archive=archive)
            return FeedWithExogenous(first, gone, WEATHER, timeout_seconds=timeout_seconds)

        return make


def test_values_of_both_come_together_and_each_document_is_named() -> None:
    document = FeedWithExogenous(
        Fixed("Moffat"), Fixed("Temperature", "Temperature +1"), WEATHER, timeout_seconds=PATIENCE_SECONDS
    ).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Moffat", "Temperature", "Temperature +1"]
    assert {name for name, _ in document.unpublished} == {"Moffat", "Temperature", "Temperature +1"}
    assert document.source == "Moffat"
    assert document.beside is not None
    assert (document.beside.source, document.beside_failed) == ("Temperature/Temperature +1", None)


def test_what_the_second_feed_has_undeclared_is_passed_over_and_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        document = FeedWithExogenous(
            Fixed("Moffat"), Fixed("Temperature", "Wind"), WEATHER, timeout_seconds=PATIENCE_SECONDS
        ).fetch(DAYS)
    assert "Wind" not in set(document.observations["unique_id"]) | {name for name, _ in document.unpublished}
    # Of what was refused, that without a name may be of a declared one.
    assert document.quarantined["unique_id"].dropna().tolist() == ["Moffat"]
    assert document.quarantined["unique_id"].isna().sum() == 2
    assert "has 'Wind' too, which FORECASTING_EXOGENOUS does not declare" in caplog.text


@pytest.mark.parametrize(
    "error", [FeedUnavailableError("the weather", "refused"), FeedDocumentError("the weather", "is no JSON", "Look.")]
)
def test_a_second_feed_that_cannot_be_used_holds_nothing_up_and_is_told_of(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    document = both(Fixed("Moffat"), Fixed(error=error)).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Moffat"]
    assert (document.beside, document.beside_failed) == (None, str(error))
    assert str(error) in caplog.text


class Hanging(Fixed):
    """Answers once it is let go."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.asked, self.let_go = threading.Event(), threading.Event()

    def fetch(self, period: DateRange) -> FeedDocument:
        self.asked.set()
        self.let_go.wait(PATIENCE_SECONDS)
        return super().fetch(period)


def test_a_second_feed_that_hangs_holds_nothing_up_and_is_told_of() -> None:
    hanging = Hanging("Temperature")
    document = FeedWithExogenous(Fixed("Moffat"), hanging, WEATHER, timeout_seconds=0.0).fetch(DAYS)
    hanging.let_go.set()
    assert document.observations["unique_id"].tolist() == ["Moffat"]
    assert "no whole document within 0 seconds" in str(document.beside_failed)


def test_both_feeds_are_asked_at_once_so_that_a_slow_first_one_leaves_the_second_its_time() -> None:
    first, second = Hanging("Moffat"), Hanging("Temperature")

    def let_go() -> None:
        if first.asked.wait(PATIENCE_SECONDS) and second.asked.wait(PATIENCE_SECONDS):
            second.let_go.set()
            first.let_go.set()

    threading.Thread(target=let_go, daemon=True).start()
    document = both(first, second).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Moffat", "Temperature"]


def test_a_series_that_both_feeds_have_is_taken_from_the_first_and_told_of() -> None:
    document = FeedWithExogenous(
        Fixed("Moffat", "Temperature"), Fixed("Temperature"), WEATHER, timeout_seconds=PATIENCE_SECONDS
    ).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Moffat", "Temperature"]
    assert document.beside_failed is not None
    assert "it has 'Temperature', which the first feed has too" in document.beside_failed


def test_a_first_feed_that_fails_fails() -> None:
    with pytest.raises(FeedUnavailableError):
        FeedWithExogenous(
            Fixed(error=FeedUnavailableError("it", "no")),
            Fixed("Temperature"),
            WEATHER,
            timeout_seconds=PATIENCE_SECONDS,
        ).fetch(DAYS)


def test_the_settings_say_which_feeds() -> None:
    assert type(feed_of(Settings(feed_url="http://host/feed"))) is HttpFeed
    assert type(feed_of(Settings(feed_url="http://host/feed", exogenous_feed_url=""))) is HttpFeed
    both = Settings(feed_url="http://host/feed", exogenous_feed_url="file:///weather.csv", exogenous=[TEMPERATURE])
    assert type(feed_of(both)) is FeedWithExogenous


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"exogenous_feed_url": "http://host/weather"}, "FORECASTING_EXOGENOUS declares no series"),
        ({"exogenous_feed_url": "gopher://host", "exogenous": [TEMPERATURE]}, "EXOGENOUS_FEED_URL: is no feed"),
        (
            {
                "exogenous_feed_url": "http://host/weather",
                "exogenous": [TEMPERATURE],
                "exogenous_feed_date_format": "iso",
            },
            "FORECASTING_EXOGENOUS_FEED_DATE_FORMAT",
        ),
    ],
)
def test_a_second_feed_that_cannot_be_meant_is_refused_by_its_own_name(
    settings: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        feed_of(Settings(feed_url="http://host/feed", **settings))  # type: ignore[arg-type] # as the environment gives it
