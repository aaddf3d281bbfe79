import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.monitoring.control.references import references_from
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.training.local_trainer import LocalTrainer
from forecasting_platform_tests.contracts.trainer_contract import BLOCK_SERIES, RECIPE, VALUES, TrainerContract, filled
from forecasting_platform_tests.support.example_series import days_after

pytestmark = pytest.mark.slow


class TestLocalTrainer(TrainerContract):
    @pytest.fixture
    def store(self) -> TableStore:
        return MemoryTableStore()

    @pytest.fixture
    def trainer(self, store: TableStore) -> LocalTrainer:
        return LocalTrainer(store, block_series=BLOCK_SERIES)


def test_series_trained_in_blocks_are_trained_as_they_would_be_together() -> None:
    store = filled(MemoryTableStore())
    apart, together = (
        LocalTrainer(store, block_series=size).train(RECIPE, code_version="test").model for size in (1, len(VALUES))
    )
    assert apart.metadata["backtest"] == together.metadata["backtest"]
    assert apart.metadata["series"].keys() == together.metadata["series"].keys()
    assert references_from(apart.metadata).keys() == references_from(together.metadata).keys()
    inputs = together.inputs(days_after(15))
    found, expected = (model.predict(inputs).to_frame().drop(columns=["unique_id"]) for model in (apart, together))
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)
