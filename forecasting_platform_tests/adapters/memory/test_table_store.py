from collections.abc import Callable

import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform_tests.contracts.table_store_contract import TableStoreContract


class TestMemoryTableStore(TableStoreContract):
    @pytest.fixture
    def store(self) -> MemoryTableStore:
        return MemoryTableStore()

    @pytest.fixture
    def break_next_write(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        def broken_concat(*args: object, **kwargs: object) -> pd.DataFrame:
            raise RuntimeError("broken on purpose")

        return lambda: monkeypatch.setattr("forecasting_platform.adapters.memory.table_store.pd.concat", broken_concat)
