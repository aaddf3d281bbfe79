"""Which table store FORECASTING_TABLE_STORE picks. Only the chosen one's clients are imported."""

from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings


def table_store_of(settings: Settings) -> TableStore:
    """The store that the settings name; it connects when first used.

    Raises:
        ConfigurationError: what the store needs is not set or not installed.
    """
    if settings.table_store == "spark":
        return _spark(settings)
    from forecasting_platform.adapters.postgres_table_store import PostgresTableStore

    return PostgresTableStore(settings.require_postgres_dsn())


def _spark(settings: Settings) -> TableStore:
    from forecasting_platform.adapters.spark_session import SparkOptions, require_pyspark

    require_pyspark()
    from forecasting_platform.adapters.spark_table_store import SparkTableStore

    return SparkTableStore(
        SparkOptions(
            warehouse=settings.require_spark_warehouse_dir(),
            metastore_uri=settings.spark_metastore_uri,
            master=settings.spark_master,
            conf={name: value.get_secret_value() for name, value in settings.spark_conf.items()},
        )
    )
