"""An engine that does every block in this process."""

from forecasting_platform.adapters.local_engine import LocalEngine
from forecasting_platform.ports.table_store import TableStore


def in_process(store: TableStore) -> LocalEngine:
    """Of a store; slow nowhere, and the reference of all others."""
    return LocalEngine(store, lambda: store, workers=1)
