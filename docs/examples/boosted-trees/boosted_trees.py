"""Gradient-boosted trees over all series: an estimator of scikit-learn as a candidate of the forecasting platform."""

from dataclasses import dataclass
from typing import Any, ClassVar

from forecasting_platform.candidates import FittedOnnx, OnnxCandidate


@dataclass(frozen=True, slots=True)
class FittedBoostedTrees(FittedOnnx):
    """What a model keeps and the app runs, by onnxruntime alone."""

    name: ClassVar[str] = "boosted_trees"


@dataclass(frozen=True, slots=True)
class BoostedTrees(OnnxCandidate):
    """Its options are keys of a recipe file."""

    fitted: ClassVar[type[FittedBoostedTrees]] = FittedBoostedTrees
    prior_weight: float = 0.5
    iterations: int = 100

    def estimator(self) -> Any:
        """A new estimator; imported here, since the app has no scikit-learn."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        return HistGradientBoostingRegressor(max_iter=self.iterations, random_state=0)
