"""Stores a model as files: numbers in `parameters.npz`, what training recorded of each series in `series.jsonl`, the
rest and the checksums of both in `model.json`.

Reading runs no code of the artifact and loads no pickle. The series have a line each, since one JSON document of
thousands of them is parsed in one go, a third of a second in which the app that loads it answers nobody; so they are
read as `SeriesRecords`.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from forecasting_platform.adapters.series_records import SeriesRecords, records_by_part
from forecasting_platform.errors import InvalidArtifactError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from

DOCUMENT = "model.json"
PARAMETERS = "parameters.npz"
SERIES = "series.jsonl"
PARTS = ("", "control")
"""What of the metadata has an entry a series."""
UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading files that something else wrote may raise."""


def write_artifact(model: ForecastModel, directory: Path) -> str:
    """Write a model's files into a directory, made if need be; the artifact's checksum."""
    directory.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = arrays_of(model)
    np.savez_compressed(directory / PARAMETERS, **arrays)
    metadata, lines = _split(model.metadata)
    (directory / SERIES).write_bytes(b"".join(lines))
    checksums = {"parameters_sha256": _sha256(directory / PARAMETERS), "series_sha256": _sha256(directory / SERIES)}
    document = document_of(model) | {"metadata": metadata} | checksums
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
        if "series_sha256" in described:
            _join(described["metadata"], _verified(directory / SERIES, described["series_sha256"], version))
        parameters = _verified(directory / PARAMETERS, described["parameters_sha256"], version)
        with np.load(io.BytesIO(parameters), allow_pickle=False) as stored:
            return model_from({name: stored[name] for name in stored.files}, described)
    except UNREADABLE as error:
        raise InvalidArtifactError(version, f"its files cannot be read ({type(error).__name__}: {error})") from error


def _split(metadata: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """The metadata without what they hold of each series, and that as lines `[part, series, value]`.

    A part is one of `PARTS`; the one without a name is the metadata's own.
    """
    rest, lines = dict(metadata), list[bytes]()
    for part in PARTS:
        whole = metadata.get(part) if part else metadata
        if isinstance(whole, dict) and isinstance(of_series := whole.get("series"), Mapping):
            lines += of_series.lines() if isinstance(of_series, SeriesRecords) else _lines(part, of_series)
            rest |= {part: {**whole, "series": {}}} if part else {"series": {}}
    return rest, lines


def _lines(part: str, records: Mapping[str, Any]) -> Iterator[bytes]:
    values = ([part, unique_id, record] for unique_id, record in records.items())
    return (json.dumps(value, allow_nan=False).encode() + b"\n" for value in values)


def _join(metadata: dict[str, Any], lines: bytes) -> None:
    """Put the lines of `_split` back into its metadata."""
    for part, records in records_by_part(lines).items():
        (metadata[part] if part else metadata)["series"] = records


def _verified(path: Path, expected_sha256: str | None, version: str) -> bytes:
    """A file's bytes; those that were compared are those that are used."""
    content = path.read_bytes()
    if expected_sha256 is not None and hashlib.sha256(content).hexdigest() != expected_sha256:
        raise InvalidArtifactError(version, f"{path.name} is not the file that was registered")
    return content


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
