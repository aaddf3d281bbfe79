"""A registry that breaks when a test wants it to, and the app's watch of it."""

from pathlib import Path
from typing import Any

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import InvalidArtifactError, RegistryUnavailableError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.ports.model_registry import ModelVersion
from serve.forecasts.champion import ChampionWatch


class Registry(MemoryModelRegistry):
    """A registry in memory that can be switched off, and whose artifacts can break."""

    down = False
    broken: frozenset[str] = frozenset()
    loads = 0

    def version_at(self, alias: Any) -> ModelVersion | None:
        if self.down:
            raise RegistryUnavailableError("the registry", "connection refused")
        return super().version_at(alias)

    def load(self, version: ModelVersion) -> ForecastModel:
        self.loads += 1
        if version.version in self.broken:
            raise InvalidArtifactError(version.version, "a byte differs")
        return super().load(version)

    def promote(self, model: ForecastModel) -> ModelVersion:
        champion = super().version_at("champion")
        version = self.register(model, plots={}, run_tags={})
        self.move_champion(version, expected=champion.version if champion else None)
        return version


def watch_of(registry: Registry, store: MemoryTableStore | None = None, cache_dir: Path | None = None) -> ChampionWatch:
    return ChampionWatch(lambda: registry, store, poll_seconds=0.01, cache_dir=cache_dir)
