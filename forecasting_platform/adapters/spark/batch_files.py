"""Reads, writes and deletes the Parquet directories of one log, on any file system that Spark supports.

A directory is written once and never changed. `spark.table_log` decides which directories are part of the table.
"""

import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

# Small enough for statistics to skip most of a file, large enough to be read in few requests.
_ROW_GROUP_ROWS = 131_072
# Spark and Hive ignore files whose name starts with an underscore.
_SUPERSEDED = "_superseded"


class BatchFiles:
    """The directories below `root`, a URI.

    Calls Hadoop's file system API through the driver's JVM: pyspark itself cannot create or delete a file.
    """

    def __init__(self, spark: SparkSession, root: str) -> None:
        self._spark = spark
        self._root = root

    def new_directory(self) -> str:
        """The URI of a new, unique directory; it is not created."""
        return f"{self._root}/{uuid.uuid4()}"

    def write(self, rows: pa.Table, *, order: str) -> str:
        """Write the rows, sorted by a column, as one file in a new directory; returns its URI.

        The driver already holds the rows; a Spark job would distribute them first, and takes ten times as long.
        """
        directory = self.new_directory()
        with tempfile.TemporaryDirectory(prefix="batch-") as folder:
            file = Path(folder) / "rows.parquet"
            pq.write_table(rows.sort_by(order), file, row_group_size=_ROW_GROUP_ROWS)
            target = self._path(f"{directory}/{file.name}")
            target.getFileSystem(self._hadoop).copyFromLocalFile(True, False, self._path(file.as_uri()), target)
        return directory

    def mark_superseded(self, directories: set[str]) -> None:
        """Write a marker file into directories, given by name, which counts as a change for `unchanged_for`."""
        for name in directories:
            marker = self._path(f"{self._root}/{name}/{_SUPERSEDED}")
            marker.getFileSystem(self._hadoop).create(marker, True).close()

    def unchanged_for(self, age: timedelta) -> set[str]:
        """Names of the directories in which nothing was written for at least `age`."""
        before = datetime.now(UTC) - age
        return {name for name, changed_at in self._directories() if changed_at <= before}

    def delete(self, names: set[str]) -> None:
        """Delete directories, given by name."""
        for name in names:
            path = self._path(f"{self._root}/{name}")
            path.getFileSystem(self._hadoop).delete(path, True)

    def _directories(self) -> Iterator[tuple[str, datetime]]:
        root = self._path(self._root)
        files = root.getFileSystem(self._hadoop)
        if not files.exists(root):
            return
        for directory in files.listStatus(root):
            held = files.listStatus(directory.getPath())
            newest = max(status.getModificationTime() for status in (directory, *held))
            yield directory.getPath().getName(), datetime.fromtimestamp(newest / 1000, UTC)

    @property
    def _hadoop(self) -> Any:
        return self._spark._jsc.hadoopConfiguration()

    def _path(self, uri: str) -> Any:
        jvm: Any = self._spark._jvm
        return jvm.org.apache.hadoop.fs.Path(uri)
