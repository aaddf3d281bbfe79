"""A model registry in memory, for tests and experiments; keeps every promise of the port except durability."""

from dataclasses import replace
from datetime import UTC, datetime

from forecasting_platform.errors import ChampionMovedError, UnknownVersionError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.ports.model_registry import Alias, ModelVersion, fingerprint_tags
from forecasting_platform.settings import REGISTERED_MODEL


class MemoryModelRegistry:
    """Versions and aliases in two dictionaries."""

    def __init__(self, *, name: str = REGISTERED_MODEL) -> None:
        self.name = name
        self._versions: dict[str, tuple[ModelVersion, ForecastModel]] = {}
        self._aliases: dict[Alias, str] = {}

    def register(self, model: ForecastModel, *, plots: dict[str, bytes], run_tags: dict[str, str]) -> ModelVersion:
        """See `ModelRegistry.register`."""
        number = str(len(self._versions) + 1)
        tags = fingerprint_tags(model)
        version = ModelVersion(self.name, number, f"run-{number}", model.cutoff, datetime.now(UTC), tags)
        self._versions[number] = (version, model)
        self._aliases["challenger"] = number
        return version

    def version_at(self, alias: Alias) -> ModelVersion | None:
        """See `ModelRegistry.version_at`."""
        return self.get_version(self._aliases[alias]) if alias in self._aliases else None

    def get_version(self, version: str) -> ModelVersion:
        """See `ModelRegistry.get_version`."""
        if version not in self._versions:
            raise UnknownVersionError(version, self._versions)
        return self._versions[version][0]

    def load(self, version: ModelVersion) -> ForecastModel:
        """See `ModelRegistry.load`."""
        self.get_version(version.version)
        return self._versions[version.version][1]

    def move_champion(self, to: ModelVersion, *, expected: str | None) -> None:
        """See `ModelRegistry.move_champion`."""
        found = self._aliases.get("champion")
        if found != expected:
            raise ChampionMovedError(expected, found)
        self.get_version(to.version)
        if found is not None and found != to.version:
            self._aliases["previous"] = found
        self._aliases["champion"] = to.version

    def tag(self, version: ModelVersion, tags: dict[str, str]) -> None:
        """See `ModelRegistry.tag`."""
        known = self.get_version(version.version)
        self._versions[version.version] = (replace(known, tags=known.tags | tags), self._versions[version.version][1])
