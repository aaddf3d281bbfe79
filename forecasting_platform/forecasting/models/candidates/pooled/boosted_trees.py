"""The options that candidates of gradient-boosted trees share, whatever library fits them. No fitting."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from forecasting_platform.forecasting.models.candidates.pooled.pooled import PooledCandidate


@dataclass(frozen=True, slots=True)
class BoostedTreesCandidate(PooledCandidate):
    """Gradient-boosted trees over all series of a block.

    Attributes:
        iterations: how many trees.
        learning_rate: how much of what is left each of them takes.
        leaves: of a tree.
        min_leaf_examples: examples that a leaf stands for at least.
        penalty: on the squares of what leaves add.
        column_share: the share of the columns that each tree of LightGBM, or split of scikit-learn, chooses from.
    """

    prior_weight: float = 1.8
    iterations: Annotated[int, Field(ge=1, le=2000)] = 100
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.12
    leaves: Annotated[int, Field(ge=2, le=1024)] = 31
    min_leaf_examples: Annotated[int, Field(ge=1)] = 40
    penalty: Annotated[float, Field(ge=0)] = 10.0
    column_share: Annotated[float, Field(gt=0, le=1)] = 0.3
