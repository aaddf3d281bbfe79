"""What is remembered of each feed, from load to load."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad, LoadedDocument, after_load
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.quality.refusals import Refusals

NOON = datetime(2023, 6, 30, 12, tzinfo=UTC)  # a Friday
DAYS = DateRange(date(2023, 6, 1), date(2023, 6, 29))
BUSINESS = DueDays(weekdays=(0, 1, 2, 3, 4), lag_days=1, at=time(18), time_zone="America/New_York")
DOCUMENT = LoadedDocument(
    NOON, DAYS, "https://host/gas.csv", 3, 2, 1, Refusals(published=DateRange(DAYS.start, date(2023, 6, 30))), DAYS.end
)
GAS = FeedLoad("gas", NOON, DAYS, document=DOCUMENT)
BROKEN = FeedLoad("gas", NOON, DAYS, problem="503", failing_since=NOON)


def later(load: FeedLoad, hours: int) -> FeedLoad:
    at = NOON + timedelta(hours=hours)
    document = load.document and replace(load.document, fetched_at=at)
    return replace(load, asked_at=at, failing_since=at if load.problem else None, document=document)


def record(*loads: FeedLoad) -> FeedLoad:
    """The record of the feed after loads of it."""
    known: list[FeedLoad] = []
    for load in loads:
        known = after_load(known, [load], {"gas"})
    (found,) = known
    return found


def test_a_feed_fails_since_the_first_of_its_failures_and_keeps_what_was_loaded_before() -> None:
    found = record(GAS, later(BROKEN, 1), later(BROKEN, 2))
    assert (found.state, found.failing_since) == ("failing", NOON + timedelta(hours=1))
    assert (found.asked_at, found.document) == (NOON + timedelta(hours=2), DOCUMENT)


def test_a_feed_that_recovers_fails_since_its_next_failure_only() -> None:
    found = record(BROKEN, later(GAS, 1))
    assert (found.state, found.problem, found.failing_since) == ("loaded", None, None)
    assert record(BROKEN, later(GAS, 1), later(BROKEN, 2)).failing_since == NOON + timedelta(hours=2)


def test_a_feed_that_only_ever_failed_was_never_loaded() -> None:
    found = record(BROKEN, later(BROKEN, 1))
    assert (found.state, found.failing_since, found.next_due, found.not_yet) == ("never loaded", NOON, None, None)


def test_a_load_that_began_earlier_and_ended_later_changes_nothing() -> None:
    assert record(later(GAS, 1), BROKEN) == later(GAS, 1)


def test_the_newest_day_stays_where_an_answer_is_of_earlier_days_only() -> None:
    old = replace(DOCUMENT, newest_day=date(2023, 6, 5))
    assert record(GAS, later(replace(GAS, document=old), 1)).document.newest_day == DAYS.end  # type: ignore[union-attr] # it has one
    elsewhere = replace(old, source="https://host/other.csv")
    assert record(GAS, later(replace(GAS, document=elsewhere), 1)).document.newest_day == old.newest_day  # type: ignore[union-attr] # it has one


def test_a_feed_that_is_described_no_longer_is_forgotten_and_one_that_was_not_asked_stays() -> None:
    others = [replace(GAS, feed=name) for name in ("gone", "weather")]
    found = after_load(others, [GAS], {"gas", "weather"})
    assert [each.feed for each in found] == ["gas", "weather"]


@pytest.mark.parametrize(
    ("newest", "published", "calendar", "not_yet", "next_due"),
    [
        # The 30th is in progress at noon: its value is there, and not complete.
        (date(2023, 6, 30), date(2023, 6, 30), DueDays(), ("2023-06-30", "2023-06-30"), "2023-06-30"),
        (date(2023, 6, 29), date(2023, 6, 29), DueDays(), None, "2023-06-30"),
        # Announced without a value.
        (date(2023, 6, 27), date(2023, 6, 29), DueDays(), ("2023-06-28", "2023-06-29"), "2023-06-28"),
        # Friday noon is Friday 08:00 there: Wednesday is complete, Thursday from 18:00 on.
        (date(2023, 6, 28), date(2023, 6, 29), BUSINESS, ("2023-06-29", "2023-06-29"), "2023-06-29"),
        # After a Friday comes a Monday.
        (date(2023, 6, 23), date(2023, 6, 23), BUSINESS, None, "2023-06-26"),
    ],
)
def test_days_that_are_not_complete_yet_and_the_next_due_one_follow_from_the_calendar(
    newest: date, published: date, calendar: DueDays, not_yet: tuple[str, str] | None, next_due: str
) -> None:
    document = replace(DOCUMENT, newest_day=newest, refusals=Refusals(published=DateRange(DAYS.start, published)))
    found = replace(GAS, document=document, due_days=calendar)
    assert (found.not_yet and (str(found.not_yet.start), str(found.not_yet.end))) == not_yet
    assert str(found.next_due) == next_due


def test_the_next_due_day_has_the_time_of_its_publication() -> None:
    document = replace(DOCUMENT, newest_day=date(2023, 6, 28))
    assert str(replace(GAS, document=document, due_days=BUSINESS).complete_from) == "2023-06-30 18:00:00-04:00"


def test_a_calendar_without_a_later_day_has_no_next_one() -> None:
    closed = DueDays(closed=(DateRange(date(2023, 6, 30), date(2026, 1, 1)),))
    found = replace(GAS, due_days=closed)
    assert (found.next_due, found.complete_from) == (None, None)
