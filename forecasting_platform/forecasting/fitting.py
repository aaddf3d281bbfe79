"""Fitting the candidates on what is known at a cutoff.

Needs statsmodels and scikit-learn, which take seconds to import: they are loaded when a fit runs, so
that every process that only knows of training starts fast.
"""

import warnings
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from forecasting_platform.forecasting.calendar import Floats
from forecasting_platform.forecasting.forecasters import (
    DirectRidge,
    ExponentialSmoothing,
    FittedForecaster,
    Naive,
    SeasonalNaive,
    regressors,
)
from forecasting_platform.forecasting.frames import FEATURE_NAMES, LEVEL_SMOOTHINGS
from forecasting_platform.forecasting.panel import Panel, panel_inputs
from forecasting_platform.forecasting.recipe import Recipe

REGRESSORS = 29
LEAST_ROWS = 4 * REGRESSORS
"""Fewer days than this fit no regression: its forecast then is the naive one."""

LEAST_SMOOTHED_DAYS = 30
SMOOTHING_DAYS = 730
DEFAULT_SMOOTHING = LEVEL_SMOOTHINGS.index(0.2)


def fit_candidates(panel: Panel, recipe: Recipe) -> tuple[FittedForecaster, ...]:
    """The recipe's candidates, fitted on every day of the panel.

    Args:
        panel: what is known at the cutoff, which is its last day (`Panel.until`).
    """
    # Products this small gain nothing from threads, and lose a factor of five where others want the cores too.
    with threadpool_limits(1, user_api="blas"):
        return tuple(_FITS[name](panel, recipe) for name in recipe.candidates)


def _fit_exponential_smoothing(panel: Panel, recipe: Recipe) -> ExponentialSmoothing:
    known = Panel(panel.unique_ids, panel.days[-SMOOTHING_DAYS:], panel.features[:, -SMOOTHING_DAYS:])
    smoothing = np.array([_smoothing(series) for series in known.features], dtype=np.int64)
    errors = np.stack([_smoothing_error(known, smoothing, weight, recipe) for weight in (0.0, 1.0)])
    return ExponentialSmoothing(smoothing, np.argmin(errors, axis=0).astype(np.float64))


def _smoothing(features: Floats) -> int:
    own_weekday_effect = features[:, FEATURE_NAMES.index("weekday_effect_7")]
    adjusted = features[:, 0] - own_weekday_effect
    adjusted = adjusted[np.isfinite(adjusted)]
    if len(adjusted) < LEAST_SMOOTHED_DAYS or np.ptp(adjusted) == 0:
        return DEFAULT_SMOOTHING
    from statsmodels.tools.sm_exceptions import ConvergenceWarning
    from statsmodels.tsa.holtwinters import SimpleExpSmoothing

    with warnings.catch_warnings():
        # An alpha on the edge of its range is an answer here, not a failure.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = SimpleExpSmoothing(adjusted, initialization_method="heuristic").fit()
    alpha = float(fitted.params["smoothing_level"])
    return int(np.argmin(np.abs(np.array(LEVEL_SMOOTHINGS) - alpha))) if np.isfinite(alpha) else DEFAULT_SMOOTHING


def _smoothing_error(panel: Panel, smoothing: np.ndarray, weight: float, recipe: Recipe) -> Floats:
    """In-sample mean squared error of each series over all steps; shape (S,), 0 where nothing is known."""
    inputs, (series, cutoff, step) = panel_inputs(panel, panel.days, recipe.horizon, recipe.country)
    forecaster = ExponentialSmoothing(smoothing, np.full(len(smoothing), weight))
    errors = panel.actuals(panel.days, recipe.horizon)
    errors[series, cutoff, step] -= forecaster.predict(inputs, series)
    known = np.isfinite(errors)
    total: Floats = np.where(known, errors**2, 0.0).sum(axis=(1, 2)) / np.maximum(known.sum(axis=(1, 2)), 1)
    return total


def _fit_direct_ridge(panel: Panel, recipe: Recipe) -> DirectRidge:
    known = Panel(panel.unique_ids, panel.days[-recipe.training_days :], panel.features[:, -recipe.training_days :])
    shape = (len(panel.unique_ids), recipe.horizon)
    intercept, coefficients = np.zeros(shape), np.zeros((*shape, REGRESSORS))
    inputs, (series, cutoff, step) = panel_inputs(known, known.days, recipe.horizon, recipe.country)
    change = known.actuals(known.days, recipe.horizon)[series, cutoff, step] - inputs.column("y")
    seen, design = np.isfinite(change), regressors(inputs)
    for position, ahead in np.ndindex(shape):
        rows = seen & (series == position) & (step == ahead)
        if rows.sum() >= LEAST_ROWS:
            target = clipped(change[rows], recipe.clip_sigmas)
            intercept[position, ahead], coefficients[position, ahead] = _ridge(design[rows], target, recipe)
    return DirectRidge(intercept, coefficients)


def clipped(changes: Floats, sigmas: float) -> Floats:
    """Changes within median ± some robust sigmas: one outage then does not decide a regression.

    The robust sigma is 1.4826 × the median absolute deviation; where more than half of the changes
    are equal (a plateau) it is 0, and the standard deviation takes its place.

    >>> round(float(clipped(np.array([0.0, 1.0, -1.0, 2.0, -2.0, 100.0]), 3.0).max()), 2)
    7.17
    """
    middle = np.median(changes)
    sigma = 1.4826 * np.median(np.abs(changes - middle)) or np.std(changes)
    bounded: Floats = np.clip(changes, middle - sigmas * sigma, middle + sigmas * sigma)
    return bounded


def _ridge(design: Floats, target: Floats, recipe: Recipe) -> tuple[float, Floats]:
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    ridge = Ridge(alpha=recipe.ridge_penalty * len(target), solver="cholesky")
    ridge.fit(scaler.fit_transform(design), target)
    coefficients = ridge.coef_ / scaler.scale_
    return float(ridge.intercept_ - coefficients @ scaler.mean_), coefficients


_FITS: dict[str, Callable[[Panel, Recipe], FittedForecaster]] = {
    Naive.name: lambda _panel, _recipe: Naive(),
    SeasonalNaive.name: lambda _panel, _recipe: SeasonalNaive(),
    ExponentialSmoothing.name: _fit_exponential_smoothing,
    DirectRidge.name: _fit_direct_ridge,
}
