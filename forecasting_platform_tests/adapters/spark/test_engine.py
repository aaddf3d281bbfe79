import pytest

from forecasting_platform.adapters.local_engine import LocalEngine
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.adapters.spark.engine import SparkEngine
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import engine_of
from forecasting_platform_tests.contracts.engine_contract import EngineContract

pytestmark = pytest.mark.slow


class TestSparkEngine(EngineContract):
    @pytest.fixture
    def store(self, spark_store: SparkTableStore) -> SparkTableStore:
        return spark_store

    @pytest.fixture
    def engine(self, spark_store: SparkTableStore) -> SparkEngine:
        return SparkEngine(spark_store)


def test_one_setting_chooses_where_blocks_are_done(spark_store: SparkTableStore) -> None:
    assert isinstance(engine_of(Settings(), MemoryTableStore()), LocalEngine)
    on_spark = Settings(table_store="spark", engine="spark")
    assert isinstance(engine_of(on_spark, spark_store), SparkEngine)
    with pytest.raises(ConfigurationError, match="FORECASTING_TABLE_STORE=spark too"):
        engine_of(Settings(engine="spark"), MemoryTableStore())
