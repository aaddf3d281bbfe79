import logging
import re
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.http_feed import HttpFeed
from forecasting_platform.adapters.feeds.several_feeds import NamedFeed, SeveralFeeds
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.feed_wiring import feed_of, names_of_several_feeds, with_covariates
from forecasting_platform.forecasting.series.covariates.exogenous import KnownAtCutoff, KnownInAdvance, exogenous_from
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.quality.refusals import Refusals
from forecasting_platform.ports.observation_feed import FeedDocument, FeedResult, ObservationFeed
from forecasting_platform.settings import Settings
from forecasting_platform_tests.adapters.feeds import test_http_feed
from forecasting_platform_tests.contracts.observation_feed_contract import MAX_BYTES, MakeFeed
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

DAY = date(2023, 6, 30)
DAYS = DateRange(DAY, DAY)
WEATHER = (KnownAtCutoff("Temperature"), KnownInAdvance("Temperature +{step}"))
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
        at = datetime(2026, 1, 1, tzinfo=UTC)
        return FeedDocument("/".join(self.names), at, "0" * 64, 1, rows, refused, unpublished=announced)


def both(first: ObservationFeed, second: ObservationFeed, timeout_seconds: float = PATIENCE_SECONDS) -> SeveralFeeds:
    """A feed, and one of exogenous series."""
    feeds = [NamedFeed("exogenous", second, WEATHER), NamedFeed("feed", first)]
    return SeveralFeeds(feeds, timeout_seconds=timeout_seconds)


def result(document: FeedDocument, name: str) -> FeedResult:
    return next(result for result in document.feeds if result.name == name)


@pytest.mark.slow
class TestFeedBesideOneThatFails(test_http_feed.TestHttpFeed):
    """Whatever the second feed does, the first keeps its promises."""

    @pytest.fixture
    def make_feed(self, publisher: test_http_feed.Site) -> MakeFeed:
        gone, url = Fixed(error=FeedUnavailableError("the weather", "refused")), f"{publisher.base}/feed?key=geheim"

        def make(archive: DocumentArchive | None, timeout_seconds: float = PATIENCE_SECONDS) -> SeveralFeeds:
            first = test_http_feed.feed(url, timeout_seconds=timeout_seconds, max_bytes=MAX_BYTES, archive=archive)
            return both(first, gone, timeout_seconds)

        return make


def test_values_of_both_come_together_and_each_document_is_named() -> None:
    document = both(Fixed("Moffat"), Fixed("Temperature", "Temperature +1")).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Moffat", "Temperature", "Temperature +1"]
    assert {name for name, _ in document.unpublished} == {"Moffat", "Temperature", "Temperature +1"}
    assert document.source == "Moffat"
    exogenous = result(document, "exogenous")
    assert exogenous.document is not None
    assert (exogenous.document.source, exogenous.problem) == ("Temperature/Temperature +1", None)


def test_what_the_second_feed_has_undeclared_is_passed_over_and_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        document = both(Fixed("Moffat"), Fixed("Temperature", "Wind")).fetch(DAYS)
    assert "Wind" not in set(document.observations["unique_id"]) | {name for name, _ in document.unpublished}
    # Of what was refused, that without a name may be of a declared one.
    assert document.quarantined["unique_id"].dropna().tolist() == ["Moffat"]
    assert document.quarantined["unique_id"].isna().sum() == 2
    assert "has 'Wind' too, which FORECASTING_EXOGENOUS does not declare" in caplog.text


@pytest.mark.parametrize(
    "error", [FeedUnavailableError("the weather", "refused"), FeedDocumentError("the weather", "is no JSON", "Look.")]
)
def test_a_second_feed_that_cannot_be_used_holds_nothing_up_and_is_told_of(error: Exception) -> None:
    document = both(Fixed("Moffat"), Fixed(error=error)).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Moffat"]
    assert result(document, "exogenous") == FeedResult("exogenous", None, str(error), is_needed=False)


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
    document = both(Fixed("Moffat"), hanging, 0.0).fetch(DAYS)
    hanging.let_go.set()
    assert document.observations["unique_id"].tolist() == ["Moffat"]
    assert "no whole document within 0 seconds" in str(result(document, "exogenous").problem)


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
    document = both(Fixed("Moffat", "Temperature"), Fixed("Temperature")).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Moffat", "Temperature"]
    problem = str(result(document, "exogenous").problem)
    assert "it has 'Temperature', which 'feed' has too and which is taken from there" in problem


def test_a_first_feed_that_fails_fails() -> None:
    with pytest.raises(FeedUnavailableError):
        both(Fixed(error=FeedUnavailableError("it", "no")), Fixed("Temperature")).fetch(DAYS)


# --- several feeds of what is forecast ---


def several(max_refused_share: float = 0.5, **feeds: ObservationFeed) -> SeveralFeeds:
    named = [NamedFeed(name, feed) for name, feed in feeds.items()]
    return SeveralFeeds(named, timeout_seconds=PATIENCE_SECONDS, max_refused_share=max_refused_share)


def test_the_values_of_all_feeds_come_together() -> None:
    document = several(gas=Fixed("Moffat"), power=Fixed("Demand", "Wind")).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Demand", "Moffat", "Wind"]
    assert (document.source, document.size_bytes) == ("Moffat, Demand/Wind", 2)
    assert [(of.name, of.problem, of.is_needed) for of in document.feeds] == [
        ("gas", None, True),
        ("power", None, True),
    ]


@pytest.mark.parametrize("failing", ["gas", "power"])
def test_whichever_feed_fails_the_others_come_and_it_says_why(failing: str) -> None:
    error = FeedDocumentError(failing, "it is a web page", "Look.")
    feeds = {name: Fixed(name, error=error if name == failing else None) for name in ("gas", "power")}
    document = several(**feeds).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == [name for name in feeds if name != failing]
    assert result(document, failing) == FeedResult(failing, None, str(error))


def test_a_load_fails_where_all_feeds_do_and_is_tried_again_where_one_may_come_back() -> None:
    refused, away = FeedDocumentError("gas", "no JSON", "Look."), FeedUnavailableError("power", "refused", 7.0)
    with pytest.raises(
        FeedUnavailableError, match=r"each of 2 feeds is unavailable: .*no JSON.*; power is"
    ) as away_error:
        several(gas=Fixed(error=refused), power=Fixed(error=away)).fetch(DAYS)
    assert away_error.value.retry_after_seconds == 7.0
    with pytest.raises(FeedDocumentError, match=r"each of 2 feeds .*no JSON.*no JSON"):
        several(gas=Fixed(error=refused), power=Fixed(error=refused)).fetch(DAYS)


def test_one_feed_that_is_away_and_a_second_of_the_weather_is_its_own_error() -> None:
    feeds = [NamedFeed("weather", Fixed("Temperature"), WEATHER), NamedFeed("gas", Fixed(error=ValueError("a fault")))]
    with pytest.raises(ValueError, match="a fault"):
        SeveralFeeds(feeds, timeout_seconds=PATIENCE_SECONDS).fetch(DAYS)


def test_of_series_that_two_feeds_have_only_the_later_ones_are_left_out() -> None:
    document = several(gas=Fixed("Demand", "Moffat"), power=Fixed("Demand", "Wind")).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Demand", "Moffat", "Wind"]
    assert [name for name, _ in document.unpublished].count("Demand") == 1
    problem = str(result(document, "power").problem)
    assert "it has 'Demand', which 'gas' has too and which is taken from there. Leave it out of" in problem
    assert result(document, "gas").problem is None


def test_a_series_of_another_feed_is_known_by_the_whole_document_and_not_by_the_days_asked_for() -> None:
    class Empty(Fixed):
        def fetch(self, period: DateRange) -> FeedDocument:
            found = super().fetch(period)
            return replace(found, observations=found.observations.iloc[:0], series=self.names)

    document = several(gas=Empty("Demand"), power=Fixed("Demand", "Wind")).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Wind"]


class Refused(Fixed):
    """Answers with documents of which most was refused."""

    def fetch(self, period: DateRange) -> FeedDocument:
        return replace(super().fetch(period), refusals=Refusals(rows=4, refused_rows=3, values=1))


def test_of_a_document_of_which_too_much_is_refused_nothing_is_taken_while_another_feed_can_be_used() -> None:
    document = several(gas=Refused("Moffat"), power=Fixed("Wind")).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Wind"]
    assert "more was refused than the 50 %" in str(result(document, "gas").problem)
    assert "Moffat" in set(document.quarantined["unique_id"].dropna())
    document = several(gas=Refused("Moffat"), power=Refused("Wind")).fetch(DAYS)
    assert document.observations["unique_id"].tolist() == ["Moffat", "Wind"]
    assert [of.problem for of in document.feeds] == [None, None]
    assert (document.refusals.rows, document.refusals.refused_rows) == (8, 6)


def write(folder: Path, name: str, url: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"source:\n  url: {url}\n", encoding="utf-8")
    return path


def test_descriptions_are_feeds_one_or_several(tmp_path: Path) -> None:
    assert type(feed_of(Settings(feed=write(tmp_path, "gas", "https://host/gas")))) is HttpFeed
    assert type(feed_of(Settings(feeds=tmp_path))) is HttpFeed
    assert names_of_several_feeds(Settings(feeds=tmp_path)) == ()
    write(tmp_path, "power", "s3://bucket/power.csv")
    assert type(feed_of(Settings(feeds=tmp_path))) is SeveralFeeds
    assert names_of_several_feeds(Settings(feeds=tmp_path)) == ("gas", "power")
    assert names_of_several_feeds(Settings(feeds=tmp_path, feed_url="http://host/feed")) == ("feed", "gas", "power")


def test_covariates_of_a_description_are_exogenous_series(tmp_path: Path) -> None:
    path = write(tmp_path, "gas", "https://host/gas")
    covariate = "covariates:\n- unique_id: Wind\n  delay_days: 2\n"
    path.write_text(path.read_text(encoding="utf-8") + covariate, encoding="utf-8")
    settings = with_covariates(Settings(feed=path, exogenous=[TEMPERATURE]))
    assert exogenous_from(settings.exogenous) == (KnownAtCutoff("Temperature"), KnownAtCutoff("Wind", 2))
    assert with_covariates(Settings(feed=tmp_path / "none.yaml")).exogenous == []


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("gopher://host", "source.url of the feed 'power': is no feed"),
        ("https://host/${NOT_THERE}", "NOT_THERE: is not set, and the feed 'power' needs it"),
    ],
)
def test_a_description_that_is_wrong_is_refused_by_its_name(tmp_path: Path, url: str, problem: str) -> None:
    write(tmp_path, "gas", "https://host/gas")
    write(tmp_path, "power", url)
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        feed_of(Settings(feeds=tmp_path))


def test_two_feeds_of_one_name_and_none_at_all_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "feed", "https://host/gas")
    with pytest.raises(ConfigurationError, match="FORECASTING_FEEDS: two feeds are called 'feed'"):
        feed_of(Settings(feeds=tmp_path, feed_url="https://host/feed"))
    with pytest.raises(ConfigurationError, match="FORECASTING_FEED_URL: is not set"):
        feed_of(Settings())


# --- settings of today ---


def test_the_settings_say_which_feeds() -> None:
    assert type(feed_of(Settings(feed_url="http://host/feed"))) is HttpFeed
    assert type(feed_of(Settings(feed_url="http://host/feed", exogenous_feed_url=""))) is HttpFeed
    both = Settings(feed_url="http://host/feed", exogenous_feed_url="file:///weather.csv", exogenous=[TEMPERATURE])
    assert type(feed_of(both)) is SeveralFeeds


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
