"""Forecasts as a model answers them, and what each is made of. Which of them are on record belongs to `record`."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.models.candidates.candidate import NAMED_PARTS
from forecasting_platform.forecasting.series.arrays import Days, Floats

PARTS = ("level", *NAMED_PARTS, "recent")
"""What a forecast is made of."""


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Forecasts as arrays of one length n, in the order of the input rows.

    Attributes:
        bounds: level in percent -> (lower, upper).
        extrapolated: whether the day lies beyond the trained horizon.
        replaced: whether the candidates' forecast was not plausible and the naive one stands for it.
        lacks_exogenous: whether an exogenous value was not known, and the mean of the season stood for it.
        new_series: whether the series is new to the model, so that the known ones stand for its past.
        closed: whether no value is due on the day, and the forecast therefore is 0.
    """

    unique_id: npt.NDArray[np.object_]
    cutoff: Days
    ds: Days
    y_hat: Floats
    bounds: dict[int, tuple[Floats, Floats]]
    extrapolated: npt.NDArray[np.bool_]
    replaced: npt.NDArray[np.bool_]
    lacks_exogenous: npt.NDArray[np.bool_]
    new_series: npt.NDArray[np.bool_]
    closed: npt.NDArray[np.bool_]
    y_hat_naive: Floats
    y_hat_seasonal_naive: Floats

    def rows(self, part: slice) -> "Forecasts":
        """Some of the forecasts."""
        bounds = {level: (lower[part], upper[part]) for level, (lower, upper) in self.bounds.items()}
        return Forecasts(bounds=bounds, **{name: getattr(self, name)[part] for name in _ARRAYS})

    @classmethod
    def join(cls, parts: Sequence["Forecasts"]) -> "Forecasts":
        """The forecasts of several, one after the other; there is at least one, and all have the same levels."""

        def joined(level: int, side: int) -> Floats:
            return np.concatenate([part.bounds[level][side] for part in parts])

        bounds = {level: (joined(level, 0), joined(level, 1)) for level in parts[0].bounds}
        return cls(bounds=bounds, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS})

    def zero_where_closed(self) -> "Forecasts":
        """The same with 0, and intervals of no width, on closed days."""
        if not self.closed.any():
            return self

        def zeroed(values: Floats) -> Floats:
            return np.where(self.closed, 0.0, values)

        return replace(
            self,
            y_hat=zeroed(self.y_hat),
            bounds={level: (zeroed(lower), zeroed(upper)) for level, (lower, upper) in self.bounds.items()},
            y_hat_naive=zeroed(self.y_hat_naive),
            y_hat_seasonal_naive=zeroed(self.y_hat_seasonal_naive),
        )

    def to_frame(self) -> pd.DataFrame:
        """`unique_id`, `cutoff`, `ds`, `y_hat`, the bounds by level, and the two naive forecasts."""
        columns: dict[str, Any] = {
            "unique_id": self.unique_id,
            "cutoff": self.cutoff.astype("datetime64[ns]"),
            "ds": self.ds.astype("datetime64[ns]"),
            "y_hat": self.y_hat,
        }
        for level, (lower, upper) in self.bounds.items():
            columns |= {f"y_hat_lo_{level}": lower, f"y_hat_hi_{level}": upper}
        return pd.DataFrame(
            columns | {"y_hat_naive": self.y_hat_naive, "y_hat_seasonal_naive": self.y_hat_seasonal_naive}
        )


_ARRAYS = [field.name for field in fields(Forecasts) if field.name != "bounds"]
