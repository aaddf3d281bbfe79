"""Alembic revisions of the schema `forecasting`, each frozen once it is released; `migrations` runs them."""
