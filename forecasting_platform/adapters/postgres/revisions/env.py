"""Alembic's environment: runs the revisions in the transaction that the caller opened."""

from alembic import context

from forecasting_platform.adapters.postgres.schema import REVISION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=REVISION_TABLE,
    version_table_schema=context.config.attributes["schema"],
)
context.run_migrations()
