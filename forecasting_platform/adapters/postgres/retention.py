"""Deletes outdated rows of Postgres, in batches, so that nothing waits long for a lock.

Observations with their versions, features, forecasts, errors and promotion decisions are kept for ever: they are the
platform's data and its evidence.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import LiteralString

from psycopg import sql

from forecasting_platform.adapters.postgres.connections import PostgresConnections
from forecasting_platform.adapters.postgres.schema import exists
from forecasting_platform.settings import SCHEMA, Settings

BATCH_ROWS = 10_000

_OUTDATED: dict[str, LiteralString] = {
    "prediction_log": "served_at < %(before)s",
    "quarantined_observations": "available_at < %(before)s",
    # A message's row is what keeps it from being queued again, so it stays while its incident may queue it.
    "alert_messages": """
        coalesce(delivered_at, given_up_at) < %(before)s AND (kind = 'REMINDER' OR EXISTS (
            SELECT FROM alerts AS about
            WHERE about.alert_id = candidate.alert_id AND about.state = 'RESOLVED' AND about.resolved < %(before)s
        ))
    """,
    # The newest of a fingerprint says which results were taken in: without it, old ones would open it again.
    "alerts": """
        state = 'RESOLVED' AND resolved < %(before)s
        AND EXISTS (
            SELECT FROM alerts AS newer
            WHERE newer.fingerprint = candidate.fingerprint AND newer.last_event_id > candidate.last_event_id
        )
        AND NOT EXISTS (SELECT FROM alert_messages AS about WHERE about.alert_id = candidate.alert_id)
    """,
    "alert_mutes": "until < %(before)s",
}
"""Which rows of a table are outdated; a table comes after those that refer to it."""

# DELETE has no LIMIT in Postgres: the rows of a batch are named by their place.
_DELETE_BATCH = """
DELETE FROM {table} WHERE ctid = ANY (ARRAY (SELECT ctid FROM {table} AS candidate WHERE {condition} LIMIT {rows}))
"""


def days_kept(settings: Settings) -> dict[str, int]:
    """For how many days outdated rows of each table stay."""
    return {
        "prediction_log": settings.prediction_log_days,
        "quarantined_observations": settings.quarantine_days,
        **dict.fromkeys(("alert_messages", "alerts", "alert_mutes"), settings.alert_history_days),
    }


def delete_outdated(dsn: str, kept: Mapping[str, int], now: datetime, *, schema: str = SCHEMA) -> dict[str, int]:
    """Delete the rows that were outdated that many days ago; how many of each table.

    Raises:
        StoreUnavailableError: Postgres did not answer; what was deleted before stays deleted.
    """
    connections = PostgresConnections(dsn, schema=schema)
    try:
        return {
            table: _delete(connections, table, condition, now - timedelta(days=kept[table]))
            for table, condition in _OUTDATED.items()
        }
    finally:
        connections.close()


def _delete(connections: PostgresConnections, table: str, condition: LiteralString, before: datetime) -> int:
    statement = sql.SQL(_DELETE_BATCH).format(
        table=sql.Identifier(table), condition=sql.SQL(condition), rows=sql.Literal(BATCH_ROWS)
    )
    deleted = 0
    while True:
        with connections.transaction(table) as connection:
            if not exists(connection, table):
                return deleted
            batch = connection.execute(statement, {"before": before}).rowcount
        deleted += batch
        if batch < BATCH_ROWS:
            return deleted
