"""The candidates: each forecasts from input rows alone, with parameters fitted for every series at once.

Fitting belongs to `fitting`.
Every fitted forecaster is arrays with the series as first axis: that is what a model artifact holds.
"""

from dataclasses import dataclass, field, fields
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.calendar import YEARLY_PAIRS, yearly_waves
from forecasting_platform.forecasting.series.frames import (
    FEATURE_NAMES,
    LAGS,
    LEVEL_SMOOTHINGS,
    MEAN_WINDOWS,
    level_column,
)
from forecasting_platform.forecasting.series.inputs import TARGET_NAMES, ModelInputs

Positions = npt.NDArray[np.int64]

LEVEL = "mean_28"
"""The level that a forecast is explained from: the mean of the last four weeks."""

NAMED_PARTS = ("trend", "weekly", "yearly", "holiday", "exogenous")
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

    def predict_block(self, features: Floats, calendar: Floats) -> Floats:
        """The same forecasts for every series, cutoff and step at once; shape (S, C, horizon).

        Args:
            features: `FEATURE_NAMES` at C cutoffs, then the exogenous columns that it was fitted on; shape
                (S, C, F + E), NaN where a cutoff has no row.
            calendar: `CALENDAR_NAMES` of the days ahead of each cutoff; shape (C, horizon, N).
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

    def predict_block(self, features: Floats, calendar: Floats) -> Floats:
        """`y` of each cutoff, at every step."""
        return np.repeat(features[:, :, :1], calendar.shape[1], axis=2)

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """None: it is the newest day's value."""
        return _named(inputs)


@dataclass(frozen=True, slots=True)
class SeasonalNaive:
    """The newest known value of the same weekday (FPP3, 5.2)."""

    name: ClassVar[str] = "seasonal_naive"

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The value a whole number of weeks before the day; shape (n,)."""
        days_back = 6 - (inputs.step - 1) % 7
        forecasts: Floats = inputs.columns(LAST_WEEK)[np.arange(len(inputs)), days_back]
        return forecasts

    def predict_block(self, features: Floats, calendar: Floats) -> Floats:
        """The value a whole number of weeks before each day."""
        return features[:, :, [_FEATURE[LAST_WEEK[6 - step % 7]] for step in range(calendar.shape[1])]]

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The weekday's effect."""
        return _named(inputs, weekly=_weekday_effects(inputs))


def _named(inputs: ModelInputs, **parts: Floats) -> Floats:
    return np.column_stack([parts.get(name, np.zeros(len(inputs))) for name in NAMED_PARTS])


def _weekday_effects(inputs: ModelInputs) -> Floats:
    effect: Floats = inputs.columns(EFFECTS)[np.arange(len(inputs)), (inputs.step - 1) % 7]
    return effect


def effects_ahead(features: Floats, horizon: int) -> Floats:
    """The weekday effect of each day ahead; shape (S, C, horizon)."""
    return features[:, :, [_FEATURE[EFFECTS[step % 7]] for step in range(horizon)]]


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
        level = inputs.columns(SMOOTHED_LEVELS)[np.arange(len(inputs)), self.smoothing[series]]
        forecasts: Floats = level + self.weekday_weight[series] * _weekday_effects(inputs)
        return forecasts

    def predict_block(self, features: Floats, calendar: Floats) -> Floats:
        """The level of each cutoff, with the weekdays' effects."""
        column = np.array([_FEATURE[name] for name in SMOOTHED_LEVELS])[self.smoothing]
        level = features[np.arange(len(features)), :, column]
        effects = self.weekday_weight[:, None, None] * effects_ahead(features, calendar.shape[1])
        return level[:, :, None] + effects

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The weekday's effect, where it is added."""
        return _named(inputs, weekly=self.weekday_weight[series] * _weekday_effects(inputs))


LAST_WEEK = ("y", *(f"lag_{lag}" for lag in LAGS[:6]))
EFFECTS = tuple(f"weekday_effect_{ahead}" for ahead in range(1, 8))
SMOOTHED_LEVELS = tuple(level_column(alpha) for alpha in LEVEL_SMOOTHINGS)
_FEATURE = {name: position for position, name in enumerate(FEATURE_NAMES)}

RELATIVE_NAMES: tuple[str, ...] = (*(f"lag_{lag}" for lag in LAGS), *(f"mean_{days}" for days in MEAN_WINDOWS))
CUTOFF_FLAGS = ("is_holiday", "is_year_end", "recent_holidays")
TARGET_FLAGS = ("target_is_holiday", "target_is_before_holiday", "target_is_after_holiday", "target_is_year_end")
WAVES = tuple(f"target_yearly_{wave}_{pair}" for pair in range(1, YEARLY_PAIRS + 1) for wave in ("sin", "cos"))

_AT = np.cumsum([len(RELATIVE_NAMES), len(CUTOFF_FLAGS), len(TARGET_FLAGS), len(WAVES), 7]).tolist()
KNOWN_AT_CUTOFF, FLAGS_AHEAD, WAVES_AHEAD, WEEKDAYS_AHEAD = (
    slice(0, _AT[1]), slice(_AT[1], _AT[2]), slice(_AT[2], _AT[3]), slice(_AT[3], _AT[4]),
)  # fmt: skip
"""Where the regressors of each kind stand: those of the cutoff, and three kinds of the day to forecast."""

REGRESSORS: int = _AT[-1]
_LONG_MEANS = [RELATIVE_NAMES.index(name) for name in ("mean_91", "mean_364")]


def regressors(inputs: ModelInputs) -> Floats:
    """What the direct regression sees of an input row; shape (n, REGRESSORS).

    Lags and trailing means relative to the cutoff day's value, calendar flags of both days, the yearly
    waves of the day to forecast, and its weekday as seven flags.
    """
    relative = inputs.columns(RELATIVE_NAMES) - inputs.column("y")[:, None]
    weekdays = inputs.column("target_weekday")[:, None] == np.arange(7)
    calendar = inputs.columns(CUTOFF_FLAGS + TARGET_FLAGS + WAVES)
    return np.hstack([relative, calendar, weekdays.astype(np.float64)])


def known_regressors(features: Floats) -> Floats:
    """The regressors `KNOWN_AT_CUTOFF` of feature rows; shape (S, C, 15)."""
    known = features[:, :, [_FEATURE[name] for name in RELATIVE_NAMES + CUTOFF_FLAGS]]
    known[:, :, : len(RELATIVE_NAMES)] -= features[:, :, :1]
    return known


def calendar_regressors(calendar: Floats) -> Floats:
    """The other regressors, of the days ahead; shape (..., REGRESSORS - 15).

    Args:
        calendar: `CALENDAR_NAMES` of any days; shape (..., N).
    """
    named = dict(zip(TARGET_NAMES, np.moveaxis(calendar, -1, 0), strict=True))
    flags = np.stack([named[name] for name in TARGET_FLAGS + WAVES], axis=-1)
    weekdays = named["target_weekday"][..., None] == np.arange(7)
    return np.concatenate([flags, weekdays.astype(np.float64)], axis=-1)


def trained_step(step: Positions, horizon: int) -> Positions:
    """The trained step that answers a step: itself, and beyond the horizon the same weekday of its last week.

    >>> trained_step(np.array([1, 15, 16, 22, 23]), 15).tolist()
    [1, 15, 9, 15, 9]
    >>> trained_step(np.array([1, 2, 3, 4]), 2).tolist()
    [1, 2, 1, 2]
    """
    period = min(7, horizon)
    return np.where(step <= horizon, step, horizon - period + 1 + (step - horizon - 1) % period)


SEASONAL_MEAN = 1 + 4
"""Terms of an exogenous column's mean over the year: a constant and the two slowest pairs of waves."""


def seasonal_basis(waves: Floats) -> Floats:
    """The terms on a day; shape (..., SEASONAL_MEAN).

    Args:
        waves: `yearly_waves` of the day after the cutoff; shape (..., 2 · YEARLY_PAIRS).
    """
    slowest = waves[..., : SEASONAL_MEAN - 1]
    return np.concatenate([np.ones((*slowest.shape[:-1], 1)), slowest], axis=-1)


def exogenous_regressors(values: Floats, mean: Floats, knots: Floats) -> Floats:
    """What the direct regression sees of exogenous columns: how far each is from its mean of the season, on a line
    that bends at the knots (a change-point model, as of heating against temperature: Kissock, Haberl & Claridge 2003).

    Args:
        values: shape (..., E). One that is not known counts as its mean, for which all regressors are 0.
        mean: of the season; same shape.
        knots: shape (..., E, K).

    Returns:
        Shape (..., (1 + K) · E): the distances, then what lies above the first knot, above the second, ….

    >>> exogenous_regressors(np.array([[9.0], [np.nan]]), np.array([[4.0], [4.0]]), np.array([[3.0, 7.0]])).tolist()
    [[5.0, 5.0, 2.0], [0.0, 0.0, 0.0]]
    """
    known = np.where(np.isfinite(values), values, mean)
    bends = [np.maximum(known - knot, 0.0) - np.maximum(mean - knot, 0.0) for knot in np.moveaxis(knots, -1, 0)]
    return np.concatenate([known - mean, *bends], axis=-1)


@dataclass(frozen=True, slots=True)
class DirectRidge:
    """One ridge regression a step, of the change since the cutoff day (direct strategy: Taieb et al. 2012,
    doi:10.1016/j.eswa.2012.01.039).

    Attributes:
        intercept: shape (S, horizon).
        coefficients: of `regressors` and of the `exogenous_regressors` of E columns, on their own scale; shape
            (S, horizon, REGRESSORS + (1 + K) · E).
        exogenous_mean: of the exogenous columns over the year, as coefficients of `seasonal_basis`; shape (S, E,
            SEASONAL_MEAN).
        exogenous_knots: where the effect of each column bends; shape (S, E, K).
    """

    name: ClassVar[str] = "direct_ridge"
    intercept: Floats
    coefficients: Floats
    exogenous_mean: Floats = field(default_factory=lambda: np.empty((0, 0, SEASONAL_MEAN)))
    exogenous_knots: Floats = field(default_factory=lambda: np.empty((0, 0, 0)))

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The cutoff day's value and the regressed change; shape (n,)."""
        step = trained_step(inputs.step, self.intercept.shape[1]) - 1
        own = self.coefficients[series, step][:, :REGRESSORS]
        change = np.einsum("np,np->n", regressors(inputs), own)
        forecasts: Floats = inputs.column("y") + self.intercept[series, step] + change
        return forecasts + self._exogenous_part(inputs, series) if inputs.exogenous else forecasts

    def predict_block(self, features: Floats, calendar: Floats) -> Floats:
        """The cutoffs' values and the regressed changes: one matrix product a series, and one a step."""
        coefficients = self.coefficients[:, : calendar.shape[1]]
        forecasts: Floats = known_regressors(features) @ coefficients[:, :, KNOWN_AT_CUTOFF].swapaxes(1, 2)
        forecasts += features[:, :, :1] + self.intercept[:, None, : calendar.shape[1]]
        ahead = calendar_regressors(calendar)
        for step in range(calendar.shape[1]):
            forecasts[:, :, step] += coefficients[:, step, KNOWN_AT_CUTOFF.stop : REGRESSORS] @ ahead[:, step].T
        if self.exogenous_mean.size:
            next_day = ahead[:, 0, WAVES_AHEAD.start - FLAGS_AHEAD.start :]
            mean = seasonal_basis(next_day) @ self.exogenous_mean.swapaxes(1, 2)
            values, knots = features[:, :, len(FEATURE_NAMES) :], self.exogenous_knots[:, None]
            away = exogenous_regressors(values, mean, knots)
            forecasts += away @ coefficients[:, :, REGRESSORS:].swapaxes(1, 2)
        return forecasts

    def _exogenous_part(self, inputs: ModelInputs, series: Positions) -> Floats:
        """What the exogenous columns add; shape (n,). Beyond the horizon none of them speaks of the day."""
        horizon = self.intercept.shape[1]
        step = trained_step(inputs.step, horizon) - 1
        basis = seasonal_basis(yearly_waves(inputs.cutoff + 1))
        mean = np.einsum("nek,nk->ne", self.exogenous_mean[series], basis)
        away = exogenous_regressors(inputs.exogenous_values, mean, self.exogenous_knots[series])
        part = (away * self.coefficients[series, step][:, REGRESSORS:]).sum(axis=1)
        return np.where(inputs.step <= horizon, part, 0.0)

    def lacks_exogenous(self, inputs: ModelInputs, series: Positions) -> npt.NDArray[np.bool_]:
        """Whether an exogenous value that speaks of the day is not known; shape (n,)."""
        horizon = self.intercept.shape[1]
        step = trained_step(inputs.step, horizon) - 1
        bends = self.coefficients[series, step][:, REGRESSORS:].reshape(len(inputs), -1, len(inputs.exogenous))
        says = (bends != 0).any(axis=1)
        lacks: npt.NDArray[np.bool_] = (says & ~np.isfinite(inputs.exogenous_values)).any(axis=1)
        return lacks & (inputs.step <= horizon)

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The coefficients' shares; the trend is the drift and the way back to the means of 91 and 364 days."""
        step = trained_step(inputs.step, self.intercept.shape[1]) - 1
        coefficients = self.coefficients[series, step][:, :REGRESSORS]
        shares = regressors(inputs) * coefficients
        weekday_mean = coefficients[:, WEEKDAYS_AHEAD].mean(axis=1)
        away = inputs.columns(["mean_91", "mean_364"]) - inputs.column(LEVEL)[:, None]
        return _named(
            inputs,
            trend=self.intercept[series, step] + weekday_mean + (away * coefficients[:, _LONG_MEANS]).sum(axis=1),
            weekly=shares[:, WEEKDAYS_AHEAD].sum(axis=1) - weekday_mean,
            yearly=shares[:, WAVES_AHEAD].sum(axis=1),
            holiday=shares[:, len(RELATIVE_NAMES) : FLAGS_AHEAD.stop].sum(axis=1),
            **({"exogenous": self._exogenous_part(inputs, series)} if inputs.exogenous else {}),
        )


FORECASTERS: dict[str, type[FittedForecaster]] = {
    forecaster.name: forecaster for forecaster in (Naive, SeasonalNaive, ExponentialSmoothing, DirectRidge)
}


def forecaster_arrays(forecaster: FittedForecaster) -> dict[str, npt.NDArray[np.generic]]:
    """A forecaster's parameters by name."""
    return {field.name: getattr(forecaster, field.name) for field in fields(forecaster)}  # type: ignore[arg-type] # each is a dataclass
