import pytest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform_tests.contracts.ledger_contract import LedgerContract


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def ledger(self) -> MemoryLedger:
        return MemoryLedger()
