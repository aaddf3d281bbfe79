"""The direct regression's normal equations, for every series and step at once.

A ridge regression needs its data only as products of its columns. Most columns are the same for every step: what is
known at the cutoff, and weekday and season, which for a later day are those of the cutoff shifted (a permutation and a
rotation). Their products are computed once per series; each step adds the flags of its own days and subtracts the rows
whose target day has no value.
"""

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.candidates.ridge.ridge_regressors import (
    FLAGS_AHEAD,
    KNOWN_AT_CUTOFF,
    REGRESSORS,
    SEASONAL_MEAN,
    WAVES_AHEAD,
    WEEKDAYS_AHEAD,
    calendar_regressors,
    exogenous_regressors,
    known_regressors,
    seasonal_basis,
)
from forecasting_platform.forecasting.models.candidates.ridge.robust_changes import clip_changes
from forecasting_platform.forecasting.models.candidates.solving import solve_each
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.covariates.events import is_event
from forecasting_platform.forecasting.series.days.calendar import (
    DAYS_PER_YEAR,
    YEARLY_PAIRS,
    calendar_values,
    weekday,
    yearly_waves,
)
from forecasting_platform.forecasting.series.features.panel import Panel
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES

MIN_ROWS = 4 * REGRESSORS
"""Fewer days than this fit no regression: its forecast then is the naive one."""

BLOCK_SERIES = 25
"""Series whose columns and products are held at once: few enough to stay near the processor."""


MIN_VARIANCE = 1e-12

KNOTS = (0.15, 0.85)
"""Quantiles of an exogenous column at which its effect may bend: on the coldest days, and where nobody heats."""

_SHARED = [*range(KNOWN_AT_CUTOFF.stop), *range(WAVES_AHEAD.start, WEEKDAYS_AHEAD.stop)]
_FLAGS = [*range(FLAGS_AHEAD.start, FLAGS_AHEAD.stop)]


def fit_regressions(
    panel: Panel,
    horizon: int,
    country: str,
    *,
    penalty: float,
    clip_sigmas: float,
    usable_exogenous: npt.NDArray[np.bool_],
) -> tuple[Floats, Floats, Floats, Floats]:
    """One regression a series and step of the change since the cutoff.

    Args:
        panel: the days to learn from.
        penalty: on the correlation matrix.
        clip_sigmas: changes beyond median ± this many robust sigmas are clipped, except to and from days of events.
        usable_exogenous: which of the panel's exogenous columns are regressed on at each step; shape (horizon, E).

    Returns:
        The fields of `FittedDirectRidge`, in order.
    """
    shape = (len(panel.unique_ids), horizon)
    always = [np.ones((horizon, len(kind)), dtype=bool) for kind in (_SHARED, _FLAGS)]
    # In the order of `_products`: a bend is usable where its column is.
    events = np.array([is_event(name) for name in panel.exogenous], dtype=bool)
    # A flag has no line that could bend.
    bends = np.tile(usable_exogenous & ~events, len(KNOTS))
    usable = np.hstack([always[0], usable_exogenous, bends, always[1]])
    intercept, coefficients = np.zeros(shape), np.zeros((*shape, usable.shape[1]))
    exogenous_mean = np.zeros((shape[0], len(panel.exogenous), SEASONAL_MEAN))
    knots = np.zeros((shape[0], len(panel.exogenous), len(KNOTS)))
    basis = seasonal_basis(yearly_waves(panel.days + 1))
    # The flags of the days ahead of each day, cut out of one calendar; shape (horizon, T, 4).
    calendar = calendar_values(np.arange(panel.days[0], panel.days[-1] + horizon + 1), country)
    own = calendar_regressors(calendar)[:, : len(_FLAGS)]
    flags = np.stack([own[step : step + len(panel.days)] for step in range(1, horizon + 1)])
    for start in range(0, shape[0], BLOCK_SERIES):
        block = slice(start, start + BLOCK_SERIES)
        values = panel.features[block, :, len(FEATURE_NAMES) :]
        every = _changes(panel, block, horizon)
        changes = clip_changes(every, clip_sigmas)
        if events.any():
            # What is declared as unlike other days is no outlier: it is what is to be learned.
            told = np.einsum("bte,he->bht", np.nan_to_num(values[:, :, events]) != 0, usable_exogenous[:, events]) > 0
            changes = np.where(told, every, changes)
        exogenous_mean[block], knots[block] = _seasonal_mean(values, basis), _knots(values)
        expected = basis @ exogenous_mean[block].swapaxes(1, 2)
        exogenous = exogenous_regressors(values, expected, knots[block, None])
        columns = _shared_columns(panel, block, exogenous)
        intercept[block], solved = _regress(columns, flags, changes, penalty, usable)
        in_order = np.argsort([*_SHARED, *range(REGRESSORS, usable.shape[1]), *_FLAGS])
        coefficients[block] = _of_the_day_ahead(solved[..., in_order])
    return intercept, coefficients, exogenous_mean, knots


def _regress(
    columns: Floats, flags: Floats, changes: Floats, penalty: float, usable: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Intercepts (B, horizon) and coefficients (B, horizon, P), in the order of `usable`; 0 of what is not usable."""
    if usable.all():
        return _solve(*_products(columns, flags, changes), penalty)
    intercept, coefficients = np.zeros(changes.shape[:2]), np.zeros((*changes.shape[:2], usable.shape[1]))
    for step, used in enumerate(usable):
        # Of a plan each step has its own columns: products of all would grow with the square of the horizon.
        chosen = columns[:, :, np.append(True, used[: -len(_FLAGS)])]
        at = slice(step, step + 1)
        intercept[:, at], coefficients[:, at, used] = _solve(*_products(chosen, flags[at], changes[:, at]), penalty)
    return intercept, coefficients


def _seasonal_mean(values: Floats, basis: Floats) -> Floats:
    """Each exogenous column's mean over the year, by least squares; flat where less than a year is known.

    Args:
        values: shape (B, T, E), NaN where not known.
        basis: shape (T, SEASONAL_MEAN).

    Returns:
        Shape (B, E, SEASONAL_MEAN).
    """
    known = np.isfinite(values)
    count = known.sum(axis=1)
    # Normal equations of each column over its own known days: the terms are shared, the days are not.
    gram = np.einsum("bte,tk,tl->bekl", known.astype(np.float64), basis, basis, optimize=True)
    moment = np.einsum("bte,tk->bek", np.where(known, values, 0.0), basis)
    # The constant alone, where there is too little to tell a wave from a trend; and nothing where nothing is known.
    terms = np.where(count[..., None] >= DAYS_PER_YEAR, SEASONAL_MEAN, np.minimum(count[..., None], 1))
    kept = np.arange(SEASONAL_MEAN) < terms
    # A term that is left out is an equation of its own, 1 · coefficient = 0: the shapes stay the same for all.
    gram = np.where(kept[..., :, None] & kept[..., None, :], gram, np.eye(SEASONAL_MEAN))
    mean: Floats = solve_each(gram, np.where(kept, moment, 0.0)[..., None])[..., 0]
    return mean


def _changes(panel: Panel, block: slice, horizon: int) -> Floats:
    """`y[t + step] - y[t]`; shape (B, horizon, T), NaN where either is not known, or not normal."""
    y = panel.targets[block]
    changes = np.full((len(y), horizon, y.shape[1]), np.nan)
    for step in range(1, min(horizon, y.shape[1] - 1) + 1):
        np.subtract(y[:, step:], y[:, :-step], out=changes[:, step - 1, :-step])
    return changes


def _knots(values: Floats) -> Floats:
    """The quantiles `KNOTS` of each exogenous column's known values; shape (B, E, len(KNOTS)), 0 where none is."""
    ordered = np.sort(values, axis=1)
    last = np.isfinite(ordered).sum(axis=1) - 1
    positions = np.floor(np.array(KNOTS)[:, None, None] * np.maximum(last, 0)).astype(np.int64)
    found = np.take_along_axis(ordered, np.moveaxis(positions, 0, 1), axis=1)
    return np.moveaxis(np.where(last[:, None] >= 0, found, 0.0), 1, 2)


def _shared_columns(panel: Panel, block: slice, exogenous: Floats) -> Floats:
    """A column of ones, and those that do not change with the step; rows of zeros where no row is.

    Args:
        exogenous: `exogenous_regressors`; shape (B, T, (1 + K) · E).
    """
    features = panel.features[block]
    waves_and_weekdays = np.hstack([yearly_waves(panel.days), np.eye(7)[weekday(panel.days)]])
    columns = np.empty((*features.shape[:2], 1 + len(_SHARED) + exogenous.shape[2]))
    columns[:, :, 0] = 1.0
    columns[:, :, 1 : 1 + KNOWN_AT_CUTOFF.stop] = known_regressors(features)
    columns[:, :, 1 + KNOWN_AT_CUTOFF.stop : 1 + len(_SHARED)] = waves_and_weekdays
    columns[:, :, 1 + len(_SHARED) :] = exogenous
    # A row of zeros adds nothing to any product, the number of rows included.
    columns[~panel.observed[block]] = 0.0
    return columns


def _products(columns: Floats, flags: Floats, changes: Floats) -> tuple[Floats, Floats]:
    """Products of all columns with each other and with the changes, at each step.

    Returns:
        Shapes (B, horizon, 1 + P, 1 + P) and (B, horizon, 1 + P): ones, shared columns, flags.
    """
    known = np.isfinite(changes)
    targets = np.where(known, changes, 0.0)
    shared, own = columns.shape[2], flags.shape[2]
    gram = np.empty((*changes.shape[:2], shared + own, shared + own))
    moment = np.empty(gram.shape[:-1])
    # An unknown change is 0 here, so that its row adds nothing to the moments.
    moment[:, :, :shared] = targets @ columns
    gram[:, :, :shared, :shared] = (columns.swapaxes(1, 2) @ columns)[:, None]
    has_row = columns[:, :, 0] > 0
    for step, step_flags in enumerate(flags):
        # The shared product holds every row: those without a change at this step, on a few days, are taken out.
        without = has_row & ~known[:, step]
        days = np.nonzero(without.any(axis=0))[0]
        taken_out = (columns[:, days] * without[:, days, None]).swapaxes(1, 2) @ columns[:, days]
        gram[:, step, :shared, :shared] -= taken_out
        # Flags are 0 on most days: only the others are multiplied.
        days = np.nonzero(step_flags.any(axis=1))[0]
        flagged = step_flags[days] * known[:, step, days, None]
        gram[:, step, :shared, shared:] = columns[:, days].swapaxes(1, 2) @ flagged
        gram[:, step, shared:, :shared] = gram[:, step, :shared, shared:].swapaxes(1, 2)
        gram[:, step, shared:, shared:] = flagged.swapaxes(1, 2) @ step_flags[days]
        moment[:, step, shared:] = targets[:, step, days] @ step_flags[days]
    return gram, moment


def _solve(gram: Floats, moment: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Intercepts (B, horizon) and coefficients (B, horizon, P) of the columns after the first.

    Ridge regression of centred columns (Hastie, Tibshirani & Friedman 2009, The Elements of Statistical Learning,
    3.4.1), each penalised in units of its own variance: as if all had been scaled to variance 1.
    """
    # The column of ones comes first: its products are the number of rows and the sums of the columns.
    rows = gram[..., 0, 0]
    count = np.maximum(rows, 1.0)
    mean, mean_change = gram[..., 1:, 0] / count[..., None], moment[..., 0] / count
    # Centred afterwards, E[xx'] - E[x]E[x]', since the means differ from step to step and the columns are shared.
    covariance = gram[..., 1:, 1:] / count[..., None, None]
    covariance -= mean[..., :, None] * mean[..., None, :]
    target = moment[..., 1:] / count[..., None] - mean * mean_change[..., None]
    # A view: what is added to it below is added to the matrix.
    diagonal = np.einsum("...pp->...p", covariance)
    # A column that never changes says nothing; rounding may leave it a variance all the same.
    varies = diagonal > MIN_VARIANCE * (1.0 + np.square(mean))
    # A penalty on the correlation matrix is one times the variances here; 1 gives an unused column the coefficient 0.
    diagonal += np.where(varies, penalty * diagonal, 1.0)
    solved = solve_each(covariance, np.where(varies, target, 0.0)[..., None])[..., 0].astype(np.float64, copy=False)
    # Of columns that no arithmetic tells apart nothing is learned: the mean change remains.
    solved[(rows < MIN_ROWS) | ~np.isfinite(solved).all(axis=-1)] = 0.0
    # The regression passes through the means: the intercept follows from them.
    intercept = np.where(rows >= MIN_ROWS, mean_change - (solved * mean).sum(axis=-1), 0.0)
    return intercept, solved


def _of_the_day_ahead(coefficients: Floats) -> Floats:
    """Coefficients of the cutoff's weekday and season as those of the day to forecast's."""
    turned = coefficients.copy()
    waves = coefficients[..., WAVES_AHEAD].reshape(*coefficients.shape[:-1], YEARLY_PAIRS, 2)
    sine, cosine = waves[..., 0], waves[..., 1]
    for step in range(coefficients.shape[1]):
        # A day later a wave has turned by its angle; the angle-sum identities turn its two coefficients the same way.
        angle = 2 * np.pi * np.arange(1, YEARLY_PAIRS + 1) * (step + 1) / DAYS_PER_YEAR
        turned_waves = np.stack(
            [
                sine[:, step] * np.cos(angle) + cosine[:, step] * np.sin(angle),
                cosine[:, step] * np.cos(angle) - sine[:, step] * np.sin(angle),
            ],
            axis=-1,
        )
        turned[:, step, WAVES_AHEAD] = turned_waves.reshape(len(coefficients), -1)
        turned[:, step, WEEKDAYS_AHEAD] = np.roll(coefficients[:, step, WEEKDAYS_AHEAD], step + 1, axis=-1)
    return turned
