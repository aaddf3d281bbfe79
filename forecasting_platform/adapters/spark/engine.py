"""Runs blocks of series as tasks of Spark, where the tables are."""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import groupby
from typing import TypeVar

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as sql

from forecasting_platform.adapters.spark.arrow_frames import by_key, from_arrow, last_of_each
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.ports.engine import BlockWork, Files, Read

T = TypeVar("T")
BLOCKS_AT_ONCE = 200
"""Blocks of one job of Spark: the driver holds their results."""
ANSWER = "block int, file string, content binary"
_ANSWER_COLUMNS = pa.schema([("block", pa.int32()), ("file", pa.string()), ("content", pa.binary())])


class SparkEngine:
    """The `Engine` port on the tables of a Spark store. Spark does a task again whose worker was killed.

    The executors need this package in the environment of PYSPARK_PYTHON.
    """

    def __init__(self, table_store: SparkTableStore) -> None:
        self._store = table_store

    def map_blocks(self, work: BlockWork[T], reads: Sequence[Read], blocks: Sequence[Sequence[str]]) -> Iterator[T]:
        """See `Engine`."""
        numbered = list(enumerate(blocks))
        for start in range(0, len(numbered), BLOCKS_AT_ONCE):
            part = numbered[start : start + BLOCKS_AT_ONCE]
            answers = self._answers(work, reads, part)
            for number, _ in part:
                # Where no series of a block has rows, there was nothing to make a task of.
                found = answers.get(number)
                yield work.decode(found) if found else work.run(number, *(read.table.empty() for read in reads))

    def _answers(
        self, work: BlockWork[T], reads: Sequence[Read], blocks: Sequence[tuple[int, Sequence[str]]]
    ) -> dict[int, Files]:
        # Spark chooses the arguments of a task by these type hints.
        def run(key: tuple[pa.Scalar, ...], rows: pa.Table) -> pa.Table:
            number = int(key[0].as_py())
            files = work.encode(work.run(number, *(_frame_of(read.table, rows[name]) for name, read in named.items())))
            return pa.table([[number] * len(files), [*files], [*files.values()]], schema=_ANSWER_COLUMNS)

        series = [(unique_id, number) for number, block in blocks for unique_id in block]
        # One shuffle for all tables: a row of each is a structure in a column of its own, NULL in rows of the others.
        named = {f"read{position}": read for position, read in enumerate(reads)}
        with self._store.translated(reads[0].table.name):
            rows = {name: self._rows(read) for name, read in named.items()}
            session = next(iter(rows.values())).sparkSession
            numbered = sql.broadcast(session.createDataFrame(series, "unique_id string, block int"))
            structures = [
                rows[name].join(numbered, "unique_id").select("block", sql.struct(*read.table.column_names).alias(name))
                for name, read in named.items()
            ]
            found = (
                reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), structures)
                .repartition(len(blocks), "block")
                .groupBy("block")
                .applyInArrow(run, ANSWER)
                .toArrow()
                .sort_by("block")
            )
        answered = zip(*(found[name].to_pylist() for name in found.column_names), strict=True)
        return {
            number: {file: content for _, file, content in files}
            for number, files in groupby(answered, key=lambda row: row[0])
        }

    def _rows(self, read: Read) -> DataFrame:
        rows = self._store.frame(read.table)
        if read.days is None:
            return rows
        first, last = (sql.lit(day.isoformat()).cast("date") for day in (read.days.start, read.days.end))
        return rows.where(sql.col(read.table.day_column).between(first, last))


def _frame_of(table: Table, structures: pa.ChunkedArray) -> pd.DataFrame:
    rows = by_key(pa.Table.from_struct_array(structures.drop_null()), table.key)
    # At the end of a compaction a row may appear twice; see `SparkTableStore`.
    return table.conform(from_arrow(table, last_of_each(rows, table.key)))
