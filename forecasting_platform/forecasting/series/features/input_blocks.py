"""The input rows of whole blocks of series, cutoffs and steps; what they share is held once. A row alone: `inputs`."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.features.inputs import ModelInputs, input_values


@dataclass(frozen=True, slots=True)
class InputBlock:
    """The input rows of S series at C cutoffs for every step of a horizon, without repeating what they share.

    Attributes:
        cutoffs: shape (C,).
        features: `FEATURE_NAMES` at each cutoff, then `exogenous`; shape (S, C, F + E), NaN where a cutoff has no row.
        calendar: `CALENDAR_NAMES` of the days ahead of each cutoff; shape (C, horizon, N).
        exogenous: names of the E exogenous columns.
        history: the values of the days up to each cutoff, the oldest first; shape (S, C, W), NaN where there was none.
    """

    cutoffs: Days
    features: Floats
    calendar: Floats
    exogenous: tuple[str, ...] = ()
    history: Floats = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        if self.history.ndim < len(self.features.shape):
            object.__setattr__(self, "history", np.empty((*self.features.shape[:2], 0)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Series, cutoffs, horizon."""
        return (*self.features.shape[:2], self.calendar.shape[1])

    def rows(self, step: int) -> tuple[ModelInputs, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The input rows of one step, and each row's series and cutoff as positions.

        Args:
            step: position on the last axis, from 0.
        """
        series, cutoff = np.nonzero(np.isfinite(self.features[:, :, 0]))
        days = self.cutoffs[cutoff]
        values = input_values(self.features[series, cutoff], self.calendar[cutoff, step])
        # Nobody looks at the names: whose row it is, its position says.
        names = np.full(len(series), "", dtype=object)
        inputs = ModelInputs(names, days, days + step + 1, values, self.exogenous, self.history[series, cutoff])
        return inputs, series, cutoff
