from datetime import date

import pandas as pd
import pytest

from forecasting_platform.adapters.local_engine import LocalEngine
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import UnavailableError
from forecasting_platform.forecasting.monitoring.control.references import references_from
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import (
    FEATURE_TABLE,
    FORECAST_ERRORS,
    FORECASTS,
    HELD_OBSERVATIONS,
    OBSERVATIONS,
)
from forecasting_platform.ports.engine import Read
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.training.trainer import Trainer
from forecasting_platform_tests.contracts.engine_contract import BLOCKS, EngineContract, killed, work_of
from forecasting_platform_tests.contracts.training_examples import RECIPE, VALUES, filled
from forecasting_platform_tests.support.example_series import days_after
from forecasting_platform_tests.support.in_process_engine import in_process

pytestmark = pytest.mark.slow

REPLACED = FEATURE_TABLE, HELD_OBSERVATIONS, FORECAST_ERRORS
ALL_DAYS = DateRange(date(2000, 1, 1), date(2030, 1, 1))


class Reopened:
    """Opens the store of a test in a worker process, which gets a copy of what is in it then."""

    def __init__(self, store: TableStore) -> None:
        self._store = store

    def __getstate__(self) -> list[pd.DataFrame]:
        return [self._store.read(table) for table in (*REPLACED, FORECASTS, OBSERVATIONS)]

    def __setstate__(self, tables: list[pd.DataFrame]) -> None:
        *replaced, forecasts, versions = tables
        self._store = MemoryTableStore()
        for table, rows in zip(REPLACED, replaced, strict=True):
            self._store.replace(table, rows, ALL_DAYS)
        self._store.record_forecasts(forecasts)
        for available_at, rows in versions.groupby("available_at"):
            values = rows.drop(columns="available_at")
            self._store.record_observations(values, ALL_DAYS, available_at=pd.Timestamp(str(available_at)))

    def __call__(self) -> TableStore:
        return self._store


class TestLocalEngine(EngineContract):
    @pytest.fixture
    def store(self) -> TableStore:
        return MemoryTableStore()

    @pytest.fixture
    def engine(self, store: TableStore) -> LocalEngine:
        return LocalEngine(store, Reopened(store), workers=2, min_cells=0)


def test_a_block_that_kills_each_worker_ends_the_call_and_is_named() -> None:
    store = filled(MemoryTableStore())
    engine = LocalEngine(store, Reopened(store), workers=2, min_cells=0)
    with pytest.raises(UnavailableError, match="killed 3 times at block 4"):
        list(engine.map_blocks(work_of(killed), [Read(FEATURE_TABLE)], BLOCKS))


def test_a_single_block_is_done_in_this_process() -> None:
    store = filled(MemoryTableStore())

    def never() -> TableStore:
        raise AssertionError("no worker is started")

    found = list(LocalEngine(store, never, workers=2).map_blocks(work_of(_series), [Read(FEATURE_TABLE)], [["a", "b"]]))
    assert found == [["a", "b"]]


def _series(_number: int, rows: pd.DataFrame) -> list[object]:
    return sorted(set(rows["unique_id"]))


def test_series_trained_in_blocks_are_trained_as_they_would_be_together() -> None:
    store = filled(MemoryTableStore())
    apart, together = (
        Trainer(store, in_process(store), block_series=size).train(RECIPE, code_version="test").model
        for size in (1, len(VALUES))
    )
    assert apart.metadata["backtest"] == together.metadata["backtest"]
    assert apart.metadata["series"].keys() == together.metadata["series"].keys()
    assert references_from(apart.metadata).keys() == references_from(together.metadata).keys()
    inputs = together.inputs(days_after(15))
    found, expected = (model.predict(inputs).to_frame().drop(columns=["unique_id"]) for model in (apart, together))
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)
