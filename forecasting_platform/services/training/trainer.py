"""Trains every series of `feature_table`, block by block, on an engine."""

import io
import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.block_training import (
    BLOCK_SERIES,
    TrainedModel,
    days_to_train,
    join_blocks,
    series_blocks,
    train_block,
)
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.ports.engine import BlockWork, Engine, Files, Read
from forecasting_platform.ports.table_store import TableStore

DOCUMENT, PARAMETERS, PLOTS = "document.json", "parameters.npz", "plots/"


@dataclass(frozen=True, slots=True)
class Trainer:
    """Trains one model of all series of a store's `feature_table`.

    Attributes:
        block_series: series that are trained together; another number gives other last bits.
    """

    store: TableStore
    engine: Engine
    block_series: int = BLOCK_SERIES

    def train(self, recipe: Recipe, *, code_version: str) -> TrainedModel:
        """The model of every series, its cutoff the table's newest day, and plots of the first series.

        The same table gives the same bits on every engine.

        Args:
            code_version: what the metadata says of the code.

        Raises:
            InsufficientHistoryError: no rows, or too few days.
            StoreUnavailableError, UnavailableError: see `Engine`.
        """
        days = days_to_train(self.store.span(FEATURE_TABLE))
        names = self.store.read_newest(FEATURE_TABLE.only())["unique_id"]
        run = partial(_train, days=days, recipe=recipe, code_version=code_version)
        work = BlockWork(run, files_of, trained_from)
        blocks = series_blocks(names, self.block_series)
        trained = list(self.engine.map_blocks(work, [Read(FEATURE_TABLE, days)], blocks))
        return TrainedModel(join_blocks([block.model for block in trained]), trained[0].plots)


def _train(number: int, rows: pd.DataFrame, *, days: DateRange, recipe: Recipe, code_version: str) -> TrainedModel:
    return train_block(rows, days, recipe, code_version=code_version, with_plots=number == 0)


def files_of(trained: TrainedModel) -> Files:
    """A trained block as files: its numbers, all else as JSON, and the plots."""
    numbers = io.BytesIO()
    arrays: dict[str, Any] = arrays_of(trained.model)
    np.savez(numbers, **arrays)
    document = json.dumps(document_of(trained.model), allow_nan=False).encode()
    plots = {f"{PLOTS}{name}": png for name, png in trained.plots.items()}
    return {DOCUMENT: document, PARAMETERS: numbers.getvalue(), **plots}


def trained_from(files: Files) -> TrainedModel:
    """The trained block of `files_of`."""
    with np.load(io.BytesIO(files[PARAMETERS]), allow_pickle=False) as stored:
        model = model_from({name: stored[name] for name in stored.files}, json.loads(files[DOCUMENT]))
    return TrainedModel(model, {name.removeprefix(PLOTS): png for name, png in files.items() if name.startswith(PLOTS)})
