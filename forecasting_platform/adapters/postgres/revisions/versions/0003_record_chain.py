"""A forecast's error says when the forecast was issued; decisions are chained by their hashes.

The view shows what was issued first. Decisions taken before keep no hash: the chain begins with the next one.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

_ISSUED_AT = "ALTER TABLE forecasting.forecast_errors ADD COLUMN IF NOT EXISTS issued_at timestamptz"

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
    ORDER BY unique_id, cutoff, ds, issued_at NULLS FIRST, model_version
) AS of_record
GROUP BY unique_id, ds
"""

_CHAIN = """
ALTER TABLE forecasting.promotion_decisions
    ADD COLUMN IF NOT EXISTS previous_hash text,
    ADD COLUMN IF NOT EXISTS entry_hash text UNIQUE
"""


def upgrade() -> None:
    """Bring revision 0002 to this one."""
    op.execute(_ISSUED_AT)
    op.execute(_OF_RECORD)
    op.execute(_CHAIN)
