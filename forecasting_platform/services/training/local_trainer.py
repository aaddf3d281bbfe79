"""Trains in this process, block by block of series, so that memory holds one block's history."""

import logging

from forecasting_platform.forecasting.block_training import (
    BLOCK_SERIES,
    TrainedModel,
    days_to_train,
    join_blocks,
    series_blocks,
    train_block,
)
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.ports.table_store import TableStore

log = logging.getLogger(__name__)


class LocalTrainer:
    """The `Trainer` port on any table store.

    Args:
        block_series: series that are trained together; another number gives other last bits.
    """

    def __init__(self, table_store: TableStore, *, block_series: int = BLOCK_SERIES) -> None:
        self._store = table_store
        self._block_series = block_series

    def train(self, recipe: Recipe, *, code_version: str) -> TrainedModel:
        """See `Trainer`."""
        days = days_to_train(self._store.span(FEATURE_TABLE))
        blocks = series_blocks(self._store.read_newest(FEATURE_TABLE)["unique_id"], self._block_series)
        trained = []
        for number, unique_ids in enumerate(blocks, start=1):
            features = self._store.read(FEATURE_TABLE, days, unique_ids=unique_ids)
            trained.append(train_block(features, days, recipe, code_version=code_version, with_plots=number == 1))
            log.info("trained block %d of %d: %d series", number, len(blocks), len(unique_ids))
        return TrainedModel(join_blocks([block.model for block in trained]), trained[0].plots)
