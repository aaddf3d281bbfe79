from dataclasses import replace

import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.adapters.spark.trainer import SparkTrainer
from forecasting_platform.errors import ConfigurationError, StoreUnavailableError
from forecasting_platform.services.training.local_trainer import LocalTrainer
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import trainer_of
from forecasting_platform_tests.contracts.trainer_contract import BLOCK_SERIES, RECIPE, TrainerContract, filled

pytestmark = pytest.mark.slow


class TestSparkTrainer(TrainerContract):
    @pytest.fixture
    def store(self, spark_store: SparkTableStore) -> SparkTableStore:
        return spark_store

    @pytest.fixture
    def trainer(self, spark_store: SparkTableStore) -> SparkTrainer:
        return SparkTrainer(spark_store, block_series=BLOCK_SERIES)


def test_a_task_that_fails_says_what_it_said(spark_store: SparkTableStore) -> None:
    filled(spark_store)
    wrong = replace(RECIPE, country="nowhere")
    with pytest.raises(StoreUnavailableError, match=r"a task failed: .*'nowhere' is no country"):
        SparkTrainer(spark_store, block_series=BLOCK_SERIES).train(wrong, code_version="test")


def test_one_setting_chooses_where_models_are_trained(spark_store: SparkTableStore) -> None:
    assert isinstance(trainer_of(Settings(), MemoryTableStore()), LocalTrainer)
    on_spark = Settings(table_store="spark", trainer="spark")
    assert isinstance(trainer_of(on_spark, spark_store), SparkTrainer)
    with pytest.raises(ConfigurationError, match="FORECASTING_TABLE_STORE=spark too"):
        trainer_of(Settings(trainer="spark"), MemoryTableStore())
