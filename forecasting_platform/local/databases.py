"""Makes the databases of an embedded platform, and the environment that migrates them."""

from collections.abc import Mapping

from forecasting_platform.adapters.postgres.roles import DAGSTER, MLFLOW
from forecasting_platform.local.environment import dagster_store, forecasting_store, mlflow_store
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres

DATABASES: Mapping[str, Mapping[str, str]] = {
    "mlflow": {},
    "forecasting": {},
    # Dagster writes thousands of events one by one. A crash of the machine may cost the last few
    # hundred milliseconds of them, never their order; of the forecasts it may cost nothing.
    "dagster": {"synchronous_commit": "off"},
}


def prepare_databases(postgres: EmbeddedPostgres) -> None:
    """Make the databases and the services' logins, as far as they are not there."""
    for name, settings in DATABASES.items():
        postgres.create_database(name, settings=settings)
    postgres.make_roles()


def stores_to_migrate(postgres: EmbeddedPostgres) -> dict[str, str]:
    """The environment of a migration: our schema is its owner's, the others migrate what is theirs."""
    stores = (dagster_store(postgres.role_dsn(DAGSTER)), mlflow_store(postgres.role_dsn(MLFLOW)))
    return {**forecasting_store(postgres.dsn("forecasting")), **stores[0], **stores[1]}
