"""Errors by first published value, features of volatility, incidents with an outbox.

Databases made between the two releases carry no revision and may have some of it already; what is there stays.
The three new features are computed from the stored observations, so no row of `feature_table` is lost.
"""

import pandas as pd
from alembic import op
from sqlalchemy import text

from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.features import build_features
from forecasting_platform.settings import Settings

revision = "0002"
down_revision = "0001"

_NEW_FEATURES = ("volatility_02", "volatility_10", "recent_holidays")

_ADD_COLUMNS = """
ALTER TABLE forecasting.forecast_errors ADD COLUMN IF NOT EXISTS y_first double precision;
ALTER TABLE forecasting.feature_table
    ADD COLUMN IF NOT EXISTS volatility_02 double precision,
    ADD COLUMN IF NOT EXISTS volatility_10 double precision,
    ADD COLUMN IF NOT EXISTS recent_holidays double precision;
"""

_FILL_FEATURES = """
UPDATE forecasting.feature_table AS stored
SET volatility_02 = found.volatility_02, volatility_10 = found.volatility_10, recent_holidays = found.recent_holidays
FROM unnest(
    CAST(:unique_id AS text[]), CAST(:ds AS date[]), CAST(:volatility_02 AS float8[]),
    CAST(:volatility_10 AS float8[]), CAST(:recent_holidays AS float8[])
) AS found (unique_id, ds, volatility_02, volatility_10, recent_holidays)
WHERE stored.unique_id = found.unique_id AND stored.ds = found.ds
"""

_REQUIRE_FEATURES = """
ALTER TABLE forecasting.feature_table
    ALTER COLUMN volatility_02 SET NOT NULL,
    ALTER COLUMN volatility_10 SET NOT NULL,
    ALTER COLUMN recent_holidays SET NOT NULL;
"""

_DAILY_ACCURACY = """
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
FROM forecasting.forecast_errors
GROUP BY unique_id, ds;
"""

_ALERTS = """
ALTER TABLE forecasting.alerts
    ADD COLUMN IF NOT EXISTS runbook text,
    ADD COLUMN IF NOT EXISTS owner text,
    ADD COLUMN IF NOT EXISTS "group" text,
    ADD COLUMN IF NOT EXISTS muted_by text,
    ADD COLUMN IF NOT EXISTS announced timestamptz,
    ADD COLUMN IF NOT EXISTS reminded timestamptz,
    ADD COLUMN IF NOT EXISTS acknowledged timestamptz,
    ADD COLUMN IF NOT EXISTS acknowledged_by text,
    DROP CONSTRAINT IF EXISTS alerts_state_check;
ALTER TABLE forecasting.alerts ADD CONSTRAINT alerts_state_check
    CHECK (state IN ('PENDING', 'FIRING', 'RESOLVED', 'MUTED', 'UNKNOWN'));
DROP INDEX IF EXISTS forecasting.one_open_incident_a_fingerprint;
CREATE UNIQUE INDEX one_open_incident_a_fingerprint ON forecasting.alerts (fingerprint) WHERE state <> 'RESOLVED';
"""

_TELL_OLD_INCIDENTS = "UPDATE forecasting.alerts SET announced = first_seen"
"""Before there was an outbox, every incident was told."""

_OUTBOX = """
CREATE TABLE forecasting.alert_messages (
    key text COLLATE "C" PRIMARY KEY,
    alert_id text NOT NULL REFERENCES forecasting.alerts,
    kind text NOT NULL,
    channel text NOT NULL,
    created_at timestamptz NOT NULL,
    delivered_at timestamptz,
    attempts integer NOT NULL,
    last_error text
);
CREATE INDEX ON forecasting.alert_messages (created_at) WHERE delivered_at IS NULL;
CREATE INDEX ON forecasting.alert_messages (alert_id);
CREATE TABLE forecasting.alert_mutes (
    pattern text COLLATE "C" PRIMARY KEY,
    until timestamptz NOT NULL,
    reason text NOT NULL,
    muted_by text NOT NULL
);
CREATE TABLE forecasting.heartbeats (name text PRIMARY KEY, at timestamptz NOT NULL);
COMMENT ON TABLE forecasting.alert_messages IS 'The outbox: one row is one message to one channel, sent at least once.';
COMMENT ON TABLE forecasting.alert_mutes IS 'One row is a pattern of fingerprints nobody is told of until a time.';
COMMENT ON TABLE forecasting.heartbeats IS 'When each watcher last lived.';
"""


def upgrade() -> None:
    """Bring the first release to this one."""
    op.execute(_ADD_COLUMNS)
    _fill_features()
    op.execute(_REQUIRE_FEATURES)
    op.execute(_DAILY_ACCURACY)
    if not _is_there("alert_messages"):
        op.execute(_ALERTS)
        op.execute(_TELL_OLD_INCIDENTS)
        op.execute(_OUTBOX)


def _is_there(table: str) -> bool:
    found = op.get_bind().execute(text("SELECT to_regclass(:name)"), {"name": f"forecasting.{table}"})
    return found.scalar() is not None


def _fill_features() -> None:
    bind = op.get_bind()
    incomplete = "SELECT min(ds), max(ds) FROM forecasting.feature_table WHERE recent_holidays IS NULL"
    start, end = bind.execute(text(incomplete)).one()
    if start is None:
        return
    observations = pd.DataFrame(
        bind.execute(text("SELECT unique_id, ds, y FROM forecasting.observations")).all(),
        columns=["unique_id", "ds", "y"],
    ).astype({"ds": "datetime64[ns]", "y": "float64"})
    built = build_features(observations, DateRange(start, end), Settings().holiday_country)
    arrays = {name: built[name].tolist() for name in ("unique_id", *_NEW_FEATURES)}
    bind.execute(text(_FILL_FEATURES), arrays | {"ds": built["ds"].dt.date.tolist()})
