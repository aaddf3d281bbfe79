"""Creates a platform's schema with the tables of `series.frames`, and reads its revision.

A new schema is created as this release needs it and records that revision. A schema of an earlier release is refused
here; `migrations` upgrades it. A test holds both ways to one result. `table_store` reads and writes the tables.
"""

from collections.abc import Iterator

from psycopg import sql

from forecasting_platform.adapters.postgres.connections import PostgresConnection, schema_of
from forecasting_platform.errors import ForecastingPlatformError
from forecasting_platform.forecasting.series.frames import (
    DERIVED_TABLES,
    OBSERVATIONS,
    PLANNED_VALUES,
    PREDICTION_ERRORS,
    PREDICTION_LOG,
    QUARANTINED_OBSERVATIONS,
)
from forecasting_platform.forecasting.series.table import Column, Kind, Table

REVISIONS = ("0001",)
"""Every revision in `revisions`, the oldest first. They are listed here because the app runs without Alembic."""
HEAD_REVISION = REVISIONS[-1]
REVISION_TABLE = "alembic_version"
TABLES = (OBSERVATIONS, PLANNED_VALUES, QUARANTINED_OBSERVATIONS, *DERIVED_TABLES, PREDICTION_LOG)

_TYPES: dict[Kind, str] = {
    # Sorted as Python sorts, whatever the server's language.
    "text": 'text COLLATE "C"',
    "date": "date",
    "timestamp": "timestamptz",
    "float": "double precision",
    "integer": "bigint",
    "boolean": "boolean",
}

_NEWEST_VIEW = """
CREATE OR REPLACE VIEW observations AS
SELECT DISTINCT ON (unique_id, ds) unique_id, ds, y, available_at
FROM raw_observations
ORDER BY unique_id, ds, available_at DESC
"""

_DAILY_ACCURACY_VIEW = """
CREATE VIEW daily_accuracy AS
SELECT
    unique_id,
    ds,
    count(*) AS forecasts,
    avg(y_hat) AS mean_y_hat,
    avg(y) AS y,
    avg(y_hat - y) AS bias,
    sqrt(avg((y_hat - y) ^ 2)) AS rmse,
    avg((y BETWEEN y_hat_lo_80 AND y_hat_hi_80)::int) AS coverage_80,
    avg((y BETWEEN y_hat_lo_95 AND y_hat_hi_95)::int) AS coverage_95,
    avg(y_hat - y_first) AS bias_by_first_published
FROM (
    -- As `forecasting.record` defines it.
    SELECT DISTINCT ON (unique_id, cutoff, ds)
        unique_id, ds, y, y_first, y_hat, y_hat_lo_80, y_hat_hi_80, y_hat_lo_95, y_hat_hi_95
    FROM forecast_errors
    ORDER BY unique_id, cutoff, ds, issued_at NULLS FIRST, length(model_version), model_version
) AS of_record
GROUP BY unique_id, ds
"""

_PREDICTION_ERRORS_VIEW = """
CREATE VIEW prediction_errors AS
SELECT
    unique_id, cutoff, answered.ds, model_version, (answered.ds - cutoff)::bigint AS step, y_hat, answers,
    first_served_at, last_served_at, y, y_hat - y AS error, first_served_at < known_at AS before_actual
FROM (
    SELECT
        unique_id, cutoff, ds, model_version, y_hat, count(*) AS answers,
        min(served_at) AS first_served_at, max(served_at) AS last_served_at
    FROM prediction_log
    WHERE NOT given_inputs
    GROUP BY unique_id, cutoff, ds, model_version, y_hat
) AS answered
CROSS JOIN LATERAL (
    SELECT (array_agg(y ORDER BY available_at DESC))[1] AS y, min(available_at) AS known_at
    FROM raw_observations AS version
    WHERE version.unique_id = answered.unique_id AND version.ds = answered.ds
) AS actual
WHERE y IS NOT NULL
"""
_VIEWS = {
    "observations": _NEWEST_VIEW,
    "daily_accuracy": _DAILY_ACCURACY_VIEW,
    PREDICTION_ERRORS.name: _PREDICTION_ERRORS_VIEW,
}


class SchemaRevisionError(ForecastingPlatformError):
    """The schema in Postgres is of another or of an unknown release; it was not changed."""

    def __init__(self, found: str | None, needed: str) -> None:
        self.found = found
        self.needed = needed
        if found is None:
            problem, remedy = "has tables but records no revision", "name a database without a schema of that name"
        elif found < needed:
            problem, remedy = f"is at revision {found}", "run `forecasting-platform migrate`"
        else:
            problem, remedy = f"is at revision {found}", "install the newer release that made it"
        super().__init__(f"the schema forecasting {problem}, this release needs {needed}; {remedy}.")


def identifier(table: Table) -> sql.Identifier:
    """The table's name; its schema is the connection's."""
    return sql.Identifier(table.name)


def create_missing(connection: PostgresConnection) -> None:
    """Create the schema, and the tables and views that are not there.

    Raises:
        SchemaRevisionError: the schema is another release's.
    """
    create_schema(connection)
    for table in TABLES:
        if not exists(connection, table.name):
            for statement in _creation(table):
                connection.execute(statement)
            _describe(connection, table)
    for name, creation in _VIEWS.items():
        if not exists(connection, name):
            connection.execute(creation)
            if name == PREDICTION_ERRORS.name:
                _describe(connection, PREDICTION_ERRORS)


def describe(connection: PostgresConnection) -> None:
    """Write the declared descriptions of tables and columns into the catalog, where a person looks for them."""
    for table in (*TABLES, PREDICTION_ERRORS):
        _describe(connection, table)


def create_schema(connection: PostgresConnection) -> None:
    """Create the schema, of this release's revision, unless it is there.

    Raises:
        SchemaRevisionError: it is there, and another release's.
    """
    schema = schema_of(connection)
    # Asking for it anew would need rights on the whole database.
    if connection.execute("SELECT to_regnamespace(quote_ident(%s))", [schema]).fetchone() == (None,):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    if is_empty(connection):
        stamp(connection, HEAD_REVISION)
    elif (found := revision_of(connection)) != HEAD_REVISION:
        raise SchemaRevisionError(found, HEAD_REVISION)


def is_empty(connection: PostgresConnection) -> bool:
    """Whether the schema holds nothing, or is not there."""
    query = "SELECT NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(%s)))"
    return connection.execute(query, [schema_of(connection)]).fetchone() == (True,)


def revision_of(connection: PostgresConnection) -> str | None:
    """The revision of the schema; None where it records none."""
    if not exists(connection, REVISION_TABLE):
        return None
    query = sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(REVISION_TABLE))
    row = connection.execute(query).fetchone()
    return str(row[0]) if row else None


def exists(connection: PostgresConnection, name: str) -> bool:
    """Whether the schema has a table or view of this name."""
    query = "SELECT to_regclass(quote_ident(%s) || '.' || quote_ident(%s))"
    return connection.execute(query, [schema_of(connection), name]).fetchone() != (None,)


def stamp(connection: PostgresConnection, revision: str) -> None:
    """Record the revision of a schema that records none, in Alembic's own table as Alembic makes it."""
    table, key = sql.Identifier(REVISION_TABLE), sql.Identifier(f"{REVISION_TABLE}_pkc")
    creation = "CREATE TABLE {} (version_num varchar(32) NOT NULL, CONSTRAINT {} PRIMARY KEY (version_num))"
    connection.execute(sql.SQL(creation).format(table, key))
    connection.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(table, sql.Literal(revision)))


def _creation(table: Table) -> Iterator[sql.Composed]:
    columns = [_column(column) for column in table.columns]
    key = sql.SQL(", ").join(map(sql.Identifier, table.key))
    yield sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))").format(identifier(table), sql.SQL(", ").join(columns), key)
    # Ranges of days are what is read and replaced; the key starts with the series.
    yield sql.SQL("CREATE INDEX ON {} ({})").format(identifier(table), sql.Identifier(table.day_column))
    if table is PREDICTION_LOG:
        # Rows are written in the order of this time, and the oldest are deleted by it.
        yield sql.SQL("CREATE INDEX prediction_log_served_at ON {} USING brin (served_at)").format(identifier(table))


def _describe(connection: PostgresConnection, table: Table) -> None:
    kind = sql.SQL("VIEW" if table.name in _VIEWS else "TABLE")
    comment = sql.SQL("COMMENT ON {} {} IS {}").format(kind, identifier(table), sql.Literal(table.description))
    connection.execute(comment)
    for column in table.columns:
        name = sql.Identifier(table.name, column.name)
        connection.execute(sql.SQL("COMMENT ON COLUMN {} IS {}").format(name, sql.Literal(column.description)))


def _column(column: Column) -> sql.Composed:
    constraint = sql.SQL("" if column.nullable else " NOT NULL")
    return sql.SQL("{} {}{}").format(sql.Identifier(column.name), sql.SQL(_TYPES[column.kind]), constraint)
