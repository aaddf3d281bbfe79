from collections.abc import Callable

import pytest

from forecasting_platform_tests.contracts.table_store_contract import TableStoreContract
from forecasting_platform_tests.simulation.rows_store import RowsTableStore


class TestRowsTableStore(TableStoreContract):
    @pytest.fixture
    def store(self) -> RowsTableStore:
        return RowsTableStore()

    @pytest.fixture
    def break_next_write(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        def broken(*args: object) -> None:
            raise RuntimeError("broken on purpose")

        return lambda: monkeypatch.setattr("forecasting_platform_tests.simulation.rows_store._by_key", broken)
