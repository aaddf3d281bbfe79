"""Upgrades an older schema of the platform to this release with the Alembic revisions in `revisions`.

All revisions run in one transaction: a migration that fails leaves the schema, its rows and its revision unchanged.
`schema` creates a new schema.
"""

from dataclasses import dataclass
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from forecasting_platform.adapters.postgres.connections import (
    SEARCH_PATH,
    PostgresConnection,
    PostgresConnections,
    lock,
    schema_of,
)
from forecasting_platform.adapters.postgres.errors import first_line, platform_error
from forecasting_platform.adapters.postgres.roles import prepare_schema
from forecasting_platform.adapters.postgres.schema import (
    HEAD_REVISION,
    REVISIONS,
    SchemaRevisionError,
    describe,
    is_empty,
    revision_of,
)
from forecasting_platform.errors import ForecastingPlatformError, StoreUnavailableError
from forecasting_platform.settings import SCHEMA

SCRIPTS = Path(__file__).parent / "revisions"


class MigrationError(ForecastingPlatformError):
    """A revision could not be applied; its transaction was rolled back, so nothing has changed."""

    def __init__(self, revision: str, problem: str) -> None:
        self.revision = revision
        self.problem = problem
        super().__init__(
            f"the migration to revision {revision} failed and changed nothing: {problem}. "
            f"Fix the cause, then run `forecasting-platform migrate` again."
        )


@dataclass(frozen=True, slots=True)
class Migration:
    """The result of a migration of the schema.

    Attributes:
        before: the revision found, None where there was no schema.
        after: the revision now.
    """

    before: str | None
    after: str


def migrate_schema(dsn: str, schema: str = SCHEMA) -> Migration:
    """Upgrade the schema to this release's revision, or create it; one that is up to date is left unchanged.

    Raises:
        MigrationError: a revision could not be applied; the schema is unchanged.
        SchemaRevisionError: the schema is a newer release's, or has no revision.
        StoreUnavailableError: Postgres did not answer.
        ConfigurationError: the DSN cannot be read, or a right is missing.
    """
    connections = PostgresConnections(dsn, schema=schema)
    try:
        before = _upgrade_to_head(dsn, schema, connections.place)
        prepare_schema(dsn, schema)
        with connections.transaction("the schema") as connection:
            describe(connection)
    finally:
        connections.close()
    return Migration(before, HEAD_REVISION)


def _upgrade_to_head(dsn: str, schema: str, place: str) -> str | None:
    engine = engine_of(dsn, schema)
    try:
        with engine.begin() as connection:
            return upgrade(connection, HEAD_REVISION)
    except (psycopg.Error, DBAPIError) as error:
        # The message of Postgres or its driver, without the statement that SQLAlchemy adds.
        cause = (error.orig or error) if isinstance(error, DBAPIError) else error
        meant = platform_error(cause, place, "the schema") if isinstance(cause, psycopg.Error) else None
        if isinstance(meant, StoreUnavailableError):
            raise meant from error
        raise MigrationError(HEAD_REVISION, first_line(cause)) from error


def engine_of(dsn: str, schema: str) -> Engine:
    """Make an engine of SQLAlchemy whose connections find the schema's tables by their bare names."""

    def connect() -> PostgresConnection:
        connection = psycopg.connect(dsn)
        connection.execute("SELECT set_config(%s, %s, false)", [SEARCH_PATH, schema])
        connection.commit()
        return connection

    # The platform's own driver: SQLAlchemy's reading of a DSN differs from libpq's.
    return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)


def upgrade(connection: Connection, target: str) -> str | None:
    """Run the revisions up to `target` in the caller's transaction; return the one before, None without a schema."""
    driver: PostgresConnection = connection.connection.driver_connection  # type: ignore[assignment] # psycopg's
    lock(driver, "schema")
    if is_empty(driver):
        return None
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes |= {"connection": connection, "schema": schema_of(driver)}
    before = revision_of(driver)
    if before not in REVISIONS:
        raise SchemaRevisionError(before, HEAD_REVISION)
    command.upgrade(config, target)
    return before
