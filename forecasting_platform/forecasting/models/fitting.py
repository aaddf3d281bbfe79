"""Fitting the candidates on what is known at a cutoff, for all series at once."""

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from forecasting_platform.forecasting.models.candidates.direct_ridge import fit_direct_ridge
from forecasting_platform.forecasting.models.candidates.forecasters import (
    SMOOTHED_LEVELS,
    DirectRidge,
    ExponentialSmoothing,
    FittedForecaster,
    Naive,
    SeasonalNaive,
    effects_ahead,
)
from forecasting_platform.forecasting.models.recipe import Recipe
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.exogenous import exogenous_says
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES, LEVEL_SMOOTHINGS
from forecasting_platform.forecasting.series.panel import Panel

LEAST_SMOOTHED_DAYS = 30
SMOOTHING_DAYS, SMOOTHING_STRIDE = 730, 3
"""Cutoffs that a smoothing is chosen on: neighbours share all but one of their days, so each third says as much."""
DEFAULT_SMOOTHING = LEVEL_SMOOTHINGS.index(0.2)


def fit_candidates(panel: Panel, recipe: Recipe) -> tuple[FittedForecaster, ...]:
    """The recipe's candidates, fitted on every day of the panel.

    Args:
        panel: what is known at the cutoff, which is its last day (`Panel.until`), with the recipe's exogenous columns.
    """
    # Products this small gain nothing from threads, and lose a factor of five where others want the cores too.
    with threadpool_limits(1, user_api="blas"):
        return tuple(_FITS[name](panel, recipe) for name in recipe.candidates)


def _fit_exponential_smoothing(panel: Panel, recipe: Recipe) -> ExponentialSmoothing:
    """The smoothing, and with or without weekdays, of the least squared errors over all steps."""
    known = panel.newest_days(SMOOTHING_DAYS)
    cutoffs = known.days[::-SMOOTHING_STRIDE]
    features, ahead = known.at(cutoffs), known.actuals(cutoffs, recipe.horizon)
    levels = features[:, :, [FEATURE_NAMES.index(name) for name in SMOOTHED_LEVELS]]
    adjusted = ahead - effects_ahead(features, recipe.horizon)
    errors = np.stack([_squared_errors(levels, targets) for targets in (ahead, adjusted)], axis=1)
    best = np.argmin(errors.reshape(len(errors), -1), axis=1)
    weekday_weight, smoothing = np.divmod(best, len(LEVEL_SMOOTHINGS))
    unsure = (known.observed.sum(axis=1) < LEAST_SMOOTHED_DAYS) | ~(errors.max(axis=(1, 2)) > 0)
    smoothing = np.where(unsure, DEFAULT_SMOOTHING, smoothing)
    return ExponentialSmoothing(smoothing, np.where(unsure, 0.0, weekday_weight))


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


def _fit_direct_ridge(panel: Panel, recipe: Recipe) -> DirectRidge:
    return fit_direct_ridge(
        panel.newest_days(recipe.training_days),
        recipe.horizon,
        recipe.country,
        penalty=recipe.ridge_penalty,
        clip_sigmas=recipe.clip_sigmas,
        says=exogenous_says(recipe.exogenous, recipe.horizon),
    )


_FITS: dict[str, Callable[[Panel, Recipe], FittedForecaster]] = {
    Naive.name: lambda _panel, _recipe: Naive(),
    SeasonalNaive.name: lambda _panel, _recipe: SeasonalNaive(),
    ExponentialSmoothing.name: _fit_exponential_smoothing,
    DirectRidge.name: _fit_direct_ridge,
}
