"""The calendar of due days: which days are due, their neighbours, when they are complete, and its form as JSON."""

import json
from datetime import UTC, date, datetime, time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.days.calendar import is_holiday as is_on_holiday
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import EVERY_DAY, DueDays, holidays_of_year
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars, SeriesCalendar

BUSINESS = DueDays(weekdays=(0, 1, 2, 3, 4), holidays=("XECB",))
WEEKLY = DueDays(weekdays=(4,))
DAYS = np.arange("2023-01-01", "2025-01-01", dtype="datetime64[D]")

calendars = st.builds(
    DueDays,
    weekdays=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    holidays=st.sampled_from([(), ("IE",), ("GB-SCT",), ("XNYS",), ("US", "XNYS")]),
    closed=st.sampled_from([(), (DateRange(date(2023, 7, 1), date(2023, 9, 3)),)]),
    closed_days_are=st.sampled_from(["left_out", "zero"]),
    lag_days=st.integers(0, 5),
    at=st.sampled_from([time(0), time(9, 30)]),
    time_zone=st.sampled_from(["UTC", "Europe/Dublin", "America/New_York"]),
)
days = st.integers(0, len(DAYS) - 1).map(lambda position: DAYS[position])


@pytest.mark.parametrize(
    ("code", "day", "is_holiday"),
    [
        ("IE", "2024-02-05", True),
        ("GB-SCT", "2024-01-02", True),
        ("GB-ENG", "2024-01-02", False),
        ("XNYS", "2024-03-29", True),
        ("US", "2024-03-29", False),
        ("IN", "2024-01-26", True),
        ("XECB", "2024-04-01", True),
    ],
)
def test_holidays_are_those_of_countries_their_parts_and_markets(code: str, day: str, is_holiday: bool) -> None:
    assert (np.datetime64(day) in holidays_of_year(code, 2024)) == is_holiday


def test_a_year_of_which_the_package_knows_less_is_no_reason_to_warn_whoever_reads_a_feed() -> None:
    holidays_of_year.cache_clear()
    assert np.datetime64("2000-01-26") in holidays_of_year("IN", 2000)
    assert is_on_holiday(np.array(["2000-01-26"], dtype="datetime64[D]"), "IN").tolist() == [1.0]


@pytest.mark.parametrize("code", ["XX", "GB-ATLANTIS", "Narnia"])
def test_unknown_holidays_are_refused_in_words(code: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{code}' is no country"):
        DueDays(holidays=(code,)).is_due(DAYS)


@given(calendars, days)
def test_the_next_due_day_is_the_first_one_after_a_day(due: DueDays, day: np.datetime64) -> None:
    following = due.next_due(np.array([day]))[0]
    assert day < following
    assert due.is_due(np.array([following])).all()
    assert not due.is_due(np.arange(day + 1, following)).any()


@given(calendars, days, days)
def test_counts_are_the_due_days_between(due: DueDays, after: np.datetime64, until: np.datetime64) -> None:
    found = due.count(np.array([after]), np.array([until]))[0]
    assert found == due.is_due(np.arange(after + 1, until + 1)).sum()


@given(calendars)
def test_a_calendar_is_the_same_after_json(due: DueDays) -> None:
    assert DueDays.from_document(json.loads(json.dumps(due.to_document()))) == due
    each = Calendars((SeriesCalendar(due, frozenset({"b", "a"})), SeriesCalendar(due, prefix="x")))
    assert Calendars.from_document(json.loads(json.dumps(each.to_document()))) == each


def test_every_day_is_due_by_default_and_covers_itself() -> None:
    assert EVERY_DAY.is_every_day
    assert EVERY_DAY.is_due(DAYS).all()
    assert (EVERY_DAY.covered_until(DAYS) == DAYS).all()
    assert DAILY.is_every_day
    assert DAILY.of("anything") == EVERY_DAY


def test_a_feed_that_is_closed_for_good_has_no_next_day() -> None:
    closed = DueDays(closed=(DateRange(date(2024, 1, 1), date(2999, 1, 1)),))
    day = np.array(["2024-02-01"], dtype="datetime64[D]")
    assert np.isnat(closed.next_due(day)).all()
    assert (closed.covered_until(day) > day).all()


@given(calendars, days, st.integers(0, 86399))
def test_the_newest_complete_day_is_the_last_whose_moment_has_come(
    due: DueDays, day: np.datetime64, second: int
) -> None:
    moment = datetime.combine(day.item(), time(second // 3600, second // 60 % 60, second % 60), UTC)
    newest = due.newest_complete(moment)
    assert due.complete_from(newest) <= moment < due.complete_from((np.datetime64(newest) + 1).item())


def test_each_series_has_the_calendar_of_the_first_that_owns_it() -> None:
    found = Calendars((SeriesCalendar(WEEKLY, frozenset({"oil"})), SeriesCalendar(BUSINESS, prefix="fx ")))
    assert [found.of(name) for name in ("oil", "fx USD", "gas")] == [WEEKLY, BUSINESS, EVERY_DAY]
    friday = np.array(["2024-03-28", "2024-03-29", "2024-03-30"], dtype="datetime64[D]")
    assert found.is_due(["oil", "fx USD", "gas"], friday).tolist() == [
        [False, True, False],
        [True, False, False],
        [True, True, True],
    ]
    rows = found.closed_rows(["gas", "oil", "fx USD", "oil"], np.append(friday, friday[1]))
    assert rows.tolist() == [False, False, True, False]
    assert not found.closed_rows(["gas", "oil", "fx USD"], friday, "zero").any()


def test_a_day_is_closed_for_all_where_each_calendar_closes_it() -> None:
    days = DateRange(date(2024, 3, 28), date(2024, 4, 1))  # Good Friday is the second, Easter Monday the last
    bank, weekly = SeriesCalendar(BUSINESS, prefix="fx "), SeriesCalendar(WEEKLY, frozenset({"oil"}))
    weekend = [date(2024, 3, 30), date(2024, 3, 31), days.end]
    assert sorted(Calendars((bank,)).closed_for_all(days)) == [date(2024, 3, 29), *weekend]
    assert sorted(Calendars((bank, weekly)).closed_for_all(days)) == weekend
    assert Calendars((bank, SeriesCalendar(EVERY_DAY))).closed_for_all(days) == frozenset()
    assert DAILY.closed_for_all(days) == frozenset()
