"""Two runs at once over the same days leave what one after the other would have left."""

import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import OverlappingWritesError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.services.feature_table import build_feature_table
from forecasting_platform.services.forecast_errors import match_forecast_errors
from forecasting_platform_tests.contracts.table_store_rows import forecasts
from forecasting_platform_tests.support.in_process_engine import in_process

DAYS = DateRange(date(2023, 7, 1), date(2023, 7, 5))
NOON = datetime(2023, 7, 6, 12, tzinfo=UTC)


class Interrupted(MemoryTableStore):
    """Before its first replacement, somebody else does all of their work."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] | None = None

    def replace(self, table: Table, rows: pd.DataFrame, period: DateRange) -> int:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().replace(table, rows, period)


def record(store: MemoryTableStore, level: float, at: datetime) -> None:
    rows = pd.DataFrame({"unique_id": "a", "ds": pd.to_datetime(list(DAYS)), "y": level})
    store.record_observations(rows, DAYS, available_at=at)


def test_features_of_overlapping_loads_are_those_of_the_newest_values() -> None:
    store = Interrupted()

    def another_load() -> None:
        record(store, 2.0, NOON + timedelta(hours=1))
        build_feature_table(store, in_process(store), DAYS, "IE")

    record(store, 1.0, NOON)
    store.meanwhile = another_load
    build_feature_table(store, in_process(store), DAYS, "IE")
    expected = build_features(store.read_observations(), DAYS, "IE")
    pd.testing.assert_frame_equal(store.read(FEATURE_TABLE), expected)


def test_errors_of_overlapping_runs_are_those_of_the_newest_values_and_of_all_forecasts() -> None:
    store = Interrupted()

    def another_run() -> None:
        record(store, 2.0, NOON + timedelta(hours=1))
        store.record_forecasts(forecasts(DAYS, "2"))
        match_forecast_errors(store, DAYS, 3)

    record(store, 1.0, NOON)
    store.record_forecasts(forecasts(DAYS, "1"))
    store.meanwhile = another_run
    match_forecast_errors(store, DAYS, 3)
    errors = store.read(FORECAST_ERRORS)
    assert errors["y"].unique().tolist() == [2.0]
    assert set(errors["model_version"]) == {"1", "2"}


def test_a_store_that_others_never_leave_alone_is_an_error_to_repeat_and_no_endless_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, counted = MemoryTableStore(), itertools.count()
    record(store, 1.0, NOON)
    monkeypatch.setattr(store, "count", lambda *_: next(counted))
    with pytest.raises(OverlappingWritesError, match="changed during each of 20 attempts for 2023-07-01") as features:
        build_feature_table(store, in_process(store), DAYS, "IE")
    with pytest.raises(OverlappingWritesError, match="forecast_errors is unavailable") as matches:
        match_forecast_errors(store, DAYS, 3)
    assert (features.value.table, matches.value.attempts) == ("feature_table", 20)
