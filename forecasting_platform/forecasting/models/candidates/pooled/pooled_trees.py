"""Gradient-boosted trees over all series of a block: fitted with scikit-learn, stored as arrays, run by numpy.

They learn what one regression a series cannot: that a promotion counts more on a Monday, or that a closed shop sells
nothing whatever else is known. Histogram gradient boosting: Ke et al. 2017 (LightGBM).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from forecasting_platform.forecasting.models.candidates.pooled.boosted_trees import BoostedTreesCandidate
from forecasting_platform.forecasting.models.candidates.pooled.pooled import (
    FittedPooled,
    fit_in_one_thread,
)
from forecasting_platform.forecasting.models.candidates.pooled.trees import trees_from, trees_of
from forecasting_platform.forecasting.series.arrays import Floats

CHECKED_ROWS = 64
"""Rows of the training of which what is stored is compared with what scikit-learn says."""


@dataclass(frozen=True, slots=True)
class FittedPooledTrees(FittedPooled):
    """The trees of each block."""

    name: ClassVar[str] = "pooled_trees"

    def changes(self, document: bytes, matrix: Floats) -> Floats:
        """See `FittedPooled`."""
        return trees_from(document).predict(matrix)


@dataclass(frozen=True, slots=True)
class PooledTrees(BoostedTreesCandidate):
    """Gradient-boosted trees of all series of a block, which see what the ridge regression of each series forecasts."""

    fitted: ClassVar[type[FittedPooledTrees]] = FittedPooledTrees

    def learn(self, matrix: Floats, changes: Floats) -> bytes:
        """See `PooledCandidate`.

        Raises:
            RuntimeError: what is stored says something else than scikit-learn does: a version of it that stores trees
                in another way.
        """
        # Scikit-learn finds no thresholds in a column without a value; a constant one has no split either.
        valued = np.where(np.isnan(matrix).all(axis=0), 0.0, matrix)
        estimator = fit_in_one_thread(self._estimator(), valued, changes)
        trees, some = trees_of(estimator), matrix[:CHECKED_ROWS]
        if not np.allclose(trees.predict(some), estimator.predict(some), rtol=1e-6, atol=1e-9):
            import sklearn

            raise RuntimeError(f"the trees of scikit-learn {sklearn.__version__} are stored in a way that is not known")
        return trees.to_bytes()

    def _estimator(self) -> Any:
        # The app forecasts without scikit-learn.
        from sklearn.ensemble import HistGradientBoostingRegressor

        return HistGradientBoostingRegressor(
            max_iter=self.iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.min_leaf_examples,
            l2_regularization=self.penalty,
            max_features=self.column_share,
            early_stopping=False,
            random_state=0,
        )
