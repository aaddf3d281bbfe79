"""What tests do to the Spark store's tables behind its back."""

from forecasting_platform.adapters.spark.schema import LOGS
from forecasting_platform.adapters.spark.table_store import SparkTableStore


def empty_spark_tables(store: SparkTableStore) -> None:
    """Drop every batch: to make the tables anew takes seconds."""
    for log in LOGS:
        table_log = store._table_log(log)
        if batches := table_log.batches():
            table_log._drop(batches)
