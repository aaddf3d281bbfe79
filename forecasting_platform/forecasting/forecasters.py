"""The candidates: each forecasts from input rows alone, with parameters fitted for every series at once.

Fitting belongs to `fitting`, which needs statsmodels and scikit-learn; forecasting needs numpy only.
Every fitted forecaster is arrays with the series as first axis: that is what a model artifact holds.
"""

from dataclasses import dataclass, fields
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.calendar import Floats
from forecasting_platform.forecasting.frames import LAGS, LEVEL_SMOOTHINGS, MEAN_WINDOWS, level_column
from forecasting_platform.forecasting.inputs import ModelInputs

Positions = npt.NDArray[np.int64]

LEVEL = "mean_28"
"""The level that a forecast is explained from: the mean of the last four weeks."""

NAMED_PARTS = ("trend", "weekly", "yearly", "holiday")
"""What may lie between that level and a forecast; the rest is owed to the newest days."""


class FittedForecaster(Protocol):
    """A candidate with its parameters."""

    name: ClassVar[str]

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """Point forecasts; shape (n,).

        Args:
            inputs: n input rows.
            series: each row's position on the first axis of the parameters; shape (n,).
        """
        ...

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """What the forecast adds to the level for reasons that have a name; shape (n, len(NAMED_PARTS))."""
        ...


@dataclass(frozen=True, slots=True)
class Naive:
    """The value of the cutoff day, for every day ahead (Hyndman & Athanasopoulos, FPP3, 5.2)."""

    name: ClassVar[str] = "naive"

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """`y` of the cutoff day; shape (n,)."""
        return inputs.column("y")

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """None: it is the newest day's value."""
        return _named(inputs)


@dataclass(frozen=True, slots=True)
class SeasonalNaive:
    """The newest known value of the same weekday (FPP3, 5.2)."""

    name: ClassVar[str] = "seasonal_naive"

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The value a whole number of weeks before the day; shape (n,)."""
        week = inputs.columns(["y", *(f"lag_{lag}" for lag in LAGS[:6])])
        days_back = 6 - (inputs.step - 1) % 7
        forecasts: Floats = week[np.arange(len(inputs)), days_back]
        return forecasts

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The weekday's effect."""
        return _named(inputs, weekly=_weekday_effects(inputs))


def _named(inputs: ModelInputs, **parts: Floats) -> Floats:
    return np.column_stack([parts.get(name, np.zeros(len(inputs))) for name in NAMED_PARTS])


def _weekday_effects(inputs: ModelInputs) -> Floats:
    effects = inputs.columns([f"weekday_effect_{ahead}" for ahead in range(1, 8)])
    effect: Floats = effects[np.arange(len(inputs)), (inputs.step - 1) % 7]
    return effect


@dataclass(frozen=True, slots=True)
class ExponentialSmoothing:
    """Simple exponential smoothing of weekday-adjusted values (FPP3, 8.1).

    Attributes:
        smoothing: position in `LEVEL_SMOOTHINGS` of each series' alpha; shape (S,).
        weekday_weight: how much of the weekday effect is added back, 0 or 1; shape (S,).
    """

    name: ClassVar[str] = "exponential_smoothing"
    smoothing: Positions
    weekday_weight: Floats

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The level of the cutoff day, with the weekday's effect; shape (n,)."""
        levels = inputs.columns([level_column(alpha) for alpha in LEVEL_SMOOTHINGS])
        level = levels[np.arange(len(inputs)), self.smoothing[series]]
        forecasts: Floats = level + self.weekday_weight[series] * _weekday_effects(inputs)
        return forecasts

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The weekday's effect, where it is added."""
        return _named(inputs, weekly=self.weekday_weight[series] * _weekday_effects(inputs))


RELATIVE_NAMES: tuple[str, ...] = (*(f"lag_{lag}" for lag in LAGS), *(f"mean_{days}" for days in MEAN_WINDOWS))
CALENDAR_REGRESSORS: tuple[str, ...] = (
    "is_holiday",
    "is_year_end",
    "target_is_holiday",
    "target_is_year_end",
    *(f"target_yearly_{wave}_{pair}" for pair in (1, 2, 3) for wave in ("sin", "cos")),
)
_CALENDAR = len(RELATIVE_NAMES)
_FLAGS = [_CALENDAR + i for i, name in enumerate(CALENDAR_REGRESSORS) if "yearly" not in name]
_WAVES = [_CALENDAR + i for i, name in enumerate(CALENDAR_REGRESSORS) if "yearly" in name]
_WEEKDAYS = slice(_CALENDAR + len(CALENDAR_REGRESSORS), None)
_LONG_MEANS = [RELATIVE_NAMES.index(name) for name in ("mean_91", "mean_364")]


def regressors(inputs: ModelInputs) -> Floats:
    """What the direct regression sees of an input row; shape (n, 29).

    Lags and trailing means relative to the cutoff day's value, calendar flags and waves, and the
    weekday of the day to forecast as seven flags.
    """
    relative = inputs.columns(RELATIVE_NAMES) - inputs.column("y")[:, None]
    weekdays = inputs.column("target_weekday")[:, None] == np.arange(7)
    return np.hstack([relative, inputs.columns(CALENDAR_REGRESSORS), weekdays.astype(np.float64)])


def trained_step(step: Positions, horizon: int) -> Positions:
    """The trained step that answers a step: itself, and beyond the horizon the same weekday of its last week.

    >>> trained_step(np.array([1, 15, 16, 22, 23]), 15).tolist()
    [1, 15, 9, 15, 9]
    >>> trained_step(np.array([1, 2, 3, 4]), 2).tolist()
    [1, 2, 1, 2]
    """
    period = min(7, horizon)
    return np.where(step <= horizon, step, horizon - period + 1 + (step - horizon - 1) % period)


@dataclass(frozen=True, slots=True)
class DirectRidge:
    """One ridge regression a step, of the change since the cutoff day (direct strategy: Taieb et al. 2012,
    doi:10.1016/j.eswa.2012.01.039).

    Attributes:
        intercept: shape (S, horizon).
        coefficients: of `regressors`, on their own scale; shape (S, horizon, 29).
    """

    name: ClassVar[str] = "direct_ridge"
    intercept: Floats
    coefficients: Floats

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The cutoff day's value and the regressed change; shape (n,)."""
        step = trained_step(inputs.step, self.intercept.shape[1]) - 1
        change = np.einsum("np,np->n", regressors(inputs), self.coefficients[series, step])
        forecasts: Floats = inputs.column("y") + self.intercept[series, step] + change
        return forecasts

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The coefficients' shares; the trend is the drift and the way back to the means of 91 and 364 days."""
        step = trained_step(inputs.step, self.intercept.shape[1]) - 1
        coefficients = self.coefficients[series, step]
        shares = regressors(inputs) * coefficients
        weekday_mean = coefficients[:, _WEEKDAYS].mean(axis=1)
        away = inputs.columns(["mean_91", "mean_364"]) - inputs.column(LEVEL)[:, None]
        return _named(
            inputs,
            trend=self.intercept[series, step] + weekday_mean + (away * coefficients[:, _LONG_MEANS]).sum(axis=1),
            weekly=shares[:, _WEEKDAYS].sum(axis=1) - weekday_mean,
            yearly=shares[:, _WAVES].sum(axis=1),
            holiday=shares[:, _FLAGS].sum(axis=1),
        )


FORECASTERS: dict[str, type[FittedForecaster]] = {
    forecaster.name: forecaster for forecaster in (Naive, SeasonalNaive, ExponentialSmoothing, DirectRidge)
}


def forecaster_arrays(forecaster: FittedForecaster) -> dict[str, npt.NDArray[np.generic]]:
    """A forecaster's parameters by name."""
    return {field.name: getattr(forecaster, field.name) for field in fields(forecaster)}  # type: ignore[arg-type] # each is a dataclass
