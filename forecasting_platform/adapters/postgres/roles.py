"""Roles and their rights in Postgres: one login a service, with no more rights than its work needs.

The server's owner makes them and migrates; no app, scheduler or run connects as the owner. `up`, compose and AWS all
make their roles here. `schema` has the tables. See decision 18.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from forecasting_platform.adapters.postgres.connections import (
    PostgresConnection,
    PostgresConnections,
    lock,
    schema_of,
)
from forecasting_platform.adapters.postgres.errors import platform_error
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.schema import REVISION_TABLE
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.series.frames import (
    OBSERVATIONS,
    PLANNED_VALUES,
    PREDICTION_LOG,
    QUARANTINED_OBSERVATIONS,
)
from forecasting_platform.settings import SCHEMA


@dataclass(frozen=True, slots=True)
class Role:
    """The login of one service.

    Attributes:
        name: of the role in Postgres.
        database: the only one that it may connect to.
        owns_database: whether it makes and migrates the tables there itself.
    """

    name: str
    database: str
    owns_database: bool = False


DAGSTER = Role("dagster", "dagster", owns_database=True)
MLFLOW = Role("mlflow", "mlflow", owns_database=True)
RUNS = Role("forecasting_runs", "forecasting")
"""Runs, checks and sensors: they write every table, but of decisions and observations only new rows."""
APP = Role("forecasting_app", "forecasting")
"""The app: it reads, and writes its answers, its own incident, and a person's reactions to incidents."""
ROLES = (DAGSTER, MLFLOW, RUNS, APP)

_ALL_ROWS: LiteralString = "SELECT, INSERT, UPDATE, DELETE"
_NEW_ROWS: LiteralString = "SELECT, INSERT"
_RUNS_RIGHTS: dict[str, LiteralString] = {
    "promotion_decisions": _NEW_ROWS,
    OBSERVATIONS.name: _NEW_ROWS,
    PLANNED_VALUES.name: _NEW_ROWS,
    QUARANTINED_OBSERVATIONS.name: "SELECT, INSERT, DELETE",
    REVISION_TABLE: "SELECT",
}
_APP_RIGHTS: dict[str, LiteralString] = {
    PREDICTION_LOG.name: _NEW_ROWS,
    "alerts": "SELECT, INSERT, UPDATE",
    "alert_mutes": "SELECT, INSERT, UPDATE",
}


def make_roles(dsn: str, passwords: Mapping[Role, str]) -> None:
    """Make these roles and their databases, or give those that are there these passwords.

    Tables that somebody else made in a role's own database become the role's.

    Args:
        dsn: of any database of the server, as its owner.

    Raises:
        StoreUnavailableError: Postgres did not answer.
        ConfigurationError: whoever connects may not make roles or databases.
    """
    with _connection(dsn) as connection:
        for role, password in passwords.items():
            _make_role(connection, role, password)
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [role.database]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(role.database)))
            _admit(connection, role)
    for role in passwords:
        if role.owns_database:
            with _connection(make_conninfo(dsn, dbname=role.database)) as connection:
                for (name,) in connection.execute(_TABLES_OF_OTHERS, [role.name]).fetchall():
                    _execute(connection, "ALTER TABLE public.{table} OWNER TO {role}", role, table=sql.Identifier(name))


def prepare_schema(dsn: str, schema: str = SCHEMA) -> None:
    """Make what a platform's schema lacks, and set what each role that is there may do in it; as its owner.

    Raises:
        SchemaRevisionError: the schema is another release's.
        StoreUnavailableError: Postgres did not answer.
    """
    for adapter in (PostgresTableStore(dsn, schema=schema), PostgresLedger(dsn, schema=schema)):
        adapter.prepare()
        adapter.close()
    connections = PostgresConnections(dsn, schema=schema)
    try:
        with connections.transaction("the schema") as connection:
            lock(connection, "schema")
            for role, rights, otherwise in ((RUNS, _RUNS_RIGHTS, _ALL_ROWS), (APP, _APP_RIGHTS, "SELECT")):
                if _is_there(connection, role):
                    _set_rights(connection, role, rights, otherwise)
    finally:
        connections.close()


@contextmanager
def _connection(dsn: str) -> Iterator[PostgresConnection]:
    """As the server's owner, outside a transaction: a database cannot be made in one."""
    place = PostgresConnections(dsn).place
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection
    except psycopg.Error as error:
        raise platform_error(error, place, "making roles and databases") or error from error


def _is_there(connection: PostgresConnection, role: Role) -> bool:
    return connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role.name]).fetchone() is not None


def _make_role(connection: PostgresConnection, role: Role, password: str) -> None:
    if not _is_there(connection, role):
        _execute(connection, "CREATE ROLE {role} LOGIN", role)
    # Hashed here, so that no log of the server can hold it.
    hashed = connection.pgconn.encrypt_password(password.encode(), role.name.encode(), b"scram-sha-256").decode()
    _execute(connection, "ALTER ROLE {role} LOGIN PASSWORD {hashed}", role, hashed=sql.Literal(hashed))


def _admit(connection: PostgresConnection, role: Role) -> None:
    """Let a role connect to its database, and refuse everybody who has no right of their own."""
    if role.owns_database:
        # Who is no superuser may hand a database only to a role that it is a member of.
        _execute(connection, "GRANT {role} TO CURRENT_USER", role)
        _execute(connection, "ALTER DATABASE {database} OWNER TO {role}", role)
    else:
        _execute(connection, "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}", role)
    _execute(connection, "REVOKE ALL ON DATABASE {database} FROM PUBLIC", role)


_TABLES_OF_OTHERS = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
  AND relowner <> (SELECT oid FROM pg_roles WHERE rolname = %s)
  -- A sequence goes with its table, and an extension keeps what is its.
  AND NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype IN ('a', 'i', 'e')
  )
"""


_TABLES_AND_VIEWS = """
SELECT relname, relkind IN ('v', 'm') FROM pg_class
WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p', 'v', 'm')
"""


def _set_rights(
    connection: PostgresConnection, role: Role, rights: Mapping[str, LiteralString], otherwise: LiteralString
) -> None:
    """Set exactly these rights, by table; `otherwise` on tables that are not named. Views are only read."""
    schema = sql.Identifier(schema_of(connection))
    _execute(connection, "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}", role, schema=schema)
    _execute(connection, "GRANT USAGE ON SCHEMA {schema} TO {role}", role, schema=schema)
    for name, is_view in connection.execute(_TABLES_AND_VIEWS, [schema_of(connection)]).fetchall():
        allowed = "SELECT" if is_view else rights.get(name, otherwise)
        _execute(connection, f"GRANT {allowed} ON {{table}} TO {{role}}", role, table=sql.Identifier(name))
    if role == RUNS:  # the numbers of decisions
        _execute(connection, "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}", role, schema=schema)


def _execute(connection: PostgresConnection, statement: LiteralString, role: Role, **names: sql.Composable) -> None:
    named = {"role": sql.Identifier(role.name), "database": sql.Identifier(role.database)}
    connection.execute(sql.SQL(statement).format(**named, **names))
