"""Alembic revisions of the schema `forecasting`, each frozen once it is released; run by `postgres_migrations`."""
