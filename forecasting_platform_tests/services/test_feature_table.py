"""Stored features hold of plans what was known at the end of each day, by the time at which it was stored."""

import json
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.series.covariates.exogenous import KnownByTargetDay
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.services.feature_table import build_feature_table, features_as_of
from forecasting_platform_tests.support.in_process_engine import in_process

PLAN = KnownByTargetDay("plan of {series}", days_ahead=3)
FIRST = date(2023, 7, 1)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def night(number: int) -> datetime:
    """At which the values of the day before are loaded."""
    return datetime(2023, 7, 1, 2, tzinfo=UTC) + timedelta(days=number)


def rows(unique_id: str, number: int, y: float) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": [unique_id], "ds": [pd.Timestamp(day(number))], "y": [y]})


@pytest.fixture
def store() -> MemoryTableStore:
    """Five days of a shop, loaded night by night, and the plan of its fifth day, changed on its fourth."""
    store = MemoryTableStore()
    for number in range(5):
        days = DateRange(day(number), day(number))
        observed = [rows("shop", number, 10.0 + number)] + ([rows("plan of shop", 4, 0.0)] if number == 4 else [])
        store.record_observations(pd.concat(observed), days, available_at=night(number + 1))
        if number in {1, 3}:
            store.record_plans(rows("plan of shop", 4, 1.0 + number), available_at=night(number))
        build_feature_table(store, in_process(store), days, "IE", [PLAN])
    return store


def known(features: pd.DataFrame) -> list[dict[str, float]]:
    return [json.loads(text) if isinstance(text, str) else {} for text in features["exogenous"]]


def test_a_row_holds_the_plan_as_it_was_known_at_its_days_end(store: MemoryTableStore) -> None:
    features = store.read(FEATURE_TABLE)
    assert features["unique_id"].unique().tolist() == ["shop"]
    assert known(features) == [{}, {"plan of +3": 2.0}, {"plan of +2": 2.0}, {"plan of +1": 4.0}, {"plan of": 4.0}]


def test_what_is_built_anew_later_is_the_same(store: MemoryTableStore) -> None:
    before = store.read(FEATURE_TABLE)
    build_feature_table(store, in_process(store), DateRange(day(0), day(4)), "IE", [PLAN])
    pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), before)


def test_rows_as_of_a_time_are_those_that_were_stored_then(store: MemoryTableStore) -> None:
    asked = DateRange(day(0), day(2))
    then = features_as_of(store, asked, "IE", night(3), [PLAN])
    stored = store.read(FEATURE_TABLE, asked)
    pd.testing.assert_frame_equal(then, stored)
    assert known(features_as_of(store, asked, "IE", night(1) - timedelta(seconds=1), [PLAN])) == []


def test_a_history_of_plans_reaches_the_rows_before_the_days_it_came_with() -> None:
    declared = KnownByTargetDay("plan of {series}", days_ahead=3, known_days_ahead=2)
    store = MemoryTableStore()
    for number in (0, 1, 2):
        days = DateRange(day(number), day(number))
        observed = [rows("shop", number, 1.0)] + ([rows("plan of shop", 2, 7.0)] if number == 2 else [])
        store.record_observations(pd.concat(observed), days, available_at=night(30 + number))
        build_feature_table(store, in_process(store), days, "IE", [declared])
    assert known(store.read(FEATURE_TABLE)) == [{"plan of +2": 7.0}, {"plan of +1": 7.0}, {"plan of": 7.0}]
