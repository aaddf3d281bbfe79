"""Where each asset is, by the stores that the settings choose; addresses are without passwords."""

from collections.abc import Callable
from dataclasses import dataclass

from forecasting_platform.redaction import shown
from forecasting_platform.settings import SCHEMA, Settings


@dataclass(frozen=True, slots=True)
class Place:
    """Where an asset is.

    Attributes:
        name: in its store, as a query would name it.
        uri: without credentials.
        storage_kind: the store, by Dagster's name for it.
        kinds: the technologies that the catalog shows.
    """

    name: str
    uri: str
    storage_kind: str
    kinds: frozenset[str]


def table_place(settings: Settings, table: str) -> Place:
    """Where a table of the table store is."""
    return PLACES[settings.table_store](settings, table)


def _spark_place(settings: Settings, table: str) -> Place:
    folder = shown(settings.spark_warehouse_dir or "").rstrip("/")
    return Place(f"{settings.postgres_schema}.{table}", f"{folder}/{table}", "spark", frozenset({"spark", "hive"}))


def postgres_place(settings: Settings, table: str) -> Place:
    """Where a table is that is in Postgres whatever the table store is.

    >>> postgres_place(Settings(postgres_dsn="postgresql://me@db:5433/forecasting"), "alerts").uri
    'postgresql://db:5433/forecasting/forecasting.alerts'
    """
    name = f"{settings.postgres_schema}.{table}"
    return Place(name, f"postgresql://{_database(settings)}/{name}", "postgres", frozenset({"postgres"}))


PLACES: dict[str, Callable[[Settings, str], Place]] = {"postgres": postgres_place, "spark": _spark_place}
"""By the value of FORECASTING_TABLE_STORE."""


def model_place(settings: Settings, alias: str) -> Place:
    """Where the version is that has an alias of the registered model."""
    server = shown(settings.mlflow_tracking_uri).rstrip("/") if settings.mlflow_tracking_uri else ""
    uri = f"{server}/#/models/{settings.model_name}" if server else f"models:/{settings.model_name}@{alias}"
    library = "spark" if settings.engine == "spark" else "numpy"
    return Place(f"{settings.model_name}@{alias}", uri, "mlflow", frozenset({"mlflow", library}))


def _database(settings: Settings) -> str:
    """`host:port/database` of the DSN, as far as it says; nothing else of it, nor of what is no DSN."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(settings.postgres_dsn.get_secret_value() if settings.postgres_dsn else "")
    except ProgrammingError:
        found = {}
    host = f"{found['host']}:{found.get('port', 5432)}" if "host" in found else ""
    return f"{host}/{found.get('dbname', SCHEMA)}"
