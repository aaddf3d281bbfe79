"""Which directories the batches of each log are: what a backup needs of a metastore, without its absolute paths."""

from collections.abc import Mapping

from forecasting_platform.adapters.spark.table_store import SparkTableStore

BatchLists = Mapping[str, Mapping[str, str]]
"""By the name of a log, the name of each batch's directory by the batch's number."""


def list_batches(store: SparkTableStore) -> BatchLists:
    """The batches of each log as of one moment each; their directories never change.

    Raises:
        StoreUnavailableError: Spark does not answer.
    """
    with store.translated("the batches"):
        return {
            log.log.name: {str(batch): name for batch, name in log.directory_of_each().items()}
            for log in store.table_logs()
        }


def adopt_batches(store: SparkTableStore, lists: BatchLists) -> None:
    """Make directories in the store's folder the batches that they were; safe to repeat.

    Raises:
        StoreUnavailableError: Spark does not answer.
    """
    store.prepare()
    with store.translated("the batches"):
        for log in store.table_logs():
            log.adopt({int(batch): name for batch, name in lists.get(log.log.name, {}).items()})
