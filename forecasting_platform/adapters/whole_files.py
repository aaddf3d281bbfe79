"""Writes files atomically: a reader sees the old file or the complete new one."""

import os
import uuid
from pathlib import Path


def write_whole(target: Path, content: bytes) -> None:
    """Write a file beside its place, and move it there; its folder is made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Who lists the folder leaves out what begins with a dot.
    being_written = target.parent / f".{uuid.uuid4().hex}"
    try:
        with being_written.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        being_written.replace(target)
    finally:
        being_written.unlink(missing_ok=True)


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Delete all but the newest files of a pattern; others may delete them too."""
    for outdated in sorted(folder.glob(pattern), key=_changed_at, reverse=True)[count:]:
        outdated.unlink(missing_ok=True)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
