"""Trains on Spark: one task per block of series, where the table is.

A task returns the files of a model artifact, so nothing is unpickled on either side.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from pyspark.sql import functions as sql

from forecasting_platform.adapters.model_artifact import read_artifact, write_artifact
from forecasting_platform.adapters.spark.arrow_frames import from_arrow
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.forecasting.block_training import (
    BLOCK_SERIES,
    TrainedModel,
    days_to_train,
    join_blocks,
    series_blocks,
    train_block,
)
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE

ARTIFACT, PLOTS = "artifact", "plots"
ANSWER = "block int, file string, content binary"
_ANSWER_COLUMNS = pa.schema([("block", pa.int32()), ("file", pa.string()), ("content", pa.binary())])


class SparkTrainer:
    """The `Trainer` port on the tables of a Spark store.

    The executors need this package in the environment of PYSPARK_PYTHON.

    Args:
        block_series: number of series per task. Another number changes the last bits of the results.
    """

    def __init__(self, table_store: SparkTableStore, *, block_series: int = BLOCK_SERIES) -> None:
        self._store = table_store
        self._block_series = block_series

    def train(self, recipe: Recipe, *, code_version: str) -> TrainedModel:
        """See `Trainer`.

        Raises:
            StoreUnavailableError: Spark does not answer, or a task failed; has the task's message.
        """
        days = days_to_train(self._store.span(FEATURE_TABLE))

        # Spark chooses the arguments of a task by these type hints.
        def train_one(key: tuple[pa.Scalar, ...], rows: pa.Table) -> pa.Table:
            return _train(int(key[0].as_py()), rows, days, recipe, code_version)

        answers = self._answers(train_one)
        with tempfile.TemporaryDirectory() as scratch:
            for number, file, content in zip(
                *(answers[name].to_pylist() for name in answers.column_names), strict=True
            ):
                path = Path(scratch) / str(number) / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            folders = sorted(Path(scratch).iterdir(), key=lambda folder: int(folder.name))
            models = [read_artifact(folder / ARTIFACT) for folder in folders]
            plots = {path.name: path.read_bytes() for path in sorted((folders[0] / PLOTS).iterdir())}
        return TrainedModel(join_blocks(models), plots)

    def _answers(self, train: Callable[[tuple[pa.Scalar, ...], pa.Table], pa.Table]) -> pa.Table:
        with self._store.translated(FEATURE_TABLE.name):
            rows = self._store.frame(FEATURE_TABLE)
            unique_ids = [row.unique_id for row in rows.select("unique_id").distinct().collect()]
            blocks = [
                (unique_id, number)
                for number, block in enumerate(series_blocks(unique_ids, self._block_series))
                for unique_id in block
            ]
            numbered = rows.sparkSession.createDataFrame(blocks, "unique_id string, block int")
            trained = (
                rows.join(sql.broadcast(numbered), "unique_id")
                .repartition(max(number for _, number in blocks) + 1, "block")
                .groupBy("block")
                .applyInArrow(train, ANSWER)
            )
            return trained.toArrow()


def _train(number: int, rows: pa.Table, days: DateRange, recipe: Recipe, code_version: str) -> pa.Table:
    """Train one block; returns the files of its artifact, and the plots if it is the first block."""
    features = FEATURE_TABLE.conform(from_arrow(FEATURE_TABLE, rows))
    trained = train_block(features, days, recipe, code_version=code_version, with_plots=number == 0)
    with tempfile.TemporaryDirectory() as scratch:
        write_artifact(trained.model, Path(scratch) / ARTIFACT)
        written = [path for path in Path(scratch).rglob("*") if path.is_file()]
        files = {f"{PLOTS}/{name}": png for name, png in trained.plots.items()}
        files |= {path.relative_to(scratch).as_posix(): path.read_bytes() for path in written}
    return pa.table([[number] * len(files), [*files], [*files.values()]], schema=_ANSWER_COLUMNS)
