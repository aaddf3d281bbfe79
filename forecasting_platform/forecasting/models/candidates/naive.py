"""The naive forecast: the simplest candidate, and the one that every other is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from forecasting_platform.forecasting.models.candidates.candidate import Candidate, FittedCandidate, Positions, Task
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform.forecasting.series.features.panel import Panel


@dataclass(frozen=True, slots=True)
class FittedNaive(FittedCandidate):
    """The value of the cutoff day, for every day ahead (Hyndman & Athanasopoulos, FPP3, 5.2)."""

    name: ClassVar[str] = "naive"

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """`y` of the cutoff day; shape (n,)."""
        return inputs.column("y")

    def predict_block(self, block: InputBlock) -> Floats:
        """`y` of each cutoff, at every step."""
        return np.repeat(block.features[:, :, :1], block.shape[2], axis=2)

    @classmethod
    def fits_for_few_days(cls) -> Sequence[Self]:
        """It needs one day."""
        return (cls(),)


@dataclass(frozen=True, slots=True)
class Naive(Candidate):
    """The naive forecast, which has nothing to fit."""

    fitted: ClassVar[type[FittedCandidate]] = FittedNaive

    def fit(self, panel: Panel, task: Task) -> FittedNaive:
        """See `Candidate`."""
        return FittedNaive()
