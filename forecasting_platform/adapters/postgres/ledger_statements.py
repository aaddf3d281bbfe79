"""The statements by which the ledger is read and written, each a constant. The tables are in `ledger_tables`."""

from collections.abc import Sequence
from dataclasses import fields

from psycopg import sql

from forecasting_platform.forecasting.monitoring.alert_messages import Message
from forecasting_platform.forecasting.monitoring.incidents import Alert, Mute
from forecasting_platform.forecasting.monitoring.retraining import Retraining
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision

_NOTHING = sql.SQL("")
SELECT_WAITING = """
SELECT * FROM alert_messages WHERE delivered_at IS NULL AND given_up_at IS NULL
ORDER BY due_at, kind, created_at, key
"""
DECISION_COLUMNS = [column.name for column in fields(PromotionDecision)]
NEXT_DECISION = """
SELECT
    (SELECT coalesce(max(decision_id), 0) FROM promotion_decisions),
    (SELECT entry_hash FROM promotion_decisions ORDER BY decision_id DESC LIMIT 1),
    nextval(pg_get_serial_sequence('promotion_decisions', 'decision_id'))
"""
READ_DECISIONS = """
SELECT {} FROM promotion_decisions
WHERE (%(before)s::bigint IS NULL OR decision_id < %(before)s)
  AND (%(moving_to)s::text IS NULL OR (challenger_version = %(moving_to)s AND verdict = ANY(%(moves)s::text[])))
ORDER BY decision_id DESC LIMIT %(limit)s
"""

READ_ALERTS = """
SELECT * FROM alerts
WHERE (state <> 'RESOLVED' OR NOT %(open_only)s)
  AND (%(before)s::text IS NULL
       OR (first_seen, alert_id) < (SELECT first_seen, alert_id FROM alerts WHERE alert_id = %(before)s))
  AND (%(unique_id)s::text IS NULL
       OR fingerprint = 'series:' || %(unique_id)s
       OR starts_with(fingerprint, 'series:' || %(unique_id)s || ':')
          AND substr(fingerprint, length('series:' || %(unique_id)s || ':') + 1) ~ '^\\d{4}-\\d\\d-\\d\\d$'
       OR jsonb_path_exists(
              evidence::jsonb, '$.found.*[*] ? (@[0] == $name)', jsonb_build_object('name', %(unique_id)s::text)))
ORDER BY first_seen DESC, alert_id DESC LIMIT %(limit)s
"""
"""The series of an incident as `is_about` finds it."""


def _columns(entry: type[Alert | Message | Mute | Retraining]) -> list[str]:
    return [column.name for column in fields(entry)]


def _insert(table: str, columns: Sequence[str], overriding: sql.Composable = _NOTHING) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) {} VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        overriding,
        sql.SQL(", ").join(sql.Placeholder() for _ in columns),
    )


# The number is part of what is hashed, so it is drawn before.
INSERT_DECISION = _insert("promotion_decisions", DECISION_COLUMNS, sql.SQL("OVERRIDING SYSTEM VALUE"))


FEED_LOAD_COLUMNS = (
    "feed", "asked_at", "asked_from", "asked_to", "due_days", "problem", "failing_since", "document",
)  # fmt: skip


INSERT_FEED_LOAD = _insert("feed_loads", FEED_LOAD_COLUMNS)


def _upsert(table: str, columns: Sequence[str], key: str, kept: Sequence[str] = ()) -> sql.Composed:
    """Insert, or update all but the key and what is `kept`."""
    changed = [sql.Identifier(name) for name in columns if name not in {key, *kept}]
    assignments = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in changed)
    return _insert(table, columns) + sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(
        sql.Identifier(key), assignments
    )


SAVE_ALERT = _upsert("alerts", _columns(Alert), "alert_id", ("acknowledged", "acknowledged_by"))


QUEUE_MESSAGE = _insert("alert_messages", _columns(Message)) + sql.SQL(" ON CONFLICT (key) DO NOTHING")


SAVE_MUTE = _upsert("alert_mutes", _columns(Mute), "pattern")


SAVE_RETRAINING = _upsert("retrainings", _columns(Retraining), "key")
