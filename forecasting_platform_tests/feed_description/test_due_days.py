"""From the words of descriptions to the calendar of each series."""

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from forecasting_platform.errors import ConfigurationError, FeedDescriptionError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.feed_description.due_days import due_days_of
from forecasting_platform.feed_description.file import parse_description
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import EVERY_DAY, DueDays
from forecasting_platform.forecasting.series.days.series_calendars import DAILY

BUSINESS = """
source: {url: "https://host/oil.csv"}
day: {format: "%Y-%m-%d", time_zone: America/New_York}
calendar:
  weekdays: [monday, tuesday, wednesday, thursday, friday]
  holidays: [US, XNYS]
  closed: [2024-12-24, {start: 2024-08-01, end: 2024-08-15}]
publication: {lag_days: 2, at: "18:30"}
"""


def described(name: str, **more: Any) -> FeedDescription:
    return FeedDescription.model_validate({"name": name, "source": {"url": "https://host/feed"}} | more)


WEEKLY = {"calendar": {"weekdays": "friday"}}


def test_the_words_of_a_description_become_its_calendar() -> None:
    found = due_days_of([parse_description(BUSINESS, "oil.yaml")]).of("Price")
    assert found == DueDays(
        weekdays=(0, 1, 2, 3, 4),
        holidays=("US", "XNYS"),
        closed=(DateRange(date(2024, 12, 24), date(2024, 12, 24)), DateRange(date(2024, 8, 1), date(2024, 8, 15))),
        lag_days=2,
        at=time(18, 30),
        time_zone="America/New_York",
    )


def test_holidays_that_nobody_knows_are_refused_with_their_line() -> None:
    with pytest.raises(FeedDescriptionError, match="'Narnia' is no country") as caught:
        parse_description(BUSINESS.replace("[US, XNYS]", "Narnia"), "oil.yaml")
    assert "6" in str(caught.value)


def test_no_description_and_one_without_a_calendar_are_of_every_day() -> None:
    assert due_days_of([]) == due_days_of([described("a")]) == DAILY


@pytest.mark.parametrize("moment", [datetime(2024, 7, 1, 3, 30, tzinfo=UTC), datetime(2024, 7, 1, 23, tzinfo=UTC)])
@pytest.mark.parametrize("publication", [{"lag_days": 1, "at": "06:00"}, {"lag_days": 3, "at": "00:00"}])
def test_a_day_is_complete_when_the_reader_takes_it(moment: datetime, publication: dict[str, object]) -> None:
    feed = described("a", publication=publication, day={"time_zone": "Asia/Tokyo"})
    assert due_days_of([feed]).of("x").newest_complete(moment) == feed.newest_day(moment)


def test_a_day_that_begins_at_six_is_complete_at_six() -> None:
    gas = due_days_of([described("gas", day={"begins_at": "06:00", "time_zone": "Europe/Dublin"})]).of("x")
    assert gas.complete_from(date(2024, 7, 1)).isoformat() == "2024-07-02T06:00:00+01:00"


def test_each_feed_has_its_own_series() -> None:
    feeds = [
        described("rest"),
        described("oil", series={"include": ["Price"], "rename": {"Price": "Brent"}, "prefix": "oil "}, **WEEKLY),
        described("power", series={"prefix": "power "}, calendar={"closed": ["2024-12-25"]}),
    ]
    found = due_days_of(feeds)
    assert found.of("oil Brent").weekdays == (4,)
    assert found.of("power Dublin").closed == (DateRange(date(2024, 12, 25), date(2024, 12, 25)),)
    assert found.of("Gas") == EVERY_DAY


def test_feeds_that_nothing_tells_apart_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'oil' has another calendar"):
        due_days_of([described("gas"), described("oil", **WEEKLY)])
    assert due_days_of([described("a", **WEEKLY), described("b", **WEEKLY)]).of("x").weekdays == (4,)
