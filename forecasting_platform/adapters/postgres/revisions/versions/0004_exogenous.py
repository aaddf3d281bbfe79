"""A feature row holds what was known of exogenous columns at the end of its day."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Bring revision 0003 to this one."""
    op.execute('ALTER TABLE forecasting.feature_table ADD COLUMN IF NOT EXISTS exogenous text COLLATE "C"')
