from collections.abc import Callable, Iterator

import pytest
from pyspark.sql import SparkSession

from forecasting_platform.adapters.spark_schema import LOGS
from forecasting_platform.adapters.spark_session import SparkOptions, spark_session
from forecasting_platform.adapters.spark_table_log import TableLog
from forecasting_platform.adapters.spark_table_store import SparkTableStore
from forecasting_platform_tests.contracts.table_store_contract import (
    RemoteTableStoreContract,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(spark_options: SparkOptions) -> SparkTableStore:
    store = SparkTableStore(spark_options)
    store.prepare()
    return store


@pytest.fixture
def spark(spark_options: SparkOptions) -> SparkSession:
    return spark_session(spark_options)


@pytest.fixture
def store(prepared: SparkTableStore, spark: SparkSession) -> Iterator[SparkTableStore]:
    """Empty again after each test: to make the tables anew takes seconds."""
    yield prepared
    for log in LOGS:
        rows = spark.sql(f"SHOW PARTITIONS forecasting.{log.name}").collect()
        if rows:
            listed = ", ".join(f"PARTITION ({row[0]})" for row in rows)
            spark.sql(f"ALTER TABLE forecasting.{log.name} DROP {listed}")


class TestSparkTableStore(RemoteTableStoreContract):
    @pytest.fixture
    def store(self, store: SparkTableStore) -> SparkTableStore:
        return store

    @pytest.fixture
    def unreachable_store(self, spark_options: SparkOptions, spark: SparkSession) -> SparkTableStore:
        return SparkTableStore(spark_options, start=lambda _options: _without_metastore(spark))

    @pytest.fixture
    def break_next_write(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        def broken(*_: object) -> bool:
            raise RuntimeError("broken on purpose")

        return lambda: monkeypatch.setattr(TableLog, "_add", broken)


def _without_metastore(spark: SparkSession) -> SparkSession:
    """A session of the same JVM whose metastore service does not answer."""
    settings = {
        "hive.metastore.uris": "thrift://127.0.0.1:1",
        "hive.metastore.connect.retries": "1",
        "hive.metastore.client.connect.retry.delay": "0s",
        "hive.metastore.failure.retries": "0",
    }
    jvm = spark._jvm
    assert jvm is not None
    session = jvm.org.apache.spark.sql.classic.SparkSession(spark._jsc.sc(), settings)
    return SparkSession(spark.sparkContext, session)
