"""Runs blocks of series as tasks of Spark, where the tables are."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

import pyarrow as pa
from pyspark.sql import functions as sql

from forecasting_platform.adapters.spark.arrow_frames import by_key, from_arrow
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.ports.engine import BlockWork, Files

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

    def map_blocks(
        self, work: BlockWork[T], table: Table, days: DateRange | None, blocks: Sequence[Sequence[str]]
    ) -> Iterator[T]:
        """See `Engine`."""
        numbered = list(enumerate(blocks))
        for start in range(0, len(numbered), BLOCKS_AT_ONCE):
            part = numbered[start : start + BLOCKS_AT_ONCE]
            answers = self._answers(work, table, days, part)
            for number, _ in part:
                # Where no series of a block has rows, there was nothing to make a task of.
                yield work.decode(answers[number]) if number in answers else work.run(number, table.empty())

    def _answers(
        self, work: BlockWork[T], table: Table, days: DateRange | None, blocks: Sequence[tuple[int, Sequence[str]]]
    ) -> dict[int, Files]:
        # Spark chooses the arguments of a task by these type hints.
        def run(key: tuple[pa.Scalar, ...], rows: pa.Table) -> pa.Table:
            number = int(key[0].as_py())
            ordered = table.conform(from_arrow(table, by_key(rows, table.key)))
            files = work.encode(work.run(number, ordered))
            return pa.table([[number] * len(files), [*files], [*files.values()]], schema=_ANSWER_COLUMNS)

        series = [(unique_id, number) for number, block in blocks for unique_id in block]
        with self._store.translated(table.name):
            rows = self._store.frame(table)
            if days is not None:
                first, last = (sql.lit(day.isoformat()).cast("date") for day in (days.start, days.end))
                rows = rows.where(sql.col(table.day_column).between(first, last))
            numbered = rows.sparkSession.createDataFrame(series, "unique_id string, block int")
            found = (
                rows.join(sql.broadcast(numbered), "unique_id")
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
