"""The table store on Postgres. `schema` creates the tables; `table_writes` has the rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import LiteralString, Self

import pandas as pd
from psycopg import sql

from forecasting_platform.adapters.postgres.blocks import copy_blocks, frame_of_blocks, select_blocks
from forecasting_platform.adapters.postgres.connections import PostgresConnection, PostgresConnections, lock
from forecasting_platform.adapters.postgres.schema import create_missing, identifier
from forecasting_platform.adapters.table_writes import (
    check_addition,
    check_load,
    check_plans,
    check_replacement,
    conform,
    plan_days,
    plans_to_add,
    versions_to_add,
)
from forecasting_platform.forecasting.models.issuing import newly_issued
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import (
    FORECASTS,
    OBSERVATIONS,
    PLANNED_VALUES,
    QUARANTINED_OBSERVATIONS,
)
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.ports.table_store import LoadReport
from forecasting_platform.settings import SCHEMA


class PostgresTableStore:
    """The `TableStore` port on Postgres. Connects when first used.

    Writers of one table wait for each other (an advisory lock until the commit); readers never wait.

    Args:
        dsn: a database in which the schema is, or may be made.
        schema: of its tables.
        timeout_seconds: how long to wait for a connection.

    Raises:
        ConfigurationError: the DSN cannot be read.
    """

    def __init__(self, dsn: str, *, schema: str = SCHEMA, timeout_seconds: float = 10.0) -> None:
        self._connections = PostgresConnections(dsn, schema=schema, timeout_seconds=timeout_seconds)

    def prepare(self) -> None:
        """See `TableStore`."""
        with self._connections.transaction("the schema") as connection:
            lock(connection, "schema")
            create_missing(connection)

    def record_observations(
        self,
        observations: pd.DataFrame,
        period: DateRange,
        *,
        available_at: datetime,
        quarantined: pd.DataFrame | None = None,
    ) -> LoadReport:
        """See `TableStore`."""
        load = check_load(observations, period, available_at, quarantined)
        with self._connections.transaction(OBSERVATIONS.name) as connection:
            lock(connection, OBSERVATIONS.name)
            # Compared under the lock: two loads of the same revision add it once.
            newest = _select(connection, OBSERVATIONS, *_newest_versions(_Where.of(OBSERVATIONS, period)))
            added, report = versions_to_add(load, newest)
            _copy(connection, OBSERVATIONS, added)
            if len(load.refused):
                _insert_new(connection, QUARANTINED_OBSERVATIONS, load.refused)
        return report

    def record_plans(self, planned: pd.DataFrame, *, available_at: datetime) -> int:
        """See `TableStore`."""
        plans = check_plans(planned, available_at)
        if plans.empty:
            return 0
        with self._connections.transaction(PLANNED_VALUES.name) as connection:
            lock(connection, PLANNED_VALUES.name)
            where = _Where.of(PLANNED_VALUES, plan_days(plans))
            everything = sql.SQL("SELECT * FROM {} {} ORDER BY unique_id, ds, available_at")
            query = everything.format(identifier(PLANNED_VALUES), where.clause)
            added = plans_to_add(plans, _select(connection, PLANNED_VALUES, query, where.parameters))
            _copy(connection, PLANNED_VALUES, added)
        return len(added)

    def read_observations(
        self,
        period: DateRange | None = None,
        *,
        unique_ids: Sequence[str] | None = None,
        as_of: datetime | None = None,
    ) -> pd.DataFrame:
        """See `TableStore`."""
        where = _Where.of(OBSERVATIONS, period, unique_ids)
        if as_of is not None:
            where.add("available_at <= %(as_of)s", as_of=as_of)
        with self._connections.transaction(OBSERVATIONS.name) as connection:
            return _select(connection, OBSERVATIONS, *_newest_versions(where))

    def replace(self, table: Table, rows: pd.DataFrame | Iterable[pd.DataFrame], period: DateRange) -> int:
        """See `TableStore`."""
        parts, written = check_replacement(table, rows, period), 0
        where = _Where.of(table, period)
        with self._connections.transaction(table.name) as connection:
            lock(connection, table.name)
            # A reader sees the old rows until the commit, then all of the new ones.
            connection.execute(sql.SQL("DELETE FROM {} {}").format(identifier(table), where.clause), where.parameters)
            for part in parts:
                _copy(connection, table, part)
                written += len(part)
        return written

    def record_forecasts(self, forecasts: pd.DataFrame) -> int:
        """See `TableStore`."""
        issued = conform(FORECASTS, forecasts)
        if issued.empty:
            return 0
        where = _Where.of(FORECASTS, DateRange(issued["cutoff"].min().date(), issued["cutoff"].max().date()))
        recorded = sql.SQL(_RECORDED).format(identifier(FORECASTS), where.clause)
        with self._connections.transaction(FORECASTS.name) as connection:
            lock(connection, FORECASTS.name)
            # Only the keys are read: a forecast of record is never compared, since it never changes.
            added = newly_issued(issued, _select(connection, _ISSUES, recorded, where.parameters))
            _copy(connection, FORECASTS, added)
        return len(added)

    def append(self, table: Table, rows: pd.DataFrame) -> int:
        """See `TableStore`."""
        addition = check_addition(table, rows)
        with self._connections.transaction(table.name) as connection:
            return _insert_new(connection, table, addition)

    def read(
        self, table: Table, period: DateRange | None = None, *, unique_ids: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `TableStore`."""
        where = _Where.of(table, period, unique_ids)
        source = sql.SQL("SELECT * FROM {} {}").format(identifier(table), where.clause)
        with self._connections.transaction(table.name) as connection:
            return _select(connection, table, source, where.parameters)

    def read_newest(
        self, table: Table, *, at_or_before: date | None = None, unique_ids: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `TableStore`."""
        series = _EVERY_SERIES if unique_ids is None else _NAMED_SERIES
        source = sql.SQL(series + _NEWEST_DAY).format(table=identifier(table), day=sql.Identifier(table.day_column))
        parameters = {"unique_ids": list(unique_ids or ()), "at_or_before": at_or_before or date.max}
        with self._connections.transaction(table.name) as connection:
            return _select(connection, table, source, parameters)

    def count(self, table: Table, period: DateRange) -> int:
        """See `TableStore`."""
        where = _Where.of(table, period)
        query = sql.SQL("SELECT count(*) FROM {} {}").format(identifier(table), where.clause)
        with self._connections.transaction(table.name) as connection:
            (found,) = connection.execute(query, where.parameters).fetchone() or (0,)
        return int(found)

    def span(self, table: Table, *, unique_ids: Sequence[str] | None = None) -> DateRange | None:
        """See `TableStore`."""
        where = _Where.of(table, unique_ids=unique_ids)
        query = sql.SQL("SELECT min({day}), max({day}) FROM {table} {where}").format(
            table=identifier(table), day=sql.Identifier(table.day_column), where=where.clause
        )
        with self._connections.transaction(table.name) as connection:
            first, last = connection.execute(query, where.parameters).fetchone() or (None, None)
        return DateRange(first, last) if first is not None else None

    def close(self) -> None:
        """See `TableStore`."""
        self._connections.close()


_RECORDED = """
SELECT unique_id, cutoff, model_version, max(issued_at) AS issued_at
FROM {} {} GROUP BY unique_id, cutoff, model_version
"""
_ISSUES = replace(
    FORECASTS,
    columns=tuple(c for c in FORECASTS.columns if c.name in {"unique_id", "cutoff", "model_version", "issued_at"}),
    key=("unique_id", "cutoff", "model_version"),
)
"""One row a series, cutoff and version that has forecasts."""

# One index look-up a series, to find it and to find its newest row: an app asks this for each forecast. Postgres has no
# such scan for DISTINCT, hence the recursion (https://wiki.postgresql.org/wiki/Loose_indexscan).
_EVERY_SERIES: LiteralString = """
WITH RECURSIVE series AS (
    SELECT min(unique_id) AS unique_id FROM {table}
    UNION ALL
    SELECT (SELECT min(later.unique_id) FROM {table} AS later WHERE later.unique_id > series.unique_id)
    FROM series WHERE series.unique_id IS NOT NULL
)
"""
_NAMED_SERIES: LiteralString = "WITH series AS (SELECT DISTINCT unnest(%(unique_ids)s::text[]) AS unique_id)"
_NEWEST_DAY: LiteralString = """
SELECT newest.* FROM series CROSS JOIN LATERAL (
    SELECT * FROM {table} AS candidate
    WHERE candidate.unique_id = series.unique_id AND candidate.{day} <= %(at_or_before)s
    ORDER BY candidate.{day} DESC LIMIT 1
) AS newest
"""


@dataclass(slots=True)
class _Where:
    """Conditions that must all hold, and the values they name."""

    conditions: list[sql.Composable] = field(default_factory=list)
    parameters: dict[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, table: Table, period: DateRange | None = None, unique_ids: Sequence[str] | None = None) -> Self:
        where = cls()
        if period is not None:
            where.add("{day} BETWEEN %(start)s AND %(end)s", table.day_column, start=period.start, end=period.end)
        if unique_ids is not None:
            where.add("unique_id = ANY(%(unique_ids)s::text[])", unique_ids=list(unique_ids))
        return where

    def add(self, condition: LiteralString, day_column: str = "", **parameters: object) -> None:
        self.conditions.append(sql.SQL(condition).format(day=sql.Identifier(day_column)))
        self.parameters |= parameters

    @property
    def clause(self) -> sql.Composable:
        return sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(self.conditions)) if self.conditions else sql.SQL("")


def _newest_versions(where: _Where) -> tuple[sql.Composed, dict[str, object]]:
    query = sql.SQL("SELECT DISTINCT ON (unique_id, ds) * FROM {} {} ORDER BY unique_id, ds, available_at DESC")
    return query.format(identifier(OBSERVATIONS), where.clause), where.parameters


def _select(
    connection: PostgresConnection, table: Table, source: sql.Composable, parameters: Mapping[str, object]
) -> pd.DataFrame:
    with connection.cursor(binary=True) as cursor:
        cursor.execute(select_blocks(table, source), parameters)
        return frame_of_blocks(table, cursor.fetchall())


def _copy(connection: PostgresConnection, table: Table, rows: pd.DataFrame, to: sql.Identifier | None = None) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(to or identifier(table), _columns(table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy_blocks(table, rows):
            copy.write(block)


def _insert_new(connection: PostgresConnection, table: Table, rows: pd.DataFrame) -> int:
    """Insert the rows whose key is not there yet; how many were."""
    # COPY knows no ON CONFLICT, so rows are copied into a temporary table first.
    arrived, names = sql.Identifier(f"arrived_{table.name}"), _columns(table)
    connection.execute(sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP").format(arrived, identifier(table)))
    _copy(connection, table, rows, arrived)
    statement = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING")
    return connection.execute(statement.format(identifier(table), names, names, arrived)).rowcount


def _columns(table: Table) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, table.column_names))
