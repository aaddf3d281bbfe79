"""The seasonal naive forecast: repeats the last week."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from forecasting_platform.forecasting.models.candidates.candidate import (
    Candidate,
    FittedCandidate,
    Positions,
    Task,
    named_parts,
    weekday_effects,
)
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform.forecasting.series.features.panel import Panel
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES, LAGS

LAST_WEEK = ("y", *(f"lag_{lag}" for lag in LAGS[:6]))
"""The columns of the newest seven days, the cutoff day first."""


@dataclass(frozen=True, slots=True)
class FittedSeasonalNaive(FittedCandidate):
    """The newest known value of the same weekday (FPP3, 5.2)."""

    name: ClassVar[str] = "seasonal_naive"

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The value a whole number of weeks before the day; shape (n,)."""
        days_back = 6 - (inputs.step - 1) % 7
        forecasts: Floats = inputs.columns(LAST_WEEK)[np.arange(len(inputs)), days_back]
        return forecasts

    def predict_block(self, block: InputBlock) -> Floats:
        """The value a whole number of weeks before each day."""
        return block.features[:, :, [FEATURE_NAMES.index(LAST_WEEK[6 - step % 7]) for step in range(block.shape[2])]]

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The weekday's effect."""
        return named_parts(inputs, weekly=weekday_effects(inputs))

    @classmethod
    def fits_for_few_days(cls) -> Sequence[Self]:
        """In the first week a lag that was not observed is the mean of the days that were."""
        return (cls(),)


@dataclass(frozen=True, slots=True)
class SeasonalNaive(Candidate):
    """The seasonal naive forecast, which has nothing to fit."""

    fitted: ClassVar[type[FittedCandidate]] = FittedSeasonalNaive

    def fit(self, panel: Panel, task: Task) -> FittedSeasonalNaive:
        """See `Candidate`."""
        return FittedSeasonalNaive()
