"""Copies a folder that other processes are writing to."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from forecasting_platform.errors import ForecastingPlatformError

ATTEMPTS = 5


class BackupError(ForecastingPlatformError):
    """A backup that cannot be written, trusted or restored."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        self.path = path
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"the backup {path} {problem}. {remedy}")


def copy_folder(source: Path, target: Path) -> None:
    """Copy the files that a folder held when this began.

    A file that comes meanwhile is left out, and so is one that goes, or whose name begins with a dot: it is being
    written. Every copy is compared with its file; a file that changed in between is copied again.

    Raises:
        BackupError: a file changed during each of some attempts, or its copy is another on this disk.
    """
    for file in list(_files(source)):
        _copy_file(file, target / file.relative_to(source))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(folder, onerror=_raise_unless_gone):
        yield from (Path(directory, name) for name in sorted(names) if not name.startswith("."))


def _raise_unless_gone(error: OSError) -> None:
    # What cannot be read must not be missing from the copy without a word.
    if not isinstance(error, FileNotFoundError):
        raise error


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(ATTEMPTS):
        try:
            shutil.copy2(source, target)
            if sha256_of(source) == sha256_of(target):
                return
        except FileNotFoundError:
            target.unlink(missing_ok=True)
            return
    raise BackupError(
        target, f"differs from {source} after {ATTEMPTS} attempts", "Try again when nothing writes to it."
    )
