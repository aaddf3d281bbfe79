"""Where FORECASTING_TRAINER has models trained. Only the chosen one's clients are imported."""

from forecasting_platform.adapters.local_trainer import LocalTrainer
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.ports.trainer import Trainer
from forecasting_platform.settings import Settings


def trainer_of(settings: Settings, table_store: TableStore) -> Trainer:
    """The trainer that the settings name, on the store's `feature_table`.

    Raises:
        ConfigurationError: Spark is to train on tables that are not in Spark.
    """
    if settings.trainer == "local":
        return LocalTrainer(table_store)
    if settings.table_store != "spark":
        problem = "is spark, which trains where the tables are: set FORECASTING_TABLE_STORE=spark too, or train locally"
        raise ConfigurationError("FORECASTING_TRAINER", problem)
    from forecasting_platform.adapters.spark_table_store import SparkTableStore
    from forecasting_platform.adapters.spark_trainer import SparkTrainer

    if not isinstance(table_store, SparkTableStore):
        raise TypeError(f"FORECASTING_TABLE_STORE is spark, but the store is {type(table_store).__name__}")
    return SparkTrainer(table_store)
