"""The ledger on Postgres, schema `forecasting`: `promotion_decisions` and `alerts`."""

from collections.abc import Sequence
from dataclasses import fields, replace
from operator import attrgetter

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from forecasting_platform.adapters.ledger_entries import check_evidence
from forecasting_platform.adapters.postgres_connections import PostgresConnections, lock
from forecasting_platform.adapters.postgres_schema import create_schema, exists
from forecasting_platform.forecasting.alerts import Alert
from forecasting_platform.forecasting.promotion import PromotionDecision

_DECISIONS = """
CREATE TABLE forecasting.promotion_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verdict text NOT NULL,
    reason text NOT NULL,
    challenger_version text NOT NULL,
    champion_version text,
    challenger_cutoff date NOT NULL,
    decided_at timestamptz NOT NULL,
    decided_by text NOT NULL,
    evidence jsonb NOT NULL
);
COMMENT ON TABLE forecasting.promotion_decisions IS 'One row is one decision with its evidence; append-only.';

CREATE FUNCTION forecasting.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON forecasting.promotion_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION forecasting.refuse_change();
"""

_ALERTS = """
CREATE TABLE forecasting.alerts (
    alert_id text COLLATE "C" PRIMARY KEY,
    fingerprint text NOT NULL,
    state text NOT NULL CHECK (state IN ('FIRING', 'RESOLVED')),
    severity text NOT NULL,
    summary text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    last_event_id bigint NOT NULL,
    resolved timestamptz,
    delivered timestamptz,
    link text
);
COMMENT ON TABLE forecasting.alerts IS 'One row is one incident, from the first failure to the recovery.';
CREATE UNIQUE INDEX one_open_incident_a_fingerprint ON forecasting.alerts (fingerprint) WHERE state = 'FIRING';
CREATE INDEX ON forecasting.alerts (first_seen);
"""

_TABLES = {"promotion_decisions": _DECISIONS, "alerts": _ALERTS}

_DECISION_COLUMNS = [column.name for column in fields(PromotionDecision) if column.name != "decision_id"]
_ALERT_COLUMNS = [column.name for column in fields(Alert)]


class PostgresLedger:
    """The `Ledger` port on Postgres. Connects when first used.

    Args:
        dsn: a database in which the schema `forecasting` is, or may be made.
        timeout_seconds: how long to wait for a connection.

    Raises:
        ConfigurationError: the DSN cannot be read.
    """

    def __init__(self, dsn: str, *, timeout_seconds: float = 10.0) -> None:
        self._connections = PostgresConnections(dsn, timeout_seconds=timeout_seconds)

    def prepare(self) -> None:
        """See `Ledger`."""
        with self._connections.transaction("the schema") as connection:
            lock(connection, "schema")
            create_schema(connection)
            for name, creation in _TABLES.items():
                if not exists(connection, name):
                    connection.execute(creation)

    def append_decision(self, decision: PromotionDecision) -> int:
        """See `Ledger`."""
        stored = replace(decision, evidence=check_evidence(decision.evidence))
        values = [getattr(stored, name) for name in _DECISION_COLUMNS]
        with self._connections.transaction("promotion_decisions") as connection:
            # One at a time, so that numbers grow in the order of commits.
            lock(connection, "promotion_decisions")
            cursor = connection.execute(_INSERT_DECISION, [_adapted(value) for value in values])
            (decision_id,) = cursor.fetchone() or (0,)
        return int(decision_id)

    def decisions(self, limit: int | None = None) -> list[PromotionDecision]:
        """See `Ledger`."""
        query = "SELECT * FROM forecasting.promotion_decisions ORDER BY decision_id DESC LIMIT %s"
        with self._connections.transaction("promotion_decisions") as connection:
            return connection.cursor(row_factory=class_row(PromotionDecision)).execute(query, [limit]).fetchall()

    def save_alerts(self, alerts: Sequence[Alert]) -> None:
        """See `Ledger`."""
        # A recovery first: the fingerprint's next incident may open in the same call.
        ordered = sorted(alerts, key=attrgetter("state"), reverse=True)
        with self._connections.transaction("alerts") as connection:
            connection.cursor().executemany(_SAVE_ALERT, [_alert_values(alert) for alert in ordered])

    def alerts(self, *, open_only: bool = False) -> list[Alert]:
        """See `Ledger`."""
        query = """
            SELECT * FROM forecasting.alerts WHERE state = 'FIRING' OR NOT %s
            ORDER BY first_seen DESC, alert_id DESC
        """
        with self._connections.transaction("alerts") as connection:
            return connection.cursor(row_factory=class_row(Alert)).execute(query, [open_only]).fetchall()

    def close(self) -> None:
        """See `Ledger`."""
        self._connections.close()


def _adapted(value: object) -> object:
    return Jsonb(value) if isinstance(value, dict) else value


def _alert_values(alert: Alert) -> list[object]:
    return [getattr(alert, name) for name in _ALERT_COLUMNS]


def _insert(table: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier("forecasting", table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() for _ in columns),
    )


_INSERT_DECISION = _insert("promotion_decisions", _DECISION_COLUMNS) + sql.SQL(" RETURNING decision_id")
_SAVE_ALERT = _insert("alerts", _ALERT_COLUMNS) + sql.SQL(" ON CONFLICT (alert_id) DO UPDATE SET {}").format(
    sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in _ALERT_COLUMNS)
)
