"""Where models are trained.

Promises: every series of `feature_table` is in the model; the cutoff is the table's newest day; each place trains the
same bits of the same table; a table without a row, or with too few days, is an `InsufficientHistoryError`.
"""

from typing import Protocol

from forecasting_platform.forecasting.block_training import TrainedModel
from forecasting_platform.forecasting.models.recipe import Recipe


class Trainer(Protocol):
    """Trains one model of all series of `feature_table`."""

    def train(self, recipe: Recipe, *, code_version: str) -> TrainedModel:
        """The model, what control compares with, and plots.

        Args:
            code_version: what the metadata says of the code.
        """
        ...
