"""What is held back of a series, what lets it go, and that nothing else is touched by it."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.series_calendars import Calendars, SeriesCalendar
from forecasting_platform.forecasting.series.quality.holding import (
    FAR_OFF,
    NOT_YET,
    POLICY,
    TOO_LOW,
    accepted_days,
    deciding_period,
    held_observations,
    without_held,
)
from forecasting_platform_tests.support.example_series import END, observations, seasonal

DAYS = 900
LAST_MONTH = DateRange(END - timedelta(days=30), END)


def held(values: np.ndarray, period: DateRange = LAST_MONTH, **options: object) -> list[tuple[str, str]]:
    """(day before the end, reason) of what is held of one series."""
    found = held_observations(observations({"a": values}), period, **options)  # type: ignore[arg-type] # as given
    return [(f"{(END - day.date()).days}", reason) for day, reason in zip(found["ds"], found["reason"], strict=True)]


def with_values(**by_day: float) -> np.ndarray:
    """An ordinary series with other values so many days before the end: `d3=1e9`."""
    values = seasonal(DAYS)
    for day, value in by_day.items():
        values[DAYS - 1 - int(day.removeprefix("d"))] = value
    return values


def test_ordinary_days_are_not_held() -> None:
    assert held(seasonal(DAYS)) == []


@pytest.mark.parametrize("value", [1e5, -1e5, 1e50])
def test_a_wild_value_is_held_and_says_what_would_not_be(value: float) -> None:
    found = held_observations(observations({"a": with_values(d5=value), "b": seasonal(DAYS, 1)}), LAST_MONTH)
    (row,) = found.to_dict("records")
    assert (row["unique_id"], row["ds"].date(), row["y"]) == ("a", END - timedelta(days=5), value)
    assert row["reason"] == FAR_OFF
    assert row["lowest"] < 60 < 130 < row["highest"]
    assert not row["lowest"] <= value <= row["highest"]


def test_a_day_in_progress_is_held_while_it_is_the_newest() -> None:
    assert held(with_values(d0=4.0)) == [("0", TOO_LOW)]
    assert held(-with_values(d0=4.0)) == [("0", TOO_LOW)]
    assert held(with_values(d2=4.0)) == [("2", TOO_LOW)]
    assert held(with_values(d3=4.0)) == []


def test_a_revision_lets_a_day_go() -> None:
    assert held(with_values(d0=100.0)) == []


def test_a_shutdown_is_held_for_two_days_and_then_it_is_the_truth() -> None:
    assert held(with_values(d0=0.0, d1=0.0)) == [("1", TOO_LOW), ("0", TOO_LOW)]
    assert held(with_values(d0=0.0, d1=0.0, d2=0.0)) == []


def test_a_series_that_comes_near_zero_by_itself_is_never_too_low() -> None:
    weekends = np.where(np.arange(DAYS) % 7 < 5, seasonal(DAYS), 0.0)
    weekends[-1] = 0.0
    assert held(weekends) == []


def test_a_new_level_is_held_for_two_weeks_and_then_it_is_the_truth() -> None:
    days = POLICY.far_off_days
    shifted = {f"d{day}": 1e6 + day for day in range(days)}
    assert held(with_values(**shifted)) == []
    assert len(held(with_values(**{name: y for name, y in shifted.items() if name != f"d{days - 1}"}))) == days - 1


def test_a_person_lets_days_go() -> None:
    wild = with_values(d5=1e6, d9=1e6)
    accepted = accepted_days({"a": [str(END - timedelta(days=5))]})
    assert held(wild, accepted=accepted) == [("9", FAR_OFF)]
    assert held(wild, accepted=accepted_days({"a": [f"{END - timedelta(days=9)}..{END}"]})) == []
    assert len(held(wild, accepted=accepted_days({"b": [str(END)]}))) == 2


@pytest.mark.parametrize("written", ["yesterday", "2023-07-03..2023-07-01", "..", ""])
def test_days_that_cannot_be_read_are_a_configuration_error(written: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"FORECASTING_ACCEPTED_VALUES: .* is neither a day nor a range of days"
    ):
        accepted_days({"a": [written]})


def test_a_short_or_constant_past_holds_nothing() -> None:
    short = observations({"a": [*seasonal(49), 1e9]})
    assert held_observations(short, LAST_MONTH).empty
    assert held(np.r_[np.full(DAYS - 1, 7.0), 1e9]) == []


def test_a_rate_that_is_pegged_may_move_a_little() -> None:
    pegged = 7.45 + np.random.default_rng(0).normal(0, 1e-5, DAYS)
    pegged[-1] += 0.01
    assert held(pegged) == []
    pegged[-1] = 745.0
    assert held(pegged) == [("0", FAR_OFF)]


def test_the_judgement_of_a_day_is_the_same_in_whatever_range_it_is_made() -> None:
    rows = observations({"a": with_values(d0=4.0, d12=1e6, d200=-1e6), "b": with_values(d40=1e6)})
    whole = held_observations(rows, DateRange(END - timedelta(days=400), END))
    assert len(whole) == 4
    for day in whole["ds"].dt.date:
        period = DateRange(day, day)
        decides = deciding_period(period)
        few = rows[rows["ds"].between(pd.Timestamp(decides.start), pd.Timestamp(decides.end))]
        expected = whole[whole["ds"].dt.date == day].reset_index(drop=True)
        pd.testing.assert_frame_equal(held_observations(few, period), expected)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.floats(-1e50, 1e50)), max_size=8),
    st.sampled_from(["a", "b ", "z/"]),
)
def test_a_series_holds_back_nothing_of_another(wild: list[tuple[int, float]], name: str) -> None:
    ordinary = observations({"m": with_values(d0=4.0, d7=1e9)})
    alone = held_observations(ordinary, LAST_MONTH)
    poisoned = observations({name: with_values(**{f"d{day}": value for day, value in wild})})
    together = held_observations(pd.concat([poisoned, ordinary]), LAST_MONTH)
    pd.testing.assert_frame_equal(together[together["unique_id"] == "m"].reset_index(drop=True), alone)


def test_a_day_in_progress_is_implausible_for_its_weekday_though_other_weekdays_are_as_low() -> None:
    shut = seasonal(DAYS) * (np.arange(DAYS) % 7 != (DAYS - 3) % 7)
    assert held(shut) == []
    for share in (0.04, 0.25):
        partial = shut.copy()
        partial[-1] *= share
        assert held(partial) == [("0", TOO_LOW)]


def test_a_value_of_a_day_that_is_not_complete_is_held_until_it_is() -> None:
    evening = DueDays(lag_days=2, at=time(18), time_zone="Europe/Dublin")
    calendars = Calendars((SeriesCalendar(evening, frozenset({"a"})),))
    rows = observations({"a": seasonal(DAYS), "b": seasonal(DAYS, 1)})

    def held_at(moment: datetime) -> list[tuple[str, date]]:
        found = held_observations(rows, LAST_MONTH, calendars=calendars, moment=moment)
        assert set(found["reason"]) <= {NOT_YET}
        assert found[["lowest", "highest"]].isna().all(axis=None)
        return [(name, day.date()) for name, day in zip(found["unique_id"], found["ds"], strict=True)]

    complete = evening.complete_from(END)
    assert held_at(complete) == []
    assert held_at(complete - timedelta(seconds=1)) == [("a", END)]
    assert held_at(complete - timedelta(days=1)) == [("a", END)]
    assert held_at(complete - timedelta(days=2)) == [
        ("a", END - timedelta(days=1)),
        ("a", END),
        ("b", END),  # it has no calendar of its own, and the day is not over
    ]
    by_hand = held_observations(rows, LAST_MONTH, {"a": [DateRange(END - timedelta(days=1), END)]}, calendars=calendars,
                                moment=datetime(2023, 7, 1, tzinfo=UTC))  # fmt: skip
    assert by_hand.empty, "a person takes it to be right"


def test_what_is_held_is_left_out_of_observations_and_nothing_else() -> None:
    rows = observations({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    found = without_held(rows, rows[rows["y"] == 2.0])
    assert found["y"].tolist() == [1.0, 3.0, 4.0]
    assert without_held(rows, rows.iloc[:0]).equals(rows)


def test_nothing_observed_is_nothing_held() -> None:
    assert held_observations(observations({"a": [1.0]}).iloc[:0], DateRange(date(2023, 1, 1), END)).empty
