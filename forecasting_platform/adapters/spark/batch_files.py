"""Reads, writes and deletes the Parquet directories of one log, on a local disk or an object store.

A directory is written once and never changed. `spark.table_log` decides which directories are part of the table.
"""

import os
import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from forecasting_platform.errors import ConfigurationError

# Small enough for statistics to skip most of a file, large enough to be read in few requests.
_ROW_GROUP_ROWS = 131_072
# Spark and Hive ignore files whose name starts with an underscore.
_SUPERSEDED = "_superseded"


class BatchFiles:
    """The directories below `root`, a URI.

    Arrow reads and writes them, not Spark: a client of a Spark Connect server has no file system of its own there, and
    a Spark job for a file of rows that the client holds would take ten times as long.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._files, self._path = file_system(root)

    def new_directory(self) -> str:
        """The URI of a new, unique directory; it is not created."""
        return self.uri_of(str(uuid.uuid4()))

    def uri_of(self, name: str) -> str:
        """The URI of a directory, given by name."""
        return f"{self._root}/{name}"

    def write(self, rows: pa.Table, *, order: str) -> str:
        """Write the rows, sorted by a column, as one file in a new directory; returns its URI."""
        directory = self.new_directory()
        path = self._of(PurePosixPath(directory).name)
        self._files.create_dir(path)
        with self._files.open_output_stream(f"{path}/rows.parquet") as file:
            pq.write_table(rows.sort_by(order), file, row_group_size=_ROW_GROUP_ROWS)
        return directory

    def mark_superseded(self, directories: set[str]) -> None:
        """Write a marker file into directories, given by name, which counts as a change for `unchanged_for`."""
        for name in directories:
            self._files.open_output_stream(f"{self._of(name)}/{_SUPERSEDED}").close()

    def unchanged_for(self, age: timedelta) -> set[str]:
        """Names of the directories in which nothing was written for at least `age`."""
        before = datetime.now(UTC) - age
        changed: dict[str, list[datetime]] = defaultdict(list)
        for found in self._files.get_file_info(fs.FileSelector(self._path, recursive=True, allow_not_found=True)):
            name = PurePosixPath(found.path).relative_to(self._path).parts[0]
            # An object store knows no time of a directory.
            changed[name] += [found.mtime] if found.mtime else []
        return {name for name, moments in changed.items() if moments and max(moments) <= before}

    def delete(self, names: set[str]) -> None:
        """Delete directories, given by name."""
        for name in names:
            if self._files.get_file_info(self._of(name)).type != fs.FileType.NotFound:
                self._files.delete_dir(self._of(name))

    def _of(self, name: str) -> str:
        return f"{self._path}/{name}"


def file_system(uri: str) -> tuple[fs.FileSystem, str]:
    """Arrow's file system of a URI, and the path in it.

    An address and keys of an object store come from the environment, as with Amazon's own tools (`AWS_…`).

    Raises:
        ConfigurationError: Arrow has none of this kind.
    """
    if uri.startswith("file:"):
        return fs.LocalFileSystem(), f"/{uri.removeprefix('file:').lstrip('/')}"
    if (scheme := urlsplit(uri).scheme) in {"s3", "s3a"}:
        # Made from its URI, it would ask Amazon for the bucket's region; it does not read this variable by itself.
        endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
        server = {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme} if endpoint.netloc else {}
        return fs.S3FileSystem(**server), uri.removeprefix(f"{scheme}://")
    try:
        return fs.FileSystem.from_uri(uri)
    except (pa.ArrowException, OSError, ValueError) as error:
        problem = f"is {uri}, which Arrow cannot open: {str(error).splitlines()[0]}"
        raise ConfigurationError("FORECASTING_SPARK_WAREHOUSE_DIR", problem) from error
