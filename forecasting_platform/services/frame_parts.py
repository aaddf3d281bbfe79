"""Frames that are too large for memory together: parts of one table, kept in a temporary folder past a size."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

MAX_ROWS_IN_MEMORY = 250_000
"""A fleet of a few hundred series and years; more are kept on disk."""


class FrameParts:
    """Frames of the same columns, in the order in which they were added; read as often as wanted.

    A context manager: what is on disk goes with it. Values come back as they were, missing texts as None.

    Args:
        max_rows: of all parts in memory; once there are more, each part is a file.
    """

    def __init__(self, max_rows: int = MAX_ROWS_IN_MEMORY) -> None:
        self._max_rows = max_rows
        self._in_memory: list[pd.DataFrame] = []
        self._files: list[Path] = []
        self._rows = 0
        self._folder = tempfile.TemporaryDirectory(prefix="frame-parts-")

    def __enter__(self) -> "FrameParts":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def __repr__(self) -> str:
        return f"{self._rows} rows"

    def add(self, part: pd.DataFrame) -> None:
        """Add a frame."""
        self._rows += len(part)
        self._in_memory.append(part)
        if self._rows > self._max_rows:
            for frame in self._in_memory:
                file = Path(self._folder.name) / f"{len(self._files)}.feather"
                frame.reset_index(drop=True).to_feather(file)
                self._files.append(file)
            self._in_memory.clear()

    def __iter__(self) -> Iterator[pd.DataFrame]:
        yield from (pd.read_feather(file) for file in self._files)
        yield from self._in_memory
