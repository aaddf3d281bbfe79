"""The schema as first shipped: what a database without a revision of its own is taken for."""

from alembic import op

revision = "0001"
down_revision = None

_SCHEMA = r"""
CREATE FUNCTION forecasting.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TABLE forecasting.alerts (
    alert_id text NOT NULL COLLATE "C",
    fingerprint text NOT NULL,
    state text NOT NULL,
    severity text NOT NULL,
    summary text NOT NULL,
    first_seen timestamp with time zone NOT NULL,
    last_seen timestamp with time zone NOT NULL,
    last_event_id bigint NOT NULL,
    resolved timestamp with time zone,
    delivered timestamp with time zone,
    link text,
    CONSTRAINT alerts_state_check CHECK ((state = ANY (ARRAY['FIRING'::text, 'RESOLVED'::text])))
);

CREATE TABLE forecasting.feature_table (
    unique_id text NOT NULL COLLATE "C",
    ds date NOT NULL,
    y double precision NOT NULL,
    lag_1 double precision NOT NULL,
    lag_2 double precision NOT NULL,
    lag_3 double precision NOT NULL,
    lag_4 double precision NOT NULL,
    lag_5 double precision NOT NULL,
    lag_6 double precision NOT NULL,
    lag_7 double precision NOT NULL,
    mean_7 double precision NOT NULL,
    mean_14 double precision NOT NULL,
    mean_28 double precision NOT NULL,
    mean_91 double precision NOT NULL,
    mean_364 double precision NOT NULL,
    weekday_effect_1 double precision NOT NULL,
    weekday_effect_2 double precision NOT NULL,
    weekday_effect_3 double precision NOT NULL,
    weekday_effect_4 double precision NOT NULL,
    weekday_effect_5 double precision NOT NULL,
    weekday_effect_6 double precision NOT NULL,
    weekday_effect_7 double precision NOT NULL,
    level_05 double precision NOT NULL,
    level_10 double precision NOT NULL,
    level_20 double precision NOT NULL,
    level_40 double precision NOT NULL,
    level_80 double precision NOT NULL,
    is_holiday double precision NOT NULL,
    is_year_end double precision NOT NULL,
    observed_days bigint NOT NULL
);

CREATE TABLE forecasting.forecast_errors (
    unique_id text NOT NULL COLLATE "C",
    cutoff date NOT NULL,
    ds date NOT NULL,
    model_version text NOT NULL COLLATE "C",
    y_hat double precision NOT NULL,
    y_hat_lo_80 double precision NOT NULL,
    y_hat_hi_80 double precision NOT NULL,
    y_hat_lo_95 double precision NOT NULL,
    y_hat_hi_95 double precision NOT NULL,
    y_hat_naive double precision NOT NULL,
    y_hat_seasonal_naive double precision NOT NULL,
    y double precision NOT NULL
);

CREATE TABLE forecasting.forecasts (
    unique_id text NOT NULL COLLATE "C",
    cutoff date NOT NULL,
    ds date NOT NULL,
    model_version text NOT NULL COLLATE "C",
    issued_at timestamp with time zone NOT NULL,
    y_hat double precision NOT NULL,
    y_hat_lo_80 double precision NOT NULL,
    y_hat_hi_80 double precision NOT NULL,
    y_hat_lo_95 double precision NOT NULL,
    y_hat_hi_95 double precision NOT NULL,
    y_hat_naive double precision NOT NULL,
    y_hat_seasonal_naive double precision NOT NULL
);

CREATE TABLE forecasting.raw_observations (
    unique_id text NOT NULL COLLATE "C",
    ds date NOT NULL,
    y double precision NOT NULL,
    available_at timestamp with time zone NOT NULL
);

CREATE VIEW forecasting.observations AS
 SELECT DISTINCT ON (unique_id, ds) unique_id,
    ds,
    y,
    available_at
   FROM forecasting.raw_observations
  ORDER BY unique_id, ds, available_at DESC;

CREATE TABLE forecasting.prediction_log (
    request_id text NOT NULL COLLATE "C",
    served_at timestamp with time zone NOT NULL,
    unique_id text NOT NULL COLLATE "C",
    cutoff date NOT NULL,
    ds date NOT NULL,
    model_version text NOT NULL COLLATE "C",
    y_hat double precision NOT NULL
);

CREATE TABLE forecasting.promotion_decisions (
    decision_id bigint NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL,
    challenger_version text NOT NULL,
    champion_version text,
    challenger_cutoff date NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    decided_by text NOT NULL,
    evidence jsonb NOT NULL
);
ALTER TABLE forecasting.promotion_decisions ALTER COLUMN decision_id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE forecasting.quarantined_observations (
    fingerprint text NOT NULL COLLATE "C",
    unique_id text COLLATE "C",
    ds date,
    reason text NOT NULL COLLATE "C",
    raw text NOT NULL COLLATE "C",
    available_at timestamp with time zone NOT NULL
);
ALTER TABLE forecasting.alerts ADD CONSTRAINT alerts_pkey PRIMARY KEY (alert_id);
ALTER TABLE forecasting.feature_table ADD CONSTRAINT feature_table_pkey PRIMARY KEY (unique_id, ds);
ALTER TABLE forecasting.forecast_errors
    ADD CONSTRAINT forecast_errors_pkey PRIMARY KEY (unique_id, cutoff, ds, model_version);
ALTER TABLE forecasting.forecasts ADD CONSTRAINT forecasts_pkey PRIMARY KEY (unique_id, cutoff, ds, model_version);
ALTER TABLE forecasting.prediction_log ADD CONSTRAINT prediction_log_pkey PRIMARY KEY (request_id, unique_id, ds);
ALTER TABLE forecasting.promotion_decisions ADD CONSTRAINT promotion_decisions_pkey PRIMARY KEY (decision_id);
ALTER TABLE forecasting.quarantined_observations ADD CONSTRAINT quarantined_observations_pkey PRIMARY KEY (fingerprint);
ALTER TABLE forecasting.raw_observations ADD CONSTRAINT raw_observations_pkey PRIMARY KEY (unique_id, ds, available_at);
CREATE INDEX alerts_first_seen_idx ON forecasting.alerts (first_seen);
CREATE INDEX feature_table_ds_idx ON forecasting.feature_table (ds);
CREATE INDEX forecast_errors_ds_idx ON forecasting.forecast_errors (ds);
CREATE INDEX forecasts_cutoff_idx ON forecasting.forecasts (cutoff);
CREATE UNIQUE INDEX one_open_incident_a_fingerprint ON forecasting.alerts (fingerprint) WHERE (state = 'FIRING'::text);
CREATE INDEX prediction_log_ds_idx ON forecasting.prediction_log (ds);
CREATE INDEX quarantined_observations_ds_idx ON forecasting.quarantined_observations (ds);
CREATE INDEX raw_observations_ds_idx ON forecasting.raw_observations (ds);

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON forecasting.promotion_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION forecasting.refuse_change();

COMMENT ON TABLE forecasting.alerts IS 'One row is one incident, from the first failure to the recovery.';
COMMENT ON TABLE forecasting.promotion_decisions IS 'One row is one decision with its evidence; append-only.';
"""


def upgrade() -> None:
    """Create it."""
    op.execute(_SCHEMA)
