"""A model as files: numbers in `parameters.npz`, the rest in `model.json`, which holds the numbers' checksum.

Reading runs no code of the artifact and loads no pickle.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from forecasting_platform.errors import InvalidArtifactError
from forecasting_platform.forecasting.model import ForecastModel, model_from

DOCUMENT = "model.json"
PARAMETERS = "parameters.npz"


def write_artifact(model: ForecastModel, directory: Path) -> str:
    """Write a model's files into a directory, made if need be; the artifact's checksum."""
    directory.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = model.to_arrays()
    np.savez_compressed(directory / PARAMETERS, **arrays)
    document = model.to_document() | {"parameters_sha256": _sha256(directory / PARAMETERS)}
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
        if expected_sha256 is not None and _sha256(directory / DOCUMENT) != expected_sha256:
            raise InvalidArtifactError(version, f"{DOCUMENT} is not the file that was registered")
        document = json.loads((directory / DOCUMENT).read_text(encoding="utf-8"))
        if _sha256(directory / PARAMETERS) != document["parameters_sha256"]:
            raise InvalidArtifactError(version, f"{PARAMETERS} is not the file that was registered")
        with np.load(directory / PARAMETERS, allow_pickle=False) as stored:
            return model_from({name: stored[name] for name in stored.files}, document)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InvalidArtifactError(version, f"its files cannot be read ({type(error).__name__}: {error})") from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
