"""Alembic's environment: runs the revisions in the transaction that the caller opened."""

from alembic import context

from forecasting_platform.adapters.postgres.schema import REVISION_TABLE, SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    version_table=REVISION_TABLE,
    version_table_schema=SCHEMA,
)
context.run_migrations()
