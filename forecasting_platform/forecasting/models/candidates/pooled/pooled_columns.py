"""The columns of candidates that are fitted over many series at once: input rows as numbers without a unit.

Every value is given as its distance from the row's centre, in units of the row's scale, so that a large and a small
series are alike. Both come from the row alone.
"""

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.candidates.candidate import EFFECTS, LEVEL, Positions, Task
from forecasting_platform.forecasting.models.steps_ahead import trained_step
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.covariates.exogenous import columns_by_step
from forecasting_platform.forecasting.series.features.inputs import INPUT_NAMES, TARGET_NAMES
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES, LAGS

VALUES = tuple(name for name in FEATURE_NAMES if name.startswith(("y", "lag_", "mean_", "level_")))
SPREADS = tuple(name for name in FEATURE_NAMES if name.startswith(("weekday_effect_", "volatility_")))
FLAGS = tuple(name for name in FEATURE_NAMES if name not in VALUES + SPREADS)
OWN_NAMES = ("same_weekday", "effect_ahead", "ridge", "relative_level", "step")
POOLED_NAMES: tuple[str, ...] = VALUES + SPREADS + FLAGS + TARGET_NAMES + OWN_NAMES
"""The columns in their order; those of the covariates follow."""

MIN_RELATIVE_SCALE = 1e-9
"""A scale below this part of the largest value is rounding, and counts as none."""

_PLACE = {name: position for position, name in enumerate(INPUT_NAMES)}
_VALUES, _SPREADS = [_PLACE[name] for name in VALUES], [_PLACE[name] for name in SPREADS]
_OTHERS = [_PLACE[name] for name in FLAGS + TARGET_NAMES]
LAST_WEEK = ("y", *(f"lag_{lag}" for lag in LAGS[:6]))
_LAST_WEEK = [_PLACE[name] for name in LAST_WEEK]
_AT = {name: position for position, name in enumerate(POOLED_NAMES)}
_NEWEST_WEEK, _EFFECTS_AHEAD = (np.array([_AT[name] for name in names]) for names in (LAST_WEEK, EFFECTS))
_HOLIDAYS = [position for name, position in _AT.items() if "holiday" in name or "year_end" in name]
_YEARLY = np.array([name.startswith("target_yearly_") for name in FLAGS + TARGET_NAMES])
_EFFECTS, _CENTRE = [_PLACE[name] for name in EFFECTS], _PLACE[LEVEL]
_NEWEST = [_PLACE[name] for name in ("y", *(f"lag_{lag}" for lag in LAGS))]
_VOLATILITY = _PLACE["volatility_10"]


def centre_and_scale(values: Floats) -> tuple[Floats, Floats]:
    """The level that a forecast starts from, and the size of usual changes; shapes (n,), scale 0 of a constant.

    Args:
        values: `ModelInputs.values`; shape (n, …).
    """
    centre, newest = values[:, _CENTRE], values[:, _NEWEST]
    # On a plateau the newest days are the level itself; the smoothed changes still remember how the series moves.
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.abs(newest - centre[:, None]).mean(axis=1) + values[:, _VOLATILITY]
    largest = np.abs(newest).max(axis=1, initial=0)
    return centre, np.where(np.isfinite(scale) & (scale > MIN_RELATIVE_SCALE * largest), scale, 0.0)


def pooled_matrix(values: Floats, step: Positions, ridge: Floats, covariates: Positions, *, is_yearly: bool) -> Floats:
    """The columns `POOLED_NAMES` and those of D covariates, NaN of one that is not known; shape (n, P + D), float32.

    Args:
        values: `ModelInputs.values`; shape (n, …).
        step: days ahead of each row; beyond the horizon a trained one of the same weekday answers.
        ridge: what the regression of the row's series forecasts; shape (n,).
        covariates: `covariate_columns`; shape (horizon, D).
        is_yearly: whether the position in the year is told; else its columns are 0.
    """
    centre, scale = centre_and_scale(values)
    unit = np.where(scale > 0, scale, 1.0)[:, None]
    trained = trained_step(step, len(covariates))
    same_weekday = values[np.arange(len(values)), np.array(_LAST_WEEK)[6 - (step - 1) % 7]]
    effect_ahead = values[np.arange(len(values)), np.array(_EFFECTS)[(step - 1) % 7]]
    columns = [
        (values[:, _VALUES] - centre[:, None]) / unit,
        values[:, _SPREADS] / unit,
        np.where(_YEARLY & ~np.bool_(is_yearly), 0.0, values[:, _OTHERS]),
        (same_weekday - centre)[:, None] / unit,
        effect_ahead[:, None] / unit,
        (ridge - centre)[:, None] / unit,
        # As a logarithm, since it spans powers of ten: trees do not mind, other estimators do.
        np.log1p(np.abs(centre)[:, None] / unit),
        trained[:, None],
        covariate_values(values, step, covariates),
    ]
    # ONNX computes in single precision; where a scale was 0 its values may be too large for that.
    limit = np.finfo(np.float32).max
    return np.clip(np.hstack(columns), -limit, limit).astype(np.float32)


def with_weekday(matrix: Floats, weekday: int, step: Positions) -> Floats:
    """The rows as if their day were a weekday, with what is known of that one.

    Args:
        matrix: `pooled_matrix`; shape (n, …).
        weekday: Monday is 0.
        step: days ahead of each row; shape (n,).
    """
    changed, rows = matrix.copy(), np.arange(len(matrix))
    of_cutoff = (matrix[:, _AT["target_weekday"]].astype(np.int64) - step) % 7
    ahead = (weekday - of_cutoff - 1) % 7
    changed[:, _AT["same_weekday"]] = matrix[rows, _NEWEST_WEEK[6 - ahead]]
    changed[:, _AT["effect_ahead"]] = matrix[rows, _EFFECTS_AHEAD[ahead]]
    changed[:, _AT["target_weekday"]] = weekday
    return changed


def with_other_ridge(matrix: Floats, change: Floats, scale: Floats) -> Floats:
    """The rows as if the regression had forecast something else.

    Args:
        change: of its forecast, in the unit of the series; shape (n,).
        scale: of `centre_and_scale`; shape (n,).
    """
    changed = matrix.copy()
    changed[:, _AT["ridge"]] += np.divide(change, scale, out=np.zeros(len(change)), where=scale > 0)
    return changed


def without_holidays(matrix: Floats) -> Floats:
    """The rows as if no holiday were near."""
    changed = matrix.copy()
    changed[:, _HOLIDAYS] = 0.0
    return changed


def without_covariates(matrix: Floats, only: int | None = None) -> Floats:
    """The rows as if no covariate were known, or one of them were not."""
    changed = matrix.copy()
    changed[:, slice(len(POOLED_NAMES), None) if only is None else len(POOLED_NAMES) + only] = np.nan
    return changed


def covariate_columns(task: Task) -> Positions:
    """Which exogenous columns describe the day of each step, as D covariates; shape (horizon, D), -1 for none.

    A planned series is two covariates: its value on the cutoff day, and that of the day ahead as far as it is planned.
    """
    found, before = [np.empty((task.horizon, 0), dtype=np.int64)], 0
    for declared in task.exogenous:
        describes = columns_by_step([declared], task.horizon)
        # The columns that describe each step come first, in their own order.
        first = np.argsort(~describes, axis=1, kind="stable")[:, : describes.sum(axis=1).max(initial=0)]
        found.append(np.where(np.take_along_axis(describes, first, axis=1), first + before, -1))
        before += describes.shape[1]
    return np.hstack(found)


def covariate_values(values: Floats, step: Positions, covariates: Positions) -> Floats:
    """The covariates of each row's day, NaN of one that is not known; shape (n, D). See `pooled_matrix`."""
    columns = columns_of(step, covariates)
    rows = np.arange(len(values))[:, None]
    return np.where(columns >= 0, values[rows, len(INPUT_NAMES) + np.maximum(columns, 0)], np.nan)


def lacks_covariate(values: Floats, step: Positions, covariates: Positions) -> npt.NDArray[np.bool_]:
    """Whether a covariate that there is of the row's day is not known; shape (n,). See `pooled_matrix`."""
    unknown = np.isnan(covariate_values(values, step, covariates)) & (columns_of(step, covariates) >= 0)
    return np.asarray(unknown.any(axis=1))


def columns_of(step: Positions, covariates: Positions) -> Positions:
    """The exogenous column of each row that each covariate is, -1 for none; shape (n, D). See `pooled_matrix`."""
    horizon = len(covariates)
    # No column describes a day beyond the horizon.
    return np.where((step <= horizon)[:, None], covariates[np.minimum(step, horizon) - 1], -1)
