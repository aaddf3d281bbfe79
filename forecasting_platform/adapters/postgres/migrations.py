"""From an older schema `forecasting` to this release's. What a schema is, `postgres_schema` says.

The revisions are Alembic's, in `revisions`. All of them run in one transaction, which Postgres takes back as a
whole: a migration that fails leaves the schema, its rows and its revision as they were.
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
    FIRST_REVISION,
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
    """What a migration of the schema did.

    Attributes:
        before: the revision that was found, None where there was no schema.
        after: the revision now.
    """

    before: str | None
    after: str


def migrate_schema(dsn: str) -> Migration:
    """Bring the schema to this release's revision, or make it; a schema that is there already is left alone.

    Raises:
        MigrationError: a revision could not be applied; the schema is as it was.
        SchemaRevisionError: the schema is of a newer release.
        StoreUnavailableError: Postgres did not answer.
        ConfigurationError: the DSN cannot be read, or a right is missing.
    """
    connections = PostgresConnections(dsn)
    try:
        before = _upgraded_from(dsn, connections.place)
        prepare_schema(dsn)
        with connections.transaction("the schema") as connection:
            describe(connection)
    finally:
        connections.close()
    return Migration(before, HEAD_REVISION)


def _upgraded_from(dsn: str, place: str) -> str | None:
    # The platform's own driver: SQLAlchemy's reading of a DSN differs from libpq's.
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            return upgrade(connection, HEAD_REVISION)
    except (psycopg.Error, DBAPIError) as error:
        # What Postgres or its driver says, without the statement that SQLAlchemy adds.
        cause = (error.orig or error) if isinstance(error, DBAPIError) else error
        meant = platform_error(cause, place, "the schema") if isinstance(cause, psycopg.Error) else None
        if isinstance(meant, StoreUnavailableError):
            raise meant from error
        raise MigrationError(HEAD_REVISION, first_line(cause)) from error


def upgrade(connection: Connection, target: str) -> str | None:
    """Run the revisions up to one within the caller's transaction; the revision before, None without a schema."""
    driver: PostgresConnection = connection.connection.driver_connection  # type: ignore[assignment] # psycopg's
    lock(driver, "schema")
    if is_empty(driver):
        return None
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    before = revision_of(driver)
    if before is None:
        command.stamp(config, FIRST_REVISION)
    elif before not in REVISIONS:
        raise SchemaRevisionError(before, HEAD_REVISION)
    command.upgrade(config, target)
    return before or FIRST_REVISION
