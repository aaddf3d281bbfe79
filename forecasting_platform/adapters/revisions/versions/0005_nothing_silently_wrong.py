"""The forecast of record is the same in SQL as elsewhere; answers to a client's own inputs are told apart."""

from alembic import op

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


def upgrade() -> None:
    """Bring revision 0004 to this one."""
    op.execute(_OF_RECORD)
    op.execute(_GIVEN_INPUTS)
