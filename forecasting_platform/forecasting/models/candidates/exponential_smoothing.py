"""Simple exponential smoothing of weekday-adjusted values. The smoothed levels are features: `series.features`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from forecasting_platform.forecasting.models.candidates.candidate import (
    EFFECTS,
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
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES, LEVEL_SMOOTHINGS, level_column

LEVELS = tuple(level_column(alpha) for alpha in LEVEL_SMOOTHINGS)
_LEVEL_FEATURES = [FEATURE_NAMES.index(name) for name in LEVELS]
DEFAULT_SMOOTHING = LEVEL_SMOOTHINGS.index(0.2)
MIN_SMOOTHED_DAYS = 30


@dataclass(frozen=True, slots=True)
class FittedExponentialSmoothing(FittedCandidate):
    """The level of the cutoff day, with or without the weekday's effect (FPP3, 8.1).

    Attributes:
        smoothing: position in `LEVEL_SMOOTHINGS` of each series' alpha; shape (S,).
        weekday_weight: how much of the weekday effect is added back, 0 or 1; shape (S,).
    """

    name: ClassVar[str] = "exponential_smoothing"
    smoothing: Positions
    weekday_weight: Floats

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The level of the cutoff day, with the weekday's effect; shape (n,)."""
        level = inputs.columns(LEVELS)[np.arange(len(inputs)), self.smoothing[series]]
        forecasts: Floats = level + self.weekday_weight[series] * weekday_effects(inputs)
        return forecasts

    def predict_block(self, block: InputBlock) -> Floats:
        """The level of each cutoff, with the weekdays' effects."""
        level = block.features[np.arange(len(block.features)), :, np.array(_LEVEL_FEATURES)[self.smoothing]]
        return level[:, :, None] + self.weekday_weight[:, None, None] * _effects_ahead(block.features, block.shape[2])

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The weekday's effect, where it is added."""
        return named_parts(inputs, weekly=self.weekday_weight[series] * weekday_effects(inputs))

    @classmethod
    def fits_for_few_days(cls) -> Sequence[Self]:
        """Each smoothing, without the weekday and with it."""
        return [
            cls(np.array([smoothing]), np.array([weekday_weight]))
            for smoothing in range(len(LEVEL_SMOOTHINGS))
            for weekday_weight in (0.0, 1.0)
        ]

    def unfitted(self, count: int) -> Self:
        """The default smoothing, without the weekday."""
        return type(self)(np.full(count, DEFAULT_SMOOTHING), np.zeros(count))


@dataclass(frozen=True, slots=True)
class ExponentialSmoothing(Candidate):
    """The smoothing, with or without the weekday, of the least errors over all steps: squared, or as the loss has it.

    Attributes:
        smoothing_days: the newest days whose forecasts are compared.
        stride: each so manieth of them is a cutoff: neighbours share all but one of their days.
    """

    fitted: ClassVar[type[FittedCandidate]] = FittedExponentialSmoothing
    prior_weight: float = 0.1
    smoothing_days: Annotated[int, Field(ge=1)] = 730
    stride: Annotated[int, Field(ge=1)] = 3

    def fit(self, panel: Panel, task: Task) -> FittedExponentialSmoothing:
        """See `Candidate`; a series of fewer than `MIN_SMOOTHED_DAYS` has the default smoothing."""
        known = panel.newest_days(self.smoothing_days)
        cutoffs = known.days[:: -self.stride]
        features, ahead = known.at(cutoffs), known.actuals(cutoffs, task.horizon)
        levels = features[:, :, _LEVEL_FEATURES]
        # To forecast level + effect is to forecast the level of what is left without the effect.
        adjusted = ahead - _effects_ahead(features, task.horizon)
        measure = _squared_errors if task.loss == "squared" else _absolute_errors
        errors = np.stack([measure(levels, targets) for targets in (ahead, adjusted)], axis=1)
        best = np.argmin(errors.reshape(len(errors), -1), axis=1)
        # The position in the flattened (weekday, smoothing) grid, taken apart again.
        weekday_weight, smoothing = np.divmod(best, len(LEVEL_SMOOTHINGS))
        # Without an error, as of a constant series, all are the same and the first would win.
        unsure = (known.observed.sum(axis=1) < MIN_SMOOTHED_DAYS) | ~(errors.max(axis=(1, 2)) > 0)
        smoothing = np.where(unsure, DEFAULT_SMOOTHING, smoothing)
        return FittedExponentialSmoothing(smoothing, np.where(unsure, 0.0, weekday_weight))


def _effects_ahead(features: Floats, horizon: int) -> Floats:
    """The weekday effect of each day ahead; shape (S, C, horizon)."""
    return features[:, :, [FEATURE_NAMES.index(EFFECTS[step % 7]) for step in range(horizon)]]


def _squared_errors(levels: Floats, targets: Floats) -> Floats:
    """Summed over cutoffs and steps; shape (S, smoothings).

    Written out as Σ(target - level)² = Σtarget² - 2 level Σtarget + n level², so that a level meets the
    sum of its steps and not each.
    """
    # Relative to the level that reacts most, which keeps the squares from cancelling each other.
    targets = targets - levels[:, :, -1:]
    known = np.isfinite(targets)
    count, found = known.sum(axis=2), np.where(known, targets, 0.0)
    offsets = np.where(count[:, :, None] > 0, levels - levels[:, :, -1:], 0.0)
    total = found.sum(axis=2)[:, :, None]
    errors: Floats = (np.square(offsets) * count[:, :, None] - 2 * offsets * total).sum(axis=1)
    return errors + np.square(found).sum(axis=(1, 2))[:, None]


def _absolute_errors(levels: Floats, targets: Floats) -> Floats:
    """Summed over cutoffs and steps; shape (S, smoothings)."""
    each = [np.nansum(np.abs(targets - level[:, :, None]), axis=(1, 2)) for level in np.moveaxis(levels, -1, 0)]
    return np.column_stack(each)
