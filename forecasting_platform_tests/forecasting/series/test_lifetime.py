"""When a series has ended, by its own rhythm; and that one that has stops no other."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.errors import InvalidRangeError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.lifetime import MIN_SILENT_DAYS, ended_after_days, last_days
from forecasting_platform_tests.support.example_series import (
    END,
    days_after,
    features_of,
    observations,
    seasonal,
    trained,
)


@pytest.fixture(scope="module")
def model() -> ForecastModel:
    """One that lives, one that ended over a year ago, one a month and a day ago, one that has a value a month."""
    monthly = np.where(np.arange(900) % 30 == 29, seasonal(900), np.nan)
    silent = {"lives": 0, "ended": 500, "ended lately": MIN_SILENT_DAYS + 1, "silent": MIN_SILENT_DAYS}
    values = {name: np.append(seasonal(900 - days), np.full(days, np.nan)) for name, days in silent.items()}
    return trained(values | {"monthly": np.roll(monthly, -40)}).model


def test_an_ended_series_is_known_with_its_last_day_and_a_monthly_one_goes_on(model: ForecastModel) -> None:
    assert model.ended_at() == {"ended": END - timedelta(days=500), "ended lately": END - timedelta(days=32)}
    assert model.ended_at(END - timedelta(days=1)) == {"ended": END - timedelta(days=500)}
    found = model.predict(model.inputs(days_after(15)))
    assert set(found.unique_id) == {"lives", "silent", "monthly"}


def test_one_ended_series_stops_no_other_when_all_are_asked_for(model: ForecastModel) -> None:
    assert set(model.inputs(days_after(366)).unique_id) >= {"lives"}
    with pytest.raises(InvalidRangeError, match="at most 366"):
        model.inputs(days_after(367))


def test_a_value_makes_an_ended_series_go_on(model: ForecastModel) -> None:
    newest = features_of(observations({"ended": seasonal(900)})).tail(1)
    back = model.with_features(newest)
    assert "ended" not in back.ended_at()
    assert "ended" in set(back.inputs(days_after(15)).unique_id)


def observed(offsets: list[int]) -> pd.DataFrame:
    days = [pd.Timestamp(END) - timedelta(days=offset) for offset in offsets]
    return pd.DataFrame({"unique_id": "a", "ds": days})


@settings(max_examples=50)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=40, unique=True), st.integers(0, 400))
def test_days_and_panel_have_the_same_ends(offsets: list[int], since: int) -> None:
    found = last_days(observed(offsets), END + timedelta(days=since)).loc["a"]
    shown = np.isin(np.arange(701)[::-1], offsets)[None]
    assert found["ended_after_days"] == ended_after_days(shown)[0] >= MIN_SILENT_DAYS
    assert found["ended"] == (min(offsets) + since > found["ended_after_days"])


@settings(max_examples=50)
@given(st.lists(st.integers(0, 300), min_size=2, max_size=40, unique=True))
def test_no_series_has_ended_in_a_pause_no_longer_than_one_it_went_on_from(offsets: list[int]) -> None:
    longest = int(np.diff(sorted(offsets)).max())
    newest = END - timedelta(days=min(offsets)) + timedelta(days=longest)
    assert not last_days(observed(offsets), newest)["ended"].any()


@pytest.mark.parametrize("gap", [1, 20])
def test_an_end_is_news_for_a_week_once(gap: int) -> None:
    after = max(MIN_SILENT_DAYS, 2 * gap)
    days = [after - 1, after, after + 1, after + 7, after + 8, after + 300]
    found = [last_days(observed([0, gap]), END + timedelta(days=day))["is_news"].item() for day in days]
    assert found == [False, False, True, True, False, False]


def test_nothing_known_is_no_series() -> None:
    assert last_days(pd.DataFrame({"unique_id": [], "ds": pd.to_datetime([])})).empty


def test_where_the_whole_feed_is_silent_no_series_has_ended() -> None:
    rows = pd.concat([observed([100, 101]).assign(unique_id=name) for name in "ab"])
    assert not last_days(rows)["ended"].any()
