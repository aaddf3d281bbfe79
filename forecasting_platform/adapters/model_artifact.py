"""Stores a model as files: numbers in `parameters.npz`, the rest and the numbers' checksum in `model.json`.

Reading runs no code of the artifact and loads no pickle.
"""

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from forecasting_platform.errors import InvalidArtifactError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from

DOCUMENT = "model.json"
PARAMETERS = "parameters.npz"
UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading files that something else wrote may raise."""


def write_artifact(model: ForecastModel, directory: Path) -> str:
    """Write a model's files into a directory, made if need be; the artifact's checksum."""
    directory.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = arrays_of(model)
    np.savez_compressed(directory / PARAMETERS, **arrays)
    document = document_of(model) | {"parameters_sha256": _sha256(directory / PARAMETERS)}
    (directory / DOCUMENT).write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")
    return _sha256(directory / DOCUMENT)


def read_artifact(directory: Path, *, version: str = "unknown", expected_sha256: str | None = None) -> ForecastModel:
    """The model of a directory.

    Args:
        version: named in errors.
        expected_sha256: the artifact's checksum as recorded when it was written.

    Raises:
        InvalidArtifactError: a file is missing or unreadable, a byte differs, or the format is another.
    """
    try:
        document = _verified(directory / DOCUMENT, expected_sha256, version)
        described = json.loads(document)
        parameters = _verified(directory / PARAMETERS, described["parameters_sha256"], version)
        with np.load(io.BytesIO(parameters), allow_pickle=False) as stored:
            return model_from({name: stored[name] for name in stored.files}, described)
    except UNREADABLE as error:
        raise InvalidArtifactError(version, f"its files cannot be read ({type(error).__name__}: {error})") from error


def _verified(path: Path, expected_sha256: str | None, version: str) -> bytes:
    """A file's bytes; those that were compared are those that are used."""
    content = path.read_bytes()
    if expected_sha256 is not None and hashlib.sha256(content).hexdigest() != expected_sha256:
        raise InvalidArtifactError(version, f"{path.name} is not the file that was registered")
    return content


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
