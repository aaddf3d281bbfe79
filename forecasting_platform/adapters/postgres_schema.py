"""The tables of `forecasting.frames` as DDL of Postgres. Reading and writing them is elsewhere."""

from collections.abc import Iterator

from psycopg import sql

from forecasting_platform.adapters.postgres_connections import PostgresConnection
from forecasting_platform.forecasting.frames import (
    FORECAST_ERRORS,
    OBSERVATIONS,
    PREDICTION_LOG,
    QUARANTINED_OBSERVATIONS,
    REPLACEABLE_TABLES,
    Column,
    Kind,
    Table,
)

SCHEMA = "forecasting"
TABLES = (OBSERVATIONS, QUARANTINED_OBSERVATIONS, *REPLACEABLE_TABLES, PREDICTION_LOG)

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
CREATE OR REPLACE VIEW forecasting.observations AS
SELECT DISTINCT ON (unique_id, ds) unique_id, ds, y, available_at
FROM forecasting.raw_observations
ORDER BY unique_id, ds, available_at DESC
"""

_DAILY_ACCURACY_VIEW = """
CREATE OR REPLACE VIEW forecasting.daily_accuracy AS
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
    -- Of record: what was issued first. The champion issues before its shadows.
    SELECT DISTINCT ON (unique_id, cutoff, ds) * FROM forecasting.forecast_errors
    ORDER BY unique_id, cutoff, ds, issued_at NULLS FIRST, model_version
) AS of_record
GROUP BY unique_id, ds
"""


def identifier(table: Table) -> sql.Identifier:
    """The table's name in its schema."""
    return sql.Identifier(SCHEMA, table.name)


def create_missing(connection: PostgresConnection) -> None:
    """Create the schema, the tables and nullable columns that are not there, and the two views."""
    create_schema(connection)
    for table in TABLES:
        missing = list(_additions(connection, table) if exists(connection, table.name) else _creation(table))
        for statement in missing:
            connection.execute(statement)
        if missing and table == FORECAST_ERRORS:
            connection.execute(_DAILY_ACCURACY_VIEW)
    if not exists(connection, "observations"):
        connection.execute(_NEWEST_VIEW)


def create_schema(connection: PostgresConnection) -> None:
    """Create the schema unless it is there: asking for it anew would need rights on the whole database."""
    if connection.execute("SELECT to_regnamespace(%s)", [SCHEMA]).fetchone() == (None,):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))


def exists(connection: PostgresConnection, name: str) -> bool:
    """Whether the schema has a table or view of this name."""
    return connection.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.{name}"]).fetchone() != (None,)


def existing_columns(connection: PostgresConnection, name: str) -> set[str]:
    """The columns of a table of the schema."""
    query = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
    return {column for (column,) in connection.execute(query, [f"{SCHEMA}.{name}"])}


def _additions(connection: PostgresConnection, table: Table) -> Iterator[sql.Composed]:
    """What brings a table of an earlier release up to date; nothing, and no lock, where it is."""
    there = existing_columns(connection, table.name)
    for column in table.columns:
        if column.nullable and column.name not in there:
            yield sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}").format(identifier(table), _column(column))


def _creation(table: Table) -> Iterator[sql.Composed]:
    columns = [_column(column) for column in table.columns]
    key = sql.SQL(", ").join(map(sql.Identifier, table.key))
    yield sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))").format(identifier(table), sql.SQL(", ").join(columns), key)
    # Ranges of days are what is read and replaced; the key starts with the series.
    yield sql.SQL("CREATE INDEX ON {} ({})").format(identifier(table), sql.Identifier(table.day_column))
    yield sql.SQL("COMMENT ON TABLE {} IS {}").format(identifier(table), sql.Literal(table.description))
    for column in table.columns:
        name = sql.Identifier(SCHEMA, table.name, column.name)
        yield sql.SQL("COMMENT ON COLUMN {} IS {}").format(name, sql.Literal(column.description))


def _column(column: Column) -> sql.Composed:
    constraint = sql.SQL("" if column.nullable else " NOT NULL")
    return sql.SQL("{} {}{}").format(sql.Identifier(column.name), sql.SQL(_TYPES[column.kind]), constraint)
