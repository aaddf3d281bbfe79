"""The ledger's tables as SQL: decisions, incidents and their messages, mutes, heartbeats, loads of feeds.

`ledger` reads and writes them. The tables of observations and forecasts are in `schema`.
"""

from typing import LiteralString

_DECISIONS: LiteralString = """
CREATE TABLE promotion_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verdict text NOT NULL,
    reason text NOT NULL,
    challenger_version text NOT NULL,
    champion_version text,
    challenger_cutoff date NOT NULL,
    decided_at timestamptz NOT NULL,
    decided_by text NOT NULL,
    evidence jsonb NOT NULL,
    previous_hash text,
    entry_hash text UNIQUE
);
COMMENT ON TABLE promotion_decisions IS 'One row is one decision with its evidence; append-only.';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON promotion_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

_ALERTS: LiteralString = """
CREATE TABLE alerts (
    alert_id text COLLATE "C" PRIMARY KEY,
    fingerprint text NOT NULL,
    state text NOT NULL CHECK (state IN ('PENDING', 'FIRING', 'RESOLVED', 'MUTED', 'UNKNOWN')),
    severity text NOT NULL,
    summary text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    last_event_id bigint NOT NULL,
    resolved timestamptz,
    delivered timestamptz,
    link text,
    runbook text,
    owner text,
    "group" text,
    muted_by text,
    announced timestamptz,
    reminded timestamptz,
    acknowledged timestamptz,
    acknowledged_by text,
    evidence text
);
COMMENT ON TABLE alerts IS 'One row is one incident, from the first failure to the recovery.';
CREATE INDEX ON alerts (first_seen);
CREATE UNIQUE INDEX one_open_incident_a_fingerprint ON alerts (fingerprint) WHERE state <> 'RESOLVED';
"""

_OUTBOX: LiteralString = """
CREATE TABLE alert_messages (
    key text COLLATE "C" PRIMARY KEY,
    alert_id text NOT NULL REFERENCES alerts,
    kind text NOT NULL,
    route text NOT NULL,
    created_at timestamptz NOT NULL,
    delivered_at timestamptz,
    attempts integer NOT NULL,
    last_error text,
    due_at timestamptz NOT NULL,
    given_up_at timestamptz
);
COMMENT ON TABLE alert_messages IS 'The outbox: one row is one message to one route, sent at least once.';
CREATE INDEX alert_messages_waiting ON alert_messages (due_at)
    WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX ON alert_messages (alert_id);
"""

_MUTES: LiteralString = """
CREATE TABLE alert_mutes (
    pattern text COLLATE "C" PRIMARY KEY,
    until timestamptz NOT NULL,
    reason text NOT NULL,
    muted_by text NOT NULL
);
COMMENT ON TABLE alert_mutes IS 'One row is a pattern of fingerprints nobody is told of until a time.';
"""

_HEARTBEATS: LiteralString = """
CREATE TABLE heartbeats (name text PRIMARY KEY, at timestamptz NOT NULL);
COMMENT ON TABLE heartbeats IS 'When each watcher last lived.';
"""

_FEED_LOADS: LiteralString = """
CREATE TABLE feed_loads (
    feed text COLLATE "C" PRIMARY KEY,
    asked_at timestamptz NOT NULL,
    asked_from date NOT NULL,
    asked_to date NOT NULL,
    problem text,
    failing_since timestamptz,
    document jsonb,
    due_days jsonb NOT NULL
);
COMMENT ON TABLE feed_loads IS 'One row is a feed: its newest load, and the newest document that was read.';
"""

_RETRAININGS: LiteralString = """
CREATE TABLE retrainings (
    key text COLLATE "C" PRIMARY KEY,
    alert_id text NOT NULL,
    asked_at timestamptz NOT NULL,
    ended_at timestamptz,
    version text
);
COMMENT ON TABLE retrainings IS 'One row is a training that an incident asked for.';
"""

LEDGER_TABLES: dict[str, LiteralString] = {
    "promotion_decisions": _DECISIONS,
    "alerts": _ALERTS,
    "alert_messages": _OUTBOX,
    "alert_mutes": _MUTES,
    "heartbeats": _HEARTBEATS,
    "feed_loads": _FEED_LOADS,
    "retrainings": _RETRAININGS,
}
"""The statements that create each table, by its name, in an order in which they can run."""
