"""The forecast of record is the same in SQL as elsewhere; answers to a client's own inputs are told apart.

A message of the outbox has a row for each route, that is URL, and a time before which it is not tried again. What waits
for one of the two channels there were is given, by the first look for alerts, to the routes there are.
"""

from alembic import op
from sqlalchemy import text

revision = "0005"
down_revision = "0004"

_OF_RECORD = """
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
    SELECT DISTINCT ON (unique_id, cutoff, ds)
        unique_id, ds, y, y_first, y_hat, y_hat_lo_80, y_hat_hi_80, y_hat_lo_95, y_hat_hi_95
    FROM forecasting.forecast_errors
    ORDER BY unique_id, cutoff, ds, issued_at NULLS FIRST, length(model_version), model_version
) AS of_record
GROUP BY unique_id, ds
"""

_GIVEN_INPUTS = """
ALTER TABLE forecasting.prediction_log ADD COLUMN IF NOT EXISTS given_inputs boolean NOT NULL DEFAULT false;
ALTER TABLE forecasting.prediction_log ALTER COLUMN given_inputs DROP DEFAULT
"""

_SERVED_AT = """
CREATE INDEX IF NOT EXISTS prediction_log_served_at ON forecasting.prediction_log USING brin (served_at)
"""

_ROUTES = """
-- Not renamed: the constraint that it is not null would keep the old name.
ALTER TABLE forecasting.alert_messages
    ADD COLUMN route text, ADD COLUMN due_at timestamptz, ADD COLUMN given_up_at timestamptz;
UPDATE forecasting.alert_messages SET route = channel, due_at = created_at;
ALTER TABLE forecasting.alert_messages
    ALTER COLUMN route SET NOT NULL, ALTER COLUMN due_at SET NOT NULL, DROP COLUMN channel;
DROP INDEX IF EXISTS forecasting.alert_messages_created_at_idx;
CREATE INDEX alert_messages_waiting ON forecasting.alert_messages (due_at)
    WHERE delivered_at IS NULL AND given_up_at IS NULL;
COMMENT ON TABLE forecasting.alert_messages IS 'The outbox: one row is one message to one route, sent at least once.';
"""


def upgrade() -> None:
    """Bring revision 0004 to this one."""
    op.execute(_OF_RECORD)
    op.execute(_GIVEN_INPUTS)
    op.execute(_SERVED_AT)
    if "route" not in _columns("alert_messages"):
        op.execute(_ROUTES)


def _columns(table: str) -> set[str]:
    found = op.get_bind().execute(
        text("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attnum > 0"),
        {"name": f"forecasting.{table}"},
    )
    return set(found.scalars())
