"""Where model versions live, and which of them serves.

Promises: a registered version loads in a clean process to the same forecasts; loading runs no code
and no pickle of the artifact, and a changed byte is refused (`InvalidArtifactError`); an alias
names one version or none; `move_champion` moves only from the expected version
(`ChampionMovedError` otherwise), leaving the old one as `previous`; a version there is not raises
`UnknownVersionError` and changes nothing; a registry that does not answer raises
`RegistryUnavailableError`.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol

from forecasting_platform.forecasting.models.trained.model import ForecastModel

Alias = Literal["champion", "challenger", "previous"]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version.

    Attributes:
        version: the registry's number, as text.
        run_id: the tracking run that made it.
        cutoff: last day the model has seen, inclusive.
        trained_at: when it was registered (aware).
        tags: the version's tags: fingerprints of recipe, data and artifact, the last promotion decision.
            Scores and the rest are in `ForecastModel.metadata`.
    """

    name: str
    version: str
    run_id: str
    cutoff: date
    trained_at: datetime
    tags: dict[str, str] = field(default_factory=dict)


FINGERPRINTS = ("code_version", "data_fingerprint", "recipe_fingerprint")


def fingerprint_tags(model: ForecastModel) -> dict[str, str]:
    """What a version of this model is tagged with from the start: enough to tell equal trainings apart."""
    return {key: str(model.metadata[key]) for key in FINGERPRINTS if key in model.metadata}


class ModelRegistry(Protocol):
    """Registered versions of one model."""

    @property
    def name(self) -> str:
        """The model's name; each of its versions bears it."""
        ...

    def register(self, model: ForecastModel, *, plots: dict[str, bytes], run_tags: dict[str, str]) -> ModelVersion:
        """Store the model with its scores, plots (file name -> PNG), signature and input example, as a
        new version with alias `challenger`.
        """
        ...

    def version_at(self, alias: Alias) -> ModelVersion | None:
        """The version an alias names, None when it names none."""
        ...

    def get_version(self, version: str) -> ModelVersion:
        """Raises `UnknownVersionError` for a version there is not."""
        ...

    def load(self, version: ModelVersion) -> ForecastModel:
        """The model, its checksum verified."""
        ...

    def move_champion(self, to: ModelVersion, *, expected: str | None) -> None:
        """Name `to` champion if the champion is still version `expected` (None: there is none); the old
        champion becomes `previous`. The alias `champion` moves last.
        """
        ...

    def tag(self, version: ModelVersion, tags: dict[str, str]) -> None:
        """Add or overwrite tags of a version."""
        ...
