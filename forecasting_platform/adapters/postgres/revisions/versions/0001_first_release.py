"""The whole schema of the first release, without the descriptions that `schema.describe` writes.

A new database is made by `prepare`, not by this; a test holds both to one result. Later revisions start from it.
"""

from alembic import op

revision = "0001"
down_revision = None

SCHEMA = r"""
CREATE TABLE raw_observations (
    unique_id text COLLATE "C", ds date, y float8 NOT NULL, available_at timestamptz,
    PRIMARY KEY (unique_id, ds, available_at)
);
CREATE INDEX ON raw_observations (ds);

CREATE TABLE planned_values (
    unique_id text COLLATE "C", ds date, y float8 NOT NULL, available_at timestamptz,
    PRIMARY KEY (unique_id, ds, available_at)
);
CREATE INDEX ON planned_values (ds);

CREATE TABLE quarantined_observations (
    fingerprint text COLLATE "C" PRIMARY KEY, unique_id text COLLATE "C", ds date, reason text NOT NULL COLLATE "C",
    raw text NOT NULL COLLATE "C", available_at timestamptz NOT NULL
);
CREATE INDEX ON quarantined_observations (ds);

CREATE TABLE held_observations (
    unique_id text COLLATE "C", ds date, y float8 NOT NULL, reason text NOT NULL COLLATE "C", lowest float8,
    highest float8, PRIMARY KEY (unique_id, ds)
);
CREATE INDEX ON held_observations (ds);

CREATE TABLE feature_table (
    unique_id text COLLATE "C", ds date, y float8 NOT NULL,
    lag_1 float8 NOT NULL, lag_2 float8 NOT NULL, lag_3 float8 NOT NULL, lag_4 float8 NOT NULL, lag_5 float8 NOT NULL,
    lag_6 float8 NOT NULL, lag_7 float8 NOT NULL, mean_7 float8 NOT NULL, mean_14 float8 NOT NULL,
    mean_28 float8 NOT NULL, mean_91 float8 NOT NULL, mean_364 float8 NOT NULL, weekday_effect_1 float8 NOT NULL,
    weekday_effect_2 float8 NOT NULL, weekday_effect_3 float8 NOT NULL, weekday_effect_4 float8 NOT NULL,
    weekday_effect_5 float8 NOT NULL, weekday_effect_6 float8 NOT NULL, weekday_effect_7 float8 NOT NULL,
    level_05 float8 NOT NULL, level_10 float8 NOT NULL, level_20 float8 NOT NULL, level_40 float8 NOT NULL,
    level_80 float8 NOT NULL, volatility_02 float8 NOT NULL, volatility_10 float8 NOT NULL,
    is_holiday float8 NOT NULL, is_year_end float8 NOT NULL, recent_holidays float8 NOT NULL,
    observed_days bigint NOT NULL, exogenous text COLLATE "C",
    PRIMARY KEY (unique_id, ds)
);
CREATE INDEX ON feature_table (ds);

CREATE TABLE forecasts (
    unique_id text COLLATE "C", cutoff date, ds date, model_version text COLLATE "C", issued_at timestamptz NOT NULL,
    y_hat float8 NOT NULL, y_hat_lo_80 float8 NOT NULL, y_hat_hi_80 float8 NOT NULL, y_hat_lo_95 float8 NOT NULL,
    y_hat_hi_95 float8 NOT NULL, y_hat_naive float8 NOT NULL, y_hat_seasonal_naive float8 NOT NULL,
    PRIMARY KEY (unique_id, cutoff, ds, model_version)
);
CREATE INDEX ON forecasts (cutoff);

CREATE TABLE forecast_errors (
    unique_id text COLLATE "C", cutoff date, ds date, model_version text COLLATE "C", y_hat float8 NOT NULL,
    y_hat_lo_80 float8 NOT NULL, y_hat_hi_80 float8 NOT NULL, y_hat_lo_95 float8 NOT NULL, y_hat_hi_95 float8 NOT NULL,
    y_hat_naive float8 NOT NULL, y_hat_seasonal_naive float8 NOT NULL, issued_at timestamptz, y float8 NOT NULL,
    y_first float8, PRIMARY KEY (unique_id, cutoff, ds, model_version)
);
CREATE INDEX ON forecast_errors (ds);

CREATE TABLE daily_errors (
    unique_id text COLLATE "C", ds date, first_step bigint, forecasts bigint NOT NULL, mean_error float8 NOT NULL,
    mean_absolute_error float8 NOT NULL, rmse float8 NOT NULL, inside_80 float8 NOT NULL,
    mean_absolute_error_naive float8 NOT NULL, mean_absolute_error_seasonal_naive float8 NOT NULL, rmse_first float8,
    PRIMARY KEY (unique_id, ds, first_step)
);
CREATE INDEX ON daily_errors (ds);

CREATE TABLE daily_moves (
    unique_id text COLLATE "C", cutoff date, ds date, first_step bigint NOT NULL, forecasts bigint NOT NULL,
    mean_move float8, PRIMARY KEY (unique_id, cutoff, ds)
);
CREATE INDEX ON daily_moves (cutoff);

CREATE TABLE drift_references (
    unique_id text COLLATE "C", ds date, question text COLLATE "C", learnt_from text NOT NULL COLLATE "C",
    known_as text NOT NULL COLLATE "C", reference text COLLATE "C", why text COLLATE "C",
    PRIMARY KEY (unique_id, ds, question)
);
CREATE INDEX ON drift_references (ds);

CREATE TABLE prediction_log (
    request_id text COLLATE "C", served_at timestamptz NOT NULL, unique_id text COLLATE "C", cutoff date NOT NULL,
    ds date, model_version text NOT NULL COLLATE "C", y_hat float8 NOT NULL, given_inputs boolean NOT NULL,
    PRIMARY KEY (request_id, unique_id, ds)
);
CREATE INDEX ON prediction_log (ds);
CREATE INDEX prediction_log_served_at ON prediction_log USING brin (served_at);

CREATE VIEW observations AS
SELECT DISTINCT ON (unique_id, ds) unique_id, ds, y, available_at
FROM raw_observations ORDER BY unique_id, ds, available_at DESC;

CREATE VIEW daily_accuracy AS
SELECT
    unique_id, ds, count(*) AS forecasts, avg(y_hat) AS mean_y_hat, avg(y) AS y, avg(y_hat - y) AS bias,
    sqrt(avg((y_hat - y) ^ 2)) AS rmse,
    avg((y BETWEEN y_hat_lo_80 AND y_hat_hi_80)::int) AS coverage_80,
    avg((y BETWEEN y_hat_lo_95 AND y_hat_hi_95)::int) AS coverage_95,
    avg(y_hat - y_first) AS bias_by_first_published
FROM (
    SELECT DISTINCT ON (unique_id, cutoff, ds)
        unique_id, ds, y, y_first, y_hat, y_hat_lo_80, y_hat_hi_80, y_hat_lo_95, y_hat_hi_95
    FROM forecast_errors
    ORDER BY unique_id, cutoff, ds, issued_at NULLS FIRST, length(model_version), model_version
) AS of_record
GROUP BY unique_id, ds;

CREATE VIEW prediction_errors AS
SELECT
    unique_id, cutoff, answered.ds, model_version, (answered.ds - cutoff)::bigint AS step, y_hat, answers,
    first_served_at, last_served_at, y, y_hat - y AS error, first_served_at < known_at AS before_actual
FROM (
    SELECT
        unique_id, cutoff, ds, model_version, y_hat, count(*) AS answers,
        min(served_at) AS first_served_at, max(served_at) AS last_served_at
    FROM prediction_log WHERE NOT given_inputs GROUP BY unique_id, cutoff, ds, model_version, y_hat
) AS answered
CROSS JOIN LATERAL (
    SELECT (array_agg(y ORDER BY available_at DESC))[1] AS y, min(available_at) AS known_at
    FROM raw_observations AS version
    WHERE version.unique_id = answered.unique_id AND version.ds = answered.ds
) AS actual
WHERE y IS NOT NULL;

CREATE TABLE promotion_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, verdict text NOT NULL, reason text NOT NULL,
    challenger_version text NOT NULL, champion_version text, challenger_cutoff date NOT NULL,
    decided_at timestamptz NOT NULL, decided_by text NOT NULL, evidence jsonb NOT NULL, previous_hash text,
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

CREATE TABLE alerts (
    alert_id text COLLATE "C" PRIMARY KEY, fingerprint text NOT NULL,
    state text NOT NULL CHECK (state IN ('PENDING', 'FIRING', 'RESOLVED', 'MUTED', 'UNKNOWN')), severity text NOT NULL,
    summary text NOT NULL, first_seen timestamptz NOT NULL, last_seen timestamptz NOT NULL,
    last_event_id bigint NOT NULL, resolved timestamptz, delivered timestamptz, link text, runbook text, owner text,
    "group" text, muted_by text, announced timestamptz, reminded timestamptz, acknowledged timestamptz,
    acknowledged_by text,
    evidence text
);
COMMENT ON TABLE alerts IS 'One row is one incident, from the first failure to the recovery.';
CREATE INDEX ON alerts (first_seen);
CREATE UNIQUE INDEX one_open_incident_a_fingerprint ON alerts (fingerprint) WHERE state <> 'RESOLVED';

CREATE TABLE alert_messages (
    key text COLLATE "C" PRIMARY KEY, alert_id text NOT NULL REFERENCES alerts, kind text NOT NULL,
    route text NOT NULL, created_at timestamptz NOT NULL, delivered_at timestamptz, attempts integer NOT NULL,
    last_error text, due_at timestamptz NOT NULL, given_up_at timestamptz
);
COMMENT ON TABLE alert_messages IS 'The outbox: one row is one message to one route, sent at least once.';
CREATE INDEX alert_messages_waiting ON alert_messages (due_at)
    WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX ON alert_messages (alert_id);

CREATE TABLE alert_mutes (
    pattern text COLLATE "C" PRIMARY KEY, until timestamptz NOT NULL, reason text NOT NULL, muted_by text NOT NULL
);
COMMENT ON TABLE alert_mutes IS 'One row is a pattern of fingerprints nobody is told of until a time.';
CREATE TABLE heartbeats (name text PRIMARY KEY, at timestamptz NOT NULL);
COMMENT ON TABLE heartbeats IS 'When each watcher last lived.';

CREATE TABLE feed_loads (
    feed text COLLATE "C" PRIMARY KEY, asked_at timestamptz NOT NULL, asked_from date NOT NULL, asked_to date NOT NULL,
    problem text, failing_since timestamptz, document jsonb, due_days jsonb NOT NULL
);
COMMENT ON TABLE feed_loads IS 'One row is a feed: its newest load, and the newest document that was read.';

CREATE TABLE retrainings (
    key text COLLATE "C" PRIMARY KEY, alert_id text NOT NULL, asked_at timestamptz NOT NULL, ended_at timestamptz,
    version text
);
COMMENT ON TABLE retrainings IS 'One row is a training that an incident asked for.';
"""


def upgrade() -> None:
    """Create it."""
    op.execute(SCHEMA)
