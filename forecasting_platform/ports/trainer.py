"""Trains models.

Promises: the model has every series of `feature_table`; its cutoff is the table's newest day; all trainers return the
same bits for the same table; a table without rows, or with too few days, raises `InsufficientHistoryError`.
"""

from typing import Protocol

from forecasting_platform.forecasting.block_training import TrainedModel
from forecasting_platform.forecasting.models.recipes.recipe import Recipe


class Trainer(Protocol):
    """Trains one model of all series of `feature_table`."""

    def train(self, recipe: Recipe, *, code_version: str) -> TrainedModel:
        """The model, what control compares with, and plots.

        Args:
            code_version: what the metadata says of the code.
        """
        ...
