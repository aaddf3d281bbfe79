"""What `up` loads of a feed: its own days, from the first value to the newest."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.feed_wiring import feed_at, feed_of
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.services.loading.feed_reach import first_load, reach_of
from forecasting_platform.settings import Settings

TODAY = date(2023, 7, 20)
CSV = "Date,a,b\n01/02/1999,,\n02/02/1999,1,\n05/07/2023,,3\n06/07/2023,,\n"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., str]:
    def write(content: str, name: str = "feed") -> str:
        path = tmp_path / f"{name}.csv"
        path.write_text(content, encoding="utf-8")
        return path.as_uri()

    return write


def test_a_feed_reaches_from_its_first_value_to_its_newest(publish: Callable[..., str], told: list[str]) -> None:
    feed = feed_at(publish(CSV), Settings())
    assert str(reach_of(feed, TODAY, told.append)) == "1999-02-02..2023-07-05"
    assert told == []


def test_a_feed_that_ended_long_ago_is_told(publish: Callable[..., str], told: list[str]) -> None:
    reach_of(feed_at(publish(CSV), Settings()), date(2026, 7, 5), told.append)
    assert told == [
        "the feed's newest value is of 2023-07-05, 1,096 days ago: it is served for its own days and those right after"
    ]


def test_a_feed_without_a_value_is_refused_with_what_it_holds(publish: Callable[..., str], told: list[str]) -> None:
    feed = feed_at(publish("Date,a\n01/02/2020,\n"), Settings())
    with pytest.raises(FeedDocumentError, match=r"it has no value from 1970-01-01 to 2023-07-20; 0 of 1 rows"):
        reach_of(feed, TODAY, told.append)


def test_of_several_feeds_one_that_fails_is_told_and_the_others_reach(
    publish: Callable[..., str], tmp_path: Path, told: list[str]
) -> None:
    for name, content in (("gas", CSV), ("power", "<html>")):
        description = f"source: {{url: '{publish(content, name)}'}}\nday: {{format: dd/mm/yyyy}}\n"
        (tmp_path / f"{name}.yaml").write_text(description, encoding="utf-8")
    assert str(reach_of(feed_of(Settings(feeds=tmp_path)), TODAY, told.append)) == "1999-02-02..2023-07-05"
    assert len(told) == 1
    assert "the feed 'power': " in told[0]
    assert "it is a web page" in told[0]


SHORT = DateRange(date(2020, 1, 1), date(2023, 7, 5))


@pytest.mark.parametrize(
    ("reach", "start", "end", "expected"),
    [
        (SHORT, None, None, "2020-01-01..2023-07-05"),
        (SHORT, date(2021, 1, 1), None, "2021-01-01..2023-07-05"),
        (SHORT, None, date(2022, 1, 1), "2020-01-01..2022-01-01"),
        (DateRange(date(1970, 1, 1), date(2023, 7, 5)), date(1990, 1, 1), None, "1990-01-01..2023-07-05"),
        (DateRange(date(1970, 1, 1), date(2023, 7, 5)), None, None, "2003-06-21..2023-07-05"),
    ],
)
def test_the_first_load_is_the_feeds_own_days_unless_a_person_says_others(
    reach: DateRange, start: date | None, end: date | None, expected: str, told: list[str]
) -> None:
    assert str(first_load(reach, start, end, told.append)) == expected
    assert len(told) == (expected.startswith("2003"))
