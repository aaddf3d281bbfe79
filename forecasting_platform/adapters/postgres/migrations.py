"""Upgrades an older schema `forecasting` to this release with the Alembic revisions in `revisions`.

All revisions run in one transaction: a migration that fails leaves the schema, its rows and its revision unchanged.
`schema` creates a new schema.
"""

from dataclasses import dataclass
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from forecasting_platform.adapters.postgres.connections import PostgresConnection, PostgresConnections, lock
from forecasting_platform.adapters.postgres.errors import first_line, platform_error
from forecasting_platform.adapters.postgres.roles import prepare_schema
from forecasting_platform.adapters.postgres.schema import (
    HEAD_REVISION,
    REVISIONS,
    describe,
    is_empty,
    revision_of,
)
from forecasting_platform.errors import MigrationError, SchemaRevisionError, StoreUnavailableError

SCRIPTS = Path(__file__).parent / "revisions"


@dataclass(frozen=True, slots=True)
class Migration:
    """The result of a migration of the schema.

    Attributes:
        before: the revision found, None where there was no schema.
        after: the revision now.
    """

    before: str | None
    after: str


def migrate_schema(dsn: str) -> Migration:
    """Upgrade the schema to this release's revision, or create it; one that is up to date is left unchanged.

    Raises:
        MigrationError: a revision could not be applied; the schema is unchanged.
        SchemaRevisionError: the schema is a newer release's, or has no revision.
        StoreUnavailableError: Postgres did not answer.
        ConfigurationError: the DSN cannot be read, or a right is missing.
    """
    connections = PostgresConnections(dsn)
    try:
        before = _upgrade_to_head(dsn, connections.place)
        prepare_schema(dsn)
        with connections.transaction("the schema") as connection:
            describe(connection)
    finally:
        connections.close()
    return Migration(before, HEAD_REVISION)


def _upgrade_to_head(dsn: str, place: str) -> str | None:
    # The platform's own driver: SQLAlchemy's reading of a DSN differs from libpq's.
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
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


def upgrade(connection: Connection, target: str) -> str | None:
    """Run the revisions up to `target` in the caller's transaction; return the one before, None without a schema."""
    driver: PostgresConnection = connection.connection.driver_connection  # type: ignore[assignment] # psycopg's
    lock(driver, "schema")
    if is_empty(driver):
        return None
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    before = revision_of(driver)
    if before not in REVISIONS:
        raise SchemaRevisionError(before, HEAD_REVISION)
    command.upgrade(config, target)
    return before
