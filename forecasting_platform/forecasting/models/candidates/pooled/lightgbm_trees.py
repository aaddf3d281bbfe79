"""LightGBM's trees over all series of a block: fitted, stored and run by LightGBM, in its own text format."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from forecasting_platform.forecasting.models.candidates.needed import needed_to_train
from forecasting_platform.forecasting.models.candidates.pooled.boosted_trees import BoostedTreesCandidate
from forecasting_platform.forecasting.models.candidates.pooled.pooled import FittedPooled
from forecasting_platform.forecasting.series.arrays import Floats

KEPT = 256
"""Documents that are kept ready; a block of a hundred series has one."""


@dataclass(frozen=True, slots=True)
class FittedLightGbm(FittedPooled):
    """The trees of each block."""

    name: ClassVar[str] = "lightgbm"
    needs: ClassVar[Mapping[str, str]] = {"lightgbm": "forecasting-platform[lightgbm]"}

    def changes(self, document: bytes, matrix: Floats) -> Floats:
        """See `FittedPooled`."""
        return np.asarray(_booster(document).predict(matrix, num_threads=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class LightGbm(BoostedTreesCandidate):
    """Gradient-boosted trees, which see what the ridge regression of each series forecasts."""

    fitted: ClassVar[type[FittedLightGbm]] = FittedLightGbm

    def learn(self, matrix: Floats, changes: Floats) -> bytes:
        """See `PooledCandidate`.

        Raises:
            ConfigurationError: LightGBM is not installed.
        """
        with needed_to_train(self.name, "forecasting-platform[lightgbm]"):
            import lightgbm

        options: dict[str, Any] = {
            "objective": "regression",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_leaf_examples,
            "lambda_l2": self.penalty,
            "feature_fraction": self.column_share,
            # The same trees each time: one thread, one order of sums.
            "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 0, "verbosity": -1,
        }  # fmt: skip
        fitted = lightgbm.train(options, lightgbm.Dataset(matrix, changes), num_boost_round=self.iterations)
        document: bytes = fitted.model_to_string().encode()
        return document


@lru_cache(maxsize=KEPT)
def _booster(document: bytes) -> Any:
    import lightgbm

    return lightgbm.Booster(model_str=document.decode())
