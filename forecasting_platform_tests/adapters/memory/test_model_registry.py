import pytest

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform_tests.contracts.model_registry_contract import ModelRegistryContract


class TestMemoryModelRegistry(ModelRegistryContract):
    @pytest.fixture
    def registry(self) -> MemoryModelRegistry:
        return MemoryModelRegistry()
