from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.forecasting.series.quality.data_quality import (
    HISTORY_DAYS,
    MIN_HISTORY_DAYS,
    judge_days,
    structural_problem,
)
from forecasting_platform_tests.support.ordinary_values import (
    JULY,
    PAST,
    changed,
    loaded,
    observations,
    series,
    without,
)


def findings(rows: pd.DataFrame, history: pd.DataFrame | None = None) -> dict[str, list[str]]:
    judged = judge_days(rows, series(PAST) if history is None else history, JULY)
    hits = {
        "low": judged["y"] < judged["low"],
        "high": judged["y"] > judged["high"],
        "jump": judged["change"] > judged["max_change"],
        "flat": judged["flat_days"] > judged["max_flat_days"],
        "hum": judged["swing"] < judged["min_swing"],
        "missing": judged["is_due"] & judged["y"].isna(),
    }
    return {name: judged.loc[hit, "ds"].dt.strftime("%m-%d").tolist() for name, hit in hits.items() if hit.any()}


def test_days_like_the_past_are_as_expected() -> None:
    assert findings(loaded()) == {}


def test_the_past_is_the_three_years_before() -> None:
    assert len(PAST) == HISTORY_DAYS
    assert PAST.end == date(2023, 6, 30)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (changed(loaded(), "2023-07-10", 150.0), {"high": ["07-10"], "jump": ["07-10", "07-11"]}),
        (changed(loaded(), "2023-07-10", 40.0), {"low": ["07-10"], "jump": ["07-10", "07-11"]}),
        (loaded().pipe(without, "2023-07-10"), {"missing": ["07-10"]}),
        (loaded().head(27), {"missing": ["07-28"]}),  # the newest three may still be unpublished
        (loaded().iloc[:0], {"missing": [f"07-{day:02}" for day in range(1, 29)]}),
        (loaded().assign(y=lambda rows: rows["y"].mask(rows["ds"].between("2023-07-10", "2023-07-18"), 105.0)),
         {"flat": ["07-17", "07-18"]}),
    ],
    ids=["a high value", "a low value", "a day missing", "the end missing", "all missing", "a flat line"],
)  # fmt: skip
def test_what_is_unlike_the_past_is_named(rows: pd.DataFrame, expected: dict[str, list[str]]) -> None:
    assert findings(rows) == expected


def test_the_last_day_of_the_past_is_the_day_before_the_first() -> None:
    flat_since_may = series(PAST).assign(y=lambda rows: rows["y"].mask(rows["ds"] > "2023-06-24", 105.0))
    assert findings(changed(loaded(), "2023-07-01", 105.0), flat_since_may) == {}
    assert findings(changed(changed(loaded(), "2023-07-01", 105.0), "2023-07-02", 105.0), flat_since_may) == {
        "flat": ["07-02"]
    }


def test_a_series_that_often_stands_still_may_do_so() -> None:
    often_off = series(PAST).assign(y=lambda rows: rows["y"].where(rows["ds"].dt.month != 2, 0.0))
    off = loaded().assign(y=lambda rows: rows["y"].where(rows["ds"] < "2023-07-05", 0.0))
    assert "flat" not in findings(off, often_off)
    assert "low" not in findings(off, often_off)


def test_a_series_without_weekends_lacks_none() -> None:
    def weekdays(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["ds"].dt.day_of_week < 5]

    assert findings(weekdays(loaded()), weekdays(series(PAST))) == {}
    assert findings(weekdays(loaded()).pipe(without, "2023-07-10"), weekdays(series(PAST))) == {"missing": ["07-10"]}


def test_a_series_that_ended_lacks_no_day() -> None:
    assert findings(loaded().iloc[:0], series(PAST).head(-122)) == {}


def test_one_wild_value_of_the_past_widens_no_limit() -> None:
    once = changed(series(PAST), "2022-03-01", 1e6)
    pd.testing.assert_frame_equal(judge_days(loaded(), once, JULY), judge_days(loaded(), series(PAST), JULY), rtol=0.02)


def test_a_short_or_constant_past_limits_nothing() -> None:
    short = series(PAST).tail(MIN_HISTORY_DAYS - 1)
    constant = series(PAST).assign(y=7.0)
    for history in (short, constant):
        judged = judge_days(loaded(), history, JULY)
        assert judged[["low", "high", "max_change"]].isna().all(axis=None)


def test_a_new_series_is_not_judged() -> None:
    assert judge_days(loaded().assign(unique_id="new"), series(PAST), JULY)["unique_id"].unique().tolist() == ["a"]
    assert judge_days(loaded(), series(PAST).iloc[:0], JULY).empty


@settings(max_examples=15, deadline=None)
@given(st.floats(-1e9, 1e9), st.integers(0, 30))
def test_limits_do_not_depend_on_what_is_judged_by_them(value: float, position: int) -> None:
    limits = ["unique_id", "ds", "low", "high", "max_change", "max_flat_days", "is_due"]
    other = changed(loaded(), str(JULY.start + timedelta(days=position)), value)
    judged, before = judge_days(other, series(PAST), JULY), judge_days(loaded(), series(PAST), JULY)
    pd.testing.assert_frame_equal(judged[limits], before[limits])


def test_a_meter_that_hums_is_found_within_a_week_and_one_that_rests_on_sundays_is_not() -> None:
    hum = np.random.default_rng(2).uniform(0.0, 0.04, len(JULY))
    dead = loaded().assign(y=lambda rows: rows["y"].where(rows["ds"] < "2023-07-10", hum))
    assert findings(dead)["hum"][0] == "07-16"

    def shut(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(y=rows["y"].where(rows["ds"].dt.day_of_week < 6, 0.0))

    assert findings(shut(loaded()), shut(series(PAST))) == {}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (observations().drop(columns="available_at"), "missing columns ['available_at']"),
        (observations().assign(unit="GWh"), "unknown columns ['unit']"),
        (pd.concat([observations(), observations().head(1)]), "occurs twice: 'a, 2023-07-01'"),
        (changed(observations(), "2023-07-10", float("nan")), "column y holds 1 nulls"),
        (changed(observations(), "2023-07-10", float("inf")), "column y holds 1 infinite values"),
        (observations().assign(ds=lambda rows: rows["ds"] + pd.Timedelta(days=1)), "lies outside 2023-07-01..2023-07"),
        (observations().assign(y=lambda rows: rows["y"].astype("float32")), "columns of another kind: y"),
    ],
    ids=["a column less", "a column more", "a day twice", "no number", "infinite", "a day outside", "another kind"],
)
def test_what_is_no_set_of_newest_observations_is_told(rows: pd.DataFrame, problem: str) -> None:
    assert problem in str(structural_problem(rows, JULY))


def test_newest_observations_have_no_structural_problem() -> None:
    assert structural_problem(observations(), JULY) is None
