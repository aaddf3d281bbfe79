"""The columns of the direct regression, for single input rows and for whole blocks.

`ridge_equations` solves the regression.
"""

import numpy as np

from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.days.calendar import YEARLY_PAIRS
from forecasting_platform.forecasting.series.features.inputs import TARGET_NAMES, ModelInputs
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES, LAGS, MEAN_WINDOWS

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


def regressors(inputs: ModelInputs) -> Floats:
    """What the direct regression sees of an input row; shape (n, REGRESSORS).

    Lags and trailing means relative to the cutoff day's value, calendar flags of both days, the yearly
    waves of the day to forecast, and its weekday as seven flags.
    """
    # Relative to the newest value, as the target is: one regression fits every level.
    relative = inputs.columns(RELATIVE_NAMES) - inputs.column("y")[:, None]
    weekdays = inputs.column("target_weekday")[:, None] == np.arange(7)
    calendar = inputs.columns(CUTOFF_FLAGS + TARGET_FLAGS + WAVES)
    return np.hstack([relative, calendar, weekdays.astype(np.float64)])


def known_regressors(features: Floats) -> Floats:
    """The regressors `KNOWN_AT_CUTOFF` of feature rows; shape (S, C, 15)."""
    known = features[:, :, [FEATURE_NAMES.index(name) for name in RELATIVE_NAMES + CUTOFF_FLAGS]]
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
    # Each regressor is 0 at the mean of the season, so that an unknown value neither adds nor takes anything.
    known = np.where(np.isfinite(values), values, mean)
    bends = [np.maximum(known - knot, 0.0) - np.maximum(mean - knot, 0.0) for knot in np.moveaxis(knots, -1, 0)]
    return np.concatenate([known - mean, *bends], axis=-1)
