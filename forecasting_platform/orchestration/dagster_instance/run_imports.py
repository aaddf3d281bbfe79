"""Preloads modules that runs need but the definitions do not, so that forked runs start fast.

Only `code_server` imports this module; the definitions load faster without these modules.
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


for _name in MODULES:
    try:
        if _name == "great_expectations":  # imported bare, it would call its makers
            import_module("forecasting_platform.adapters.great_expectations_quality").import_great_expectations()
        else:
            import_module(_name)
    except Exception:  # a run that needs it fails by itself, with the same words, and others do not
        logging.getLogger(__name__).exception("runs will import %s themselves", _name)
