"""The last good champion on disk, so that the app can start while the registry is down.

Each copy is a folder of its own; one small file names the current one with its checksum and is replaced atomically, so
that a crash at any moment leaves a complete copy.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from forecasting_platform.adapters.model_artifact import read_artifact, write_artifact
from forecasting_platform.errors import InvalidArtifactError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.ports.model_registry import ModelVersion

POINTER = "last_good.json"


@dataclass(frozen=True, slots=True)
class Copy:
    """Which folder holds the copy, of which version, and the artifact's checksum."""

    folder: str
    version: ModelVersion
    sha256: str


_COPY = TypeAdapter(Copy)


def save_copy(version: ModelVersion, model: ForecastModel, directory: Path) -> None:
    """Save `model` as the copy in `directory`; the previous one is removed afterwards."""
    directory.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="version-", dir=directory))
    copy = Copy(folder.name, version, write_artifact(model, folder))
    pointer = directory / POINTER
    temporary = pointer.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(_COPY.dump_json(copy))
        file.flush()
        # On the disk before it is renamed: after a power cut the new name could otherwise lead to an empty file.
        os.fsync(file.fileno())
    temporary.replace(pointer)
    for old in directory.glob("version-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def load_copy(directory: Path) -> tuple[ModelVersion, ForecastModel] | None:
    """The copy in `directory`, None when there is none.

    Raises:
        InvalidArtifactError: a file was changed or is missing, or this code cannot read it.
    """
    if not (directory / POINTER).exists():
        return None
    try:
        copy = _COPY.validate_json((directory / POINTER).read_bytes())
    except ValueError as error:
        raise InvalidArtifactError("on disk", f"{POINTER} is damaged") from error
    folder = directory / Path(copy.folder).name
    return copy.version, read_artifact(folder, version=copy.version.version, expected_sha256=copy.sha256)
