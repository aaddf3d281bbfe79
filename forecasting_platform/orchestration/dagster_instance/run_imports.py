"""Imports what runs import beyond the definitions: `code_server` has the process do this that runs are forked from.

Nobody else imports this module; the definitions do without these, so that they load fast.
"""

import logging
from importlib import import_module

MODULES = (
    "PIL.PngImagePlugin",
    "alembic.command",
    "dagster._core.storage.base_storage",
    "dagster_postgres",
    "forecasting_platform.adapters.mlflow.model_registry",
    "forecasting_platform.adapters.postgres.table_store",
    "great_expectations",
    "grpc_health.v1.health",
    "holidays.countries",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "mlflow.pyfunc",
    "psycopg2.extras",
    "rich.console",
    "upath",
)


def _import(name: str) -> None:
    if name == "great_expectations":  # imported bare, it would call its makers
        import_module("forecasting_platform.adapters.great_expectations_quality").import_great_expectations()
    else:
        import_module(name)


for _name in MODULES:
    try:
        _import(_name)
    except Exception:  # a run that needs it fails by itself, with the same words, and others do not
        logging.getLogger(__name__).exception("runs will import %s themselves", _name)
