"""A year of nights of feeds that have no value on some days: nothing is missing or late that was never due."""

import pandas as pd
import pytest

from benchmarks.due_days import ECB, WEEKLY, WTI, made_up, nights
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars, SeriesCalendar

YEAR, EVERY = 365, 9


@pytest.mark.parametrize("due", [ECB, WTI, WEEKLY], ids=["business days of a bank", "of a market", "weekly"])
def test_nothing_is_missing_or_late_that_was_never_due(due: DueDays) -> None:
    values = made_up(due, days=1600)
    found = nights(values, Calendars((SeriesCalendar(due),)), YEAR, EVERY)
    assert found["missing"].sum() == 0
    assert not found["late"].any()
    without = nights(values, DAILY, YEAR, EVERY)
    assert without["missing"].any() or without["late"].any(), "the calendar is what makes the difference"


def test_a_due_day_without_a_value_is_missing_until_it_leaves_the_window() -> None:
    values = made_up(ECB, days=1600)
    lost = values["ds"] == pd.Timestamp("2024-11-13")
    assert lost.any()
    found = nights(values[~lost], Calendars((SeriesCalendar(ECB),)), 50)
    assert found.loc[found["missing"] > 0, "day"].astype(str).tolist()[0] == "2024-11-16"
    assert found["missing"].max() == 1
    assert (found["missing"] > 0).sum() == 28


def test_a_weekly_feed_that_falls_silent_is_late_four_days_after_its_due_day() -> None:
    values = made_up(WEEKLY, days=1600)
    daily = made_up(DueDays(), days=1600, seed=1).assign(unique_id="daily")
    silent = pd.concat([values[values["ds"] < "2024-12-06"], daily])
    calendars = Calendars((SeriesCalendar(WEEKLY, frozenset({"walk"})),))
    found = nights(silent, calendars, 26)
    assert found.loc[found["late"], "day"].astype(str).tolist()[0] == "2024-12-09"
