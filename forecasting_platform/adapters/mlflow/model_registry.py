"""The model registry in MLflow: parameters are stored as data, and aliases decide which version serves.

Loading needs only `mlflow-skinny`; registering needs all of MLflow.
"""

import os
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import mlflow
import mlflow.artifacts
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from forecasting_platform.adapters.mlflow.address import address_of
from forecasting_platform.adapters.mlflow.metrics import candidate_metrics, model_metrics, shown_series
from forecasting_platform.adapters.model_artifact import read_artifact, write_artifact
from forecasting_platform.errors import (
    ChampionMovedError,
    InvalidArtifactError,
    RegistryUnavailableError,
    UnknownVersionError,
)
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.reports.model_card import model_card
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform.ports.model_registry import Alias, ModelVersion, fingerprint_tags
from forecasting_platform.redaction import without_credentials
from forecasting_platform.settings import REGISTERED_MODEL

ARTIFACT = "forecast_model"
CHECKSUM_TAG = "artifact_sha256"
LOADER = "forecasting_platform.adapters.mlflow_model_loader"
ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
MISSING_FILES = ("404 Client Error", "No such artifact", "No such file")
"""What MLflow says where the files of a version are gone: its code is the one of any internal error."""
MAX_DESCRIPTION = 5000
EXAMPLE_ROWS = 5
REQUEST_RETRIES, REQUEST_TIMEOUT_SECONDS = 2, 20


class MlflowModelRegistry:
    """The registered model `forecasting_platform` of one MLflow server.

    Args:
        tracking_uri: the server's URL.
        name: of the registered model and of the experiment.
    """

    def __init__(self, tracking_uri: str, *, name: str = REGISTERED_MODEL) -> None:
        self.tracking_uri = address_of(tracking_uri)
        self.name = name
        # By default the client waits minutes before it says that a server is gone, and draws bars among log lines.
        for variable, value in (
            ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", REQUEST_RETRIES),
            ("MLFLOW_HTTP_REQUEST_TIMEOUT", REQUEST_TIMEOUT_SECONDS),
            ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", False),
        ):
            os.environ.setdefault(variable, str(value))
        self._client = MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def register(self, model: ForecastModel, *, plots: dict[str, bytes], run_tags: dict[str, str]) -> ModelVersion:
        """See `ModelRegistry.register`. An active MLflow run is used, and left to whoever started it."""
        with self._translated(), tempfile.TemporaryDirectory() as scratch, self._run():
            checksum, card = write_artifact(model, Path(scratch) / ARTIFACT), model_card(model)
            mlflow.set_tags(run_tags)
            recipe = {key: value for key, value in model.metadata.get("recipe", {}).items() if key != "candidates"}
            mlflow.log_params(recipe | {"cutoff": model.cutoff.isoformat(), "series": len(model.unique_ids)})
            mlflow.log_dict(_read_by_people(model.metadata), "metadata.json")
            mlflow.log_dict(dict(_environment()), "environment.json")
            mlflow.log_text(card, "model_card.md")
            _log_candidates(model)
            for name, png in plots.items():
                (Path(scratch) / name).write_bytes(png)
                mlflow.log_artifact(str(Path(scratch) / name), "plots")
            example = _example(model)
            logged = mlflow.pyfunc.log_model(
                name="model",
                loader_module=LOADER,
                data_path=str(Path(scratch) / ARTIFACT),
                input_example=example.to_frame(),
                signature=mlflow.models.infer_signature(example.to_frame(), model.predict(example).to_frame()),
                pip_requirements=["forecasting-platform"],
            )
            # After the model: `log_model` asks the server for each metric there is, one by one.
            mlflow.log_metrics(model_metrics(model), model_id=logged.model_id)
            tags = fingerprint_tags(model) | {CHECKSUM_TAG: checksum, "cutoff": model.cutoff.isoformat()}
            version = str(mlflow.register_model(logged.model_uri, self.name, tags=tags).version)
            # As much of the card as MLflow keeps with a version.
            description = card[:MAX_DESCRIPTION].rpartition("\n")[0]
            self._client.update_model_version(self.name, version, description=description)
            self._client.set_registered_model_alias(self.name, "challenger", version)
        return self.get_version(version)

    def version_at(self, alias: Alias) -> ModelVersion | None:
        """See `ModelRegistry.version_at`."""
        found = self._at(alias)
        return _model_version(found) if found is not None else None

    def get_version(self, version: str) -> ModelVersion:
        """See `ModelRegistry.get_version`."""
        with self._translated(version):
            return _model_version(self._client.get_model_version(self.name, version))

    def load(self, version: ModelVersion) -> ForecastModel:
        """See `ModelRegistry.load`."""
        checksum = self.get_version(version.version).tags.get(CHECKSUM_TAG)
        if checksum is None:
            problem = f"it has no tag {CHECKSUM_TAG!r}, so a change of its files cannot be noticed"
            raise InvalidArtifactError(version.version, problem)
        with self._translated(), tempfile.TemporaryDirectory() as scratch:
            # A `models:/` address would be looked up in the process's own registry, whatever this one's is.
            location = self._client.get_model_version_download_uri(self.name, version.version)
            try:
                downloaded = mlflow.artifacts.download_artifacts(
                    artifact_uri=location, dst_path=scratch, tracking_uri=self.tracking_uri
                )
            except (MlflowException, OSError) as error:
                if any(said in str(error) for said in MISSING_FILES):
                    problem = "its files are not in MLflow's artifact store any more"
                    raise InvalidArtifactError(version.version, problem) from error
                raise
            return read_artifact(
                Path(downloaded) / "data" / ARTIFACT, version=version.version, expected_sha256=checksum
            )

    def move_champion(self, to: ModelVersion, *, expected: str | None) -> None:
        """See `ModelRegistry.move_champion`."""
        # Its number is all that is needed: the champion may be one that nobody can use.
        champion = self._at("champion")
        found = str(champion.version) if champion is not None else None
        if found != expected:
            raise ChampionMovedError(expected, found)
        self.get_version(to.version)
        if found is not None and found != to.version:
            with suppress(UnknownVersionError), self._translated(found):
                self._client.set_registered_model_alias(self.name, "previous", found)
        with self._translated(to.version):
            self._client.set_registered_model_alias(self.name, "champion", to.version)

    def tag(self, version: ModelVersion, tags: dict[str, str]) -> None:
        """See `ModelRegistry.tag`."""
        self.get_version(version.version)
        with self._translated(version.version):
            for key, value in tags.items():
                self._client.set_model_version_tag(self.name, version.version, key, value)

    @contextmanager
    def _run(self) -> Iterator[None]:
        mlflow.set_tracking_uri(self.tracking_uri)
        mlflow.set_registry_uri(self.tracking_uri)
        mlflow.set_experiment(self.name)
        with nullcontext() if mlflow.active_run() else mlflow.start_run():
            yield

    def _at(self, alias: Alias) -> Any:
        """MLflow's version at an alias, None without one."""
        with self._translated():
            try:
                return self._client.get_model_version_by_alias(self.name, alias)
            except MlflowException as error:
                if error.error_code in ABSENT:
                    return None
                raise

    @contextmanager
    def _translated(self, version: str | None = None) -> Iterator[None]:
        """Translate MLflow's errors to those of the port; with a version, a missing version too."""
        try:
            yield
        except MlflowException as error:
            if version is not None and error.error_code in ABSENT:
                raise UnknownVersionError(version, self._versions()) from error
            if error.error_code in {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"}:
                place, said = map(without_credentials, (self.tracking_uri, str(error).splitlines()[0]))
                raise RegistryUnavailableError(f"MLflow at {place}", said[:300]) from error
            raise

    def _versions(self) -> list[str]:
        found = self._client.search_model_versions(f"name = '{self.name}'")
        return sorted((str(version.version) for version in found), key=int)


def _model_version(found: Any) -> ModelVersion:
    if "cutoff" not in found.tags:
        raise InvalidArtifactError(str(found.version), "it has no tag 'cutoff', so this platform did not register it")
    return ModelVersion(
        name=found.name,
        version=str(found.version),
        run_id=found.run_id,
        cutoff=date.fromisoformat(found.tags["cutoff"]),
        trained_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        tags=dict(found.tags),
    )


def _example(model: ForecastModel) -> ModelInputs:
    """The inputs of the next day that is forecast, for the first series that have a newest row."""
    newest = model.feature_days.max()
    reaching = [name for name, day in zip(model.unique_ids, model.feature_days, strict=True) if day == newest]
    days = (newest + np.arange(1, model.horizon + 1)).tolist()
    ahead = model.inputs(days, unique_ids=sorted(reaching)[:EXAMPLE_ROWS])
    return ahead.rows(ahead.ds == ahead.ds.min()) if len(ahead) else ahead


@cache
def _environment() -> Mapping[str, str]:
    """The Python and the packages that trained it."""
    packages = {found.metadata["Name"]: found.version for found in distributions()}
    return {"python": platform.python_version(), **dict(sorted(packages.items()))}


def _log_candidates(model: ForecastModel) -> None:
    """Log one child run per candidate: its scores had it served alone, on the same cutoffs."""
    recipe, described = model.metadata.get("recipe", {}), model.metadata.get("series", {})
    for candidate in model.candidates:
        with mlflow.start_run(run_name=candidate.name, nested=True):
            mlflow.log_params({"candidate": candidate.name, **recipe["candidates"][candidate.name]})
            mlflow.log_metrics(candidate_metrics(candidate.name, described))


def _read_by_people(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata with the records of no more series than have metrics; all of them are among the model's files."""
    shown, control = shown_series(metadata.get("series", {})), metadata.get("control", {})
    return (
        metadata
        | {"series": _records(metadata, shown)}
        | ({"control": control | {"series": _records(control, shown)}} if control else {})
    )


def _records(document: Mapping[str, Any], shown: Sequence[str]) -> dict[str, Any]:
    records = document.get("series", {})
    return {unique_id: records[unique_id] for unique_id in shown if unique_id in records}
