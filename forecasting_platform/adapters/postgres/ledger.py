"""The `Ledger` port on Postgres. Its tables are defined in `ledger_tables`."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from forecasting_platform.adapters.ledger_entries import check_evidence, refuse_overtaken
from forecasting_platform.adapters.postgres.compared_recipes import select_compared
from forecasting_platform.adapters.postgres.connections import PostgresConnection, PostgresConnections, lock
from forecasting_platform.adapters.postgres.ledger_statements import (
    DECISION_COLUMNS,
    FEED_LOAD_COLUMNS,
    INSERT_DECISION,
    INSERT_FEED_LOAD,
    NEXT_DECISION,
    QUEUE_MESSAGE,
    READ_ALERTS,
    READ_DECISIONS,
    SAVE_ALERT,
    SAVE_MUTE,
    SAVE_RETRAINING,
    SELECT_WAITING,
)
from forecasting_platform.adapters.postgres.ledger_tables import LEDGER_TABLES
from forecasting_platform.adapters.postgres.schema import create_schema, exists
from forecasting_platform.forecasting.monitoring.alert_messages import Message, due_messages
from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad, LoadedDocument
from forecasting_platform.forecasting.monitoring.incidents import Alert, Mute
from forecasting_platform.forecasting.monitoring.retraining import Retraining
from forecasting_platform.forecasting.promotion.decisions import MOVES, PromotionDecision, chain_entry
from forecasting_platform.forecasting.promotion.tries import ComparedRecipes
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.ports.ledger import AlertsChange, FeedLoadsChange
from forecasting_platform.settings import SCHEMA

MAX_PROMOTION_WAIT = "10min"
"""How long a promoter waits for another, who backtests models meanwhile: longer than anything else waits here."""


class PostgresLedger:
    """The `Ledger` port on Postgres. Connects when first used.

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
        """See `Ledger`."""
        with self._connections.transaction("the schema") as connection:
            lock(connection, "schema")
            create_schema(connection)
            for name, creation in LEDGER_TABLES.items():
                if not exists(connection, name):
                    connection.execute(creation)

    def append_decision(self, decision: PromotionDecision, *, after: int | None = None) -> PromotionDecision:
        """See `Ledger`."""
        evidence = check_evidence(decision.evidence)
        with self._connections.transaction("promotion_decisions") as connection:
            # One at a time, so that numbers grow, and hashes follow each other, in the order of commits.
            lock(connection, "promotion_decisions")
            newest_number, newest, number = connection.execute(NEXT_DECISION).fetchone() or (0, None, 0)
            refuse_overtaken(after, newest_number)
            entry = chain_entry(replace(decision, evidence=evidence), number, newest)
            connection.execute(INSERT_DECISION, [_adapted(getattr(entry, name)) for name in DECISION_COLUMNS])
        return entry

    @contextmanager
    def promotion(self) -> Iterator[None]:
        """See `Ledger`."""
        with self._connections.transaction("promotion_decisions") as connection:
            # Held while models are backtested: longer than anything else waits, or may be idle, here.
            limits = {"lock_timeout": MAX_PROMOTION_WAIT, "idle_in_transaction_session_timeout": "0"}
            for name, value in limits.items():
                connection.execute("SELECT set_config(%s, %s, true)", [name, value])
            lock(connection, "promotion")
            yield

    def decisions(
        self,
        limit: int | None = None,
        *,
        before: int | None = None,
        moving_to: str | None = None,
        with_evidence: bool = True,
    ) -> list[PromotionDecision]:
        """See `Ledger`."""
        columns = [name for name in DECISION_COLUMNS if with_evidence or name != "evidence"]
        query = sql.SQL(READ_DECISIONS).format(sql.SQL(", ").join(map(sql.Identifier, columns)))
        parameters = {"before": before, "moving_to": moving_to, "moves": list(MOVES), "limit": limit}
        with self._connections.transaction("promotion_decisions") as connection:
            return connection.cursor(row_factory=class_row(PromotionDecision)).execute(query, parameters).fetchall()

    def compared_recipes(self, since: datetime) -> list[ComparedRecipes]:
        """See `Ledger`."""
        with self._connections.transaction("promotion_decisions") as connection:
            return select_compared(connection, since)

    def change_alerts(self, change: AlertsChange) -> int:
        """See `Ledger`."""
        with self._connections.transaction("alerts") as connection:
            lock(connection, "alerts")
            alerts, messages = change(
                connection.cursor(row_factory=class_row(Alert))
                .execute("SELECT * FROM alerts ORDER BY first_seen DESC, alert_id DESC")
                .fetchall()
            )
            _save_alerts(connection, alerts, messages)
        return len(alerts)

    def save_alerts(self, alerts: Sequence[Alert], messages: Sequence[Message] = ()) -> None:
        """See `Ledger`."""
        with self._connections.transaction("alerts") as connection:
            lock(connection, "alerts")
            _save_alerts(connection, alerts, messages)

    def alerts(
        self,
        *,
        open_only: bool = False,
        limit: int | None = None,
        before: str | None = None,
        unique_id: str | None = None,
    ) -> list[Alert]:
        """See `Ledger`."""
        parameters = {"open_only": open_only, "limit": limit, "before": before, "unique_id": unique_id}
        with self._connections.transaction("alerts") as connection:
            return connection.cursor(row_factory=class_row(Alert)).execute(READ_ALERTS, parameters).fetchall()

    def acknowledge(self, alert_id: str, by: str, at: datetime) -> bool:
        """See `Ledger`."""
        update = """
            UPDATE alerts SET acknowledged = %s, acknowledged_by = %s
            WHERE alert_id = %s AND state <> 'RESOLVED'
        """
        with self._connections.transaction("alerts") as connection:
            return connection.execute(update, [at, by, alert_id]).rowcount == 1

    def waiting_messages(self) -> list[Message]:
        """See `Ledger`."""
        with self._connections.transaction("alert_messages") as connection:
            return connection.cursor(row_factory=class_row(Message)).execute(SELECT_WAITING).fetchall()

    def claim_messages(self, routes: Collection[str], at: datetime, until: datetime) -> list[Message]:
        """See `Ledger`."""
        with self._connections.transaction("alert_messages") as connection:
            # One sender at a time decides what is due, so that two never take the same message.
            lock(connection, "alert_messages")
            waiting = connection.cursor(row_factory=class_row(Message)).execute(SELECT_WAITING).fetchall()
            due = due_messages(waiting, routes, at)
            claim = "UPDATE alert_messages SET due_at = %s WHERE key = ANY(%s)"
            connection.execute(claim, [until, [message.key for message in due]])
        return due

    def record_attempts(self, messages: Sequence[Message]) -> None:
        """See `Ledger`."""
        update = """
            UPDATE alert_messages
            SET delivered_at = %s, given_up_at = %s, due_at = %s, attempts = %s, last_error = %s
            WHERE key = %s AND delivered_at IS NULL AND given_up_at IS NULL
        """
        deliver = """
            UPDATE alerts SET delivered = %s
            WHERE alert_id = %s AND delivered IS NULL AND (state <> 'RESOLVED' OR %s = 'RESOLVED') AND NOT EXISTS (
                SELECT FROM alert_messages AS waiting
                WHERE waiting.alert_id = alerts.alert_id AND delivered_at IS NULL AND given_up_at IS NULL
            )
        """
        attempts = [
            [found.delivered_at, found.given_up_at, found.due_at, found.attempts, found.last_error, found.key]
            for found in messages
        ]
        ended = [[found.ended_at, found.alert_id, found.kind] for found in messages if found.ended_at]
        with self._connections.transaction("alert_messages") as connection:
            # Whoever changes incidents would otherwise write back that this one waits.
            lock(connection, "alerts")
            connection.cursor().executemany(update, attempts)
            connection.cursor().executemany(deliver, ended)

    def mute(self, mute: Mute) -> None:
        """See `Ledger`."""
        with self._connections.transaction("alert_mutes") as connection:
            connection.execute(SAVE_MUTE, _values(mute))

    def mutes(self) -> list[Mute]:
        """See `Ledger`."""
        query = "SELECT * FROM alert_mutes ORDER BY pattern"
        with self._connections.transaction("alert_mutes") as connection:
            return connection.cursor(row_factory=class_row(Mute)).execute(query).fetchall()

    def beat(self, name: str, at: datetime) -> None:
        """See `Ledger`."""
        insert = "INSERT INTO heartbeats VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET at = excluded.at"
        with self._connections.transaction("heartbeats") as connection:
            connection.execute(insert, [name, at])

    def heartbeats(self) -> dict[str, datetime]:
        """See `Ledger`."""
        with self._connections.transaction("heartbeats") as connection:
            return dict(connection.execute("SELECT name, at FROM heartbeats").fetchall())

    def change_feed_loads(self, change: FeedLoadsChange) -> None:
        """See `Ledger`."""
        with self._connections.transaction("feed_loads") as connection:
            lock(connection, "feed_loads")
            changed = change(_select_feed_loads(connection))
            connection.execute("DELETE FROM feed_loads")
            connection.cursor().executemany(INSERT_FEED_LOAD, [_feed_load_values(each) for each in changed])

    def feed_loads(self) -> list[FeedLoad]:
        """See `Ledger`."""
        with self._connections.transaction("feed_loads") as connection:
            return _select_feed_loads(connection)

    def save_retraining(self, retraining: Retraining) -> None:
        """See `Ledger`."""
        with self._connections.transaction("retrainings") as connection:
            connection.execute(SAVE_RETRAINING, _values(retraining))

    def retrainings(self) -> list[Retraining]:
        """See `Ledger`."""
        query = "SELECT * FROM retrainings ORDER BY asked_at, key"
        with self._connections.transaction("retrainings") as connection:
            return connection.cursor(row_factory=class_row(Retraining)).execute(query).fetchall()

    def close(self) -> None:
        """See `Ledger`."""
        self._connections.close()


def _save_alerts(connection: PostgresConnection, alerts: Sequence[Alert], messages: Sequence[Message]) -> None:
    # A recovery first: the fingerprint's next incident may open in the same call.
    ordered = sorted(alerts, key=lambda alert: alert.is_open)
    connection.cursor().executemany(SAVE_ALERT, [_values(alert) for alert in ordered])
    connection.cursor().executemany(QUEUE_MESSAGE, [_values(message) for message in messages])


def _select_feed_loads(connection: PostgresConnection) -> list[FeedLoad]:
    query = sql.SQL("SELECT {} FROM feed_loads ORDER BY feed").format(
        sql.SQL(", ").join(map(sql.Identifier, FEED_LOAD_COLUMNS))
    )
    return [
        FeedLoad(
            feed=feed,
            asked_at=asked_at,
            asked_for=DateRange(start, end),
            due_days=DueDays.from_document(due_days),
            problem=problem,
            failing_since=since,
            document=document and LoadedDocument.from_document(document),
        )
        for feed, asked_at, start, end, due_days, problem, since, document in connection.execute(query).fetchall()
    ]


def _feed_load_values(load: FeedLoad) -> list[object]:
    days, document = load.asked_for, load.document and load.document.to_document()
    calendar = load.due_days.to_document()
    values = [load.feed, load.asked_at, days.start, days.end, calendar, load.problem, load.failing_since, document]
    return [_adapted(value) for value in values]


def _adapted(value: object) -> object:
    return Jsonb(value) if isinstance(value, dict) else value


def _values(entry: Alert | Message | Mute | Retraining) -> list[object]:
    return [getattr(entry, column.name) for column in fields(entry)]
