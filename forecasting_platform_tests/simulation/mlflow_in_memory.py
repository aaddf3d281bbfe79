"""MLflow's model registry as its server keeps it, in memory: each request is done at once, several are not.

The platform's own adapter runs on it, so that others come between its requests, as they do in life.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from forecasting_platform.errors import InvalidArtifactError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.ports.model_registry import ModelVersion, fingerprint_tags


def _absent(what: str) -> MlflowException:
    return MlflowException(f"{what} not found", error_code=RESOURCE_DOES_NOT_EXIST)


@dataclass
class RegistryServer:
    """What the server holds; its methods are those of `MlflowClient`.

    Attributes:
        damaged: versions whose artifact was changed or lost.
    """

    versions: dict[str, Any] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    models: dict[str, ForecastModel] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    count: int = 0

    def create_model_version(self, name: str, model: ForecastModel) -> str:
        self.count += 1
        number = str(self.count)
        tags = fingerprint_tags(model) | {"cutoff": model.cutoff.isoformat()}
        self.versions[number] = SimpleNamespace(
            name=name, version=number, run_id=f"run-{number}", tags=tags, creation_timestamp=1_690_000_000_000
        )
        self.models[number] = model
        return number

    def get_model_version(self, name: str, version: str) -> Any:
        if version not in self.versions:
            raise _absent(f"version {version}")
        return self.versions[version]

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        if alias not in self.aliases:
            raise _absent(f"alias {alias}")
        return self.versions[self.aliases[alias]]

    def search_model_versions(self, filter_string: str) -> list[Any]:
        return list(self.versions.values())

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        self.get_model_version(name, version)
        self.aliases[alias] = version

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        self.aliases.pop(alias, None)

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        found = self.get_model_version(name, version)
        self.versions[version] = SimpleNamespace(**vars(found) | {"tags": found.tags | {key: value}})

    def delete_model_version(self, name: str, version: str) -> None:
        """As MLflow does it: with the aliases that name the version; its number is not given again."""
        self.versions.pop(version, None)
        self.aliases = {alias: named for alias, named in self.aliases.items() if named != version}

    def damage(self, version: str) -> None:
        """Change a byte of the artifact."""
        self.damaged.add(version)

    def download(self, version: str) -> ForecastModel:
        """The artifact, its checksum verified."""
        if version in self.damaged:
            raise InvalidArtifactError(version, "its checksum is another one")
        return self.models[version]


class InMemoryMlflowRegistry(MlflowModelRegistry):
    """The adapter on a client that reaches a `RegistryServer`; only artifacts do not go through MLflow's own code."""

    def __init__(self, client: Any) -> None:
        super().__init__("http://127.0.0.1:9")
        self._client = client

    def register(self, model: ForecastModel, *, plots: dict[str, bytes], run_tags: dict[str, str]) -> ModelVersion:
        version = self._client.create_model_version(self.name, model)
        self._client.set_registered_model_alias(self.name, "challenger", version)
        return self.get_version(version)

    def load(self, version: ModelVersion) -> ForecastModel:
        self.get_version(version.version)
        model: ForecastModel = self._client.download(version.version)
        return model
