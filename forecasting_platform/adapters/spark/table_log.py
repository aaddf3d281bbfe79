"""Commits batches to a log with optimistic concurrency, and reads a consistent set of batches.

A batch is a directory of Parquet files (`spark.batch_files`). One `ALTER TABLE … ADD PARTITION` adds it to the table.
The metastore refuses a partition that exists, which makes the batch number a compare-and-set: a writer that has read
the log up to batch n commits batch n + 1, or reads again and retries. The number is the *only* partition column:
with a second one, two writers could both add batch n + 1.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import groupby
from pathlib import PurePosixPath
from typing import TypeVar

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql

from forecasting_platform.adapters.spark.batch_files import BatchFiles
from forecasting_platform.adapters.spark.errors import SPARK_ERRORS
from forecasting_platform.adapters.spark.schema import Log
from forecasting_platform.errors import StoreUnavailableError
from forecasting_platform.forecasting.series.days.date_range import DateRange

_T = TypeVar("_T")

_ATTEMPTS = 50


class TableLog:
    """One log in a database of the metastore.

    Args:
        root: URI of the directory that holds the log's directories.
    """

    def __init__(self, spark: SparkSession, database: str, log: Log, root: str) -> None:
        self.log = log
        self._spark = spark
        self._name = f"`{database}`.`{log.name}`"
        self._files = BatchFiles(root)

    def batches(self) -> set[int]:
        """Numbers of the batches in the table."""
        found = self._spark.sql(f"SHOW PARTITIONS {self._name}").collect()
        return {int(row[0].removeprefix("batch=")) for row in found}

    def scan(self, period: DateRange | None = None) -> DataFrame:
        """The rows of the period's days in all present batches: the columns of the log, and `batch`."""
        rows = self._spark.table(self._name)
        if period is None:
            return rows
        first, last = (sql.lit(day.isoformat()).cast("date") for day in (period.start, period.end))
        return rows.where(sql.col(self.log.day_column).between(first, last))

    def commit(self, plan: Callable[[], tuple[pa.Table, _T]]) -> _T:
        """Commit the rows that `plan` computes from the log, isolated from other writers.

        Args:
            plan: reads the log; returns the rows to add (no rows, no batch) and a result. Called again after another
                writer committed first.

        Returns:
            The result of `plan`.

        Raises:
            StoreUnavailableError: other writers committed first too often.
        """
        for _ in range(_ATTEMPTS):
            seen = max(self.batches(), default=0)
            rows, result = plan()
            if not rows.num_rows or self._add(seen + 1, self._files.write(rows, order=self.log.day_column)):
                return result
        raise StoreUnavailableError(self._name, f"other writers committed first {_ATTEMPTS} times")

    def read_days(self, period: DateRange | None, query: Callable[[DataFrame], DataFrame]) -> pa.Table:
        """Run `query` on a consistent version of the days' rows. Only for a log that `replaces_days`.

        Looks up the needed batches first. If a compaction removes one of them before its rows are read, it starts
        again.
        """
        for _ in range(_ATTEMPTS):
            committed = self.batches()
            rows, needed = self._rows_of(committed, period)
            found = query(rows).toArrow()
            if needed <= self.batches():
                return found
        raise StoreUnavailableError(self._name, f"was compacted {_ATTEMPTS} times during one read")

    def _rows_of(self, committed: set[int], period: DateRange | None) -> tuple[DataFrame, set[int]]:
        """The current rows of a log that `replaces_days`, and the batches that contain them."""
        if len(committed) < 2:
            return self._of_batches(committed, period), committed
        day = self.log.day_column
        found = self._newest_batches(self.scan(period)).toArrow()
        newest = sorted(zip(found[day].to_pylist(), found["batch"].to_pylist(), strict=True))
        runs = [(batch, [moment for moment, _ in run]) for batch, run in groupby(newest, key=lambda row: row[1])]
        if not runs:
            return self._of_batches(set(), period), set()
        # Runs of days, not a join with them: a scan skips what it need not read, and no second table is distributed.
        wanted = [f"batch = {batch:d} AND `{day}` BETWEEN DATE'{days[0]}' AND DATE'{days[-1]}'" for batch, days in runs]
        return self.scan(period).where(" OR ".join(wanted)), {batch for batch, _ in runs}

    def _of_batches(self, batches: set[int], period: DateRange | None) -> DataFrame:
        return self.scan(period).where(sql.col("batch").isin(batches))

    def compact(self) -> None:
        """Merge all batches into one with a Spark job, while readers and writers continue.

        The merged batch is committed before the others are removed. Until then the table's content is the same with
        it, so a compaction that dies half-way has changed nothing. Directories stay until `clean_up`.
        """
        for _ in range(_ATTEMPTS):
            merged = self.batches()
            if len(merged) < 2:
                return
            superseded = self._directories()
            directory = self._files.new_directory()
            day = self.log.day_column
            self._live().repartitionByRange(day).sortWithinPartitions(day).write.parquet(directory)
            if self._add(max(merged) + 1, directory):
                # Before they are dropped, so that `clean_up` counts their age from now: readers may still be at their
                # files.
                self._files.mark_superseded(superseded)
                self._drop(merged)
                return
        raise StoreUnavailableError(self._name, f"other writers committed during each of {_ATTEMPTS} compactions")

    def clean_up(self, age: timedelta) -> int:
        """Delete directories that belong to no batch and have not changed for `age`; returns their number.

        Compactions leave them, and writers that died. A writer or reader that takes longer than `age` would lose its
        files, and fail.
        """
        # In this order: a directory that is committed in between is found among the batches.
        old = self._files.unchanged_for(age)
        unused = old - self._directories()
        self._files.delete(unused)
        return len(unused)

    def directory_of_each(self) -> dict[int, str]:
        """The name of each batch's directory, of all batches that there are at one moment."""
        for _ in range(_ATTEMPTS):
            found = {batch: self._directory_of(batch) for batch in self.batches()}
            present = {batch: name for batch, name in found.items() if name is not None}
            # A compaction may have removed one since they were listed.
            if len(present) == len(found):
                return present
        raise StoreUnavailableError(self._name, f"was compacted {_ATTEMPTS} times while its batches were listed")

    def adopt(self, directories: Mapping[int, str]) -> None:
        """Add directories of this log, by name, as batches; those that are there stay."""
        for batch, name in sorted(directories.items()):
            self._spark.sql(
                f"ALTER TABLE {self._name} ADD IF NOT EXISTS PARTITION (batch = {batch:d}) LOCATION :directory",
                args={"directory": self._files.uri_of(name)},
            )

    def _drop(self, batches: set[int]) -> None:
        listed = ", ".join(f"PARTITION (batch = {batch:d})" for batch in sorted(batches))
        self._spark.sql(f"ALTER TABLE {self._name} DROP IF EXISTS {listed}")

    def _live(self) -> DataFrame:
        """The current rows, including the rows without series that mark empty days."""
        columns = [column.name for column in self.log.columns]
        if not self.log.replaces_days:
            return self.scan().select(columns).distinct()
        return self.scan().join(self._newest_batches(self.scan()), [self.log.day_column, "batch"]).select(columns)

    def _newest_batches(self, rows: DataFrame) -> DataFrame:
        """The newest batch of each day: the day column and `batch`."""
        return rows.groupBy(self.log.day_column).agg(sql.max("batch").alias("batch"))

    def _directories(self) -> set[str]:
        """Names of the directories of all batches."""
        return {PurePosixPath(file).parent.name for file in self.scan().inputFiles()}

    def _add(self, batch: int, directory: str) -> bool:
        """Commit a directory as this batch. If another writer has the number, delete it and return False."""
        try:
            self._spark.sql(
                f"ALTER TABLE {self._name} ADD PARTITION (batch = {batch:d}) LOCATION :directory",
                args={"directory": directory},
            )
        except SPARK_ERRORS:
            # The commit may have succeeded although the answer was lost, so the metastore is asked whose batch it is.
            holder = self._directory_of(batch)
            if holder is None:
                raise
            if holder != PurePosixPath(directory).name:
                self._files.delete({PurePosixPath(directory).name})
                return False
        return True

    def _directory_of(self, batch: int) -> str | None:
        try:
            described = self._spark.sql(f"DESCRIBE FORMATTED {self._name} PARTITION (batch = {batch:d})").collect()
        except AnalysisException as error:
            if error.getCondition() == "PARTITIONS_NOT_FOUND":
                return None
            raise
        # The output lists the partition's location before the table's.
        return PurePosixPath(next(row.data_type for row in described if row.col_name == "Location")).name
