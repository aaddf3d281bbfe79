"""Prediction intervals from out-of-sample errors, by step, that follow how a series behaves now.

Three layers, each with its source:

1. Split conformal prediction on the errors of the backtest (Vovk et al. 2005; Lei et al. 2018,
   doi:10.1080/01621459.2017.1307116), signed, so that an interval may be longer on one side.
2. Errors are divided by a scale from the feature row of the cutoff, its volatility (locally weighted
   conformal prediction, Lei et al. 2018, 5.2): a restless winter or a calm summer shows the same day.
3. What still misses too often or too seldom is corrected online, level by level (adaptive conformal
   inference, Gibbs & Candès 2021, arXiv 2106.00170, as quantile tracking, Angelopoulos et al. 2023,
   arXiv 2307.16895): after each day the interval grows by the share of its forecasts that missed and
   shrinks by the share that may, so that coverage over a long time holds whatever the errors do.

Errors of overlapping days are not exchangeable: coverage is therefore measured, not assumed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.steps_ahead import trained_step
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.frames import (
    FEATURE_NAMES,
    LEVELS,
    VOLATILITY_SMOOTHINGS,
    volatility_column,
)

LOWER_PROBABILITIES = (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.35)
PROBABILITIES: Floats = np.array([*LOWER_PROBABILITIES, 0.5, *(1 - p for p in reversed(LOWER_PROBABILITIES))])
MIN_ERRORS = 30
TAILS = [int(np.argmin(np.abs(PROBABILITIES - (1 - level / 100) / 2))) for level in LEVELS]
"""Positions in `PROBABILITIES` of the lower bounds of `LEVELS`."""

VOLATILITIES = tuple(volatility_column(smoothing) for smoothing in VOLATILITY_SMOOTHINGS)
VOLATILITY_POWERS = (0.5, 0.25)
"""How much the slow and the fast volatility widen an interval; chosen on cutoffs before the reported ones."""

CALM_SHARE = 0.1
MIN_VOLATILITY = 1e-200
"""Of a series that changes at all: a division by less overflows."""

ADAPTATION_RATE = 0.05
"""How much of a day's excess of misses the logarithm of a width learns; chosen on the same earlier cutoffs."""

MAX_LOG_WIDTH = np.log(5.0)


def calm_volatility(features: Floats) -> Floats:
    """The volatility below which a series counts as calm; shape (S,), infinite where it never changed.

    Args:
        features: `FEATURE_NAMES` of past days; shape (S, T, F), NaN where a day has no row.
    """
    slow = features[:, :, FEATURE_NAMES.index(VOLATILITIES[0])]
    known = np.isfinite(slow)
    mean = np.where(known, slow, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(mean > MIN_VOLATILITY, CALM_SHARE * mean, np.inf)


def volatility_scale(volatilities: Floats, calm: Floats) -> Floats:
    """How much wider than on a calm day the errors of forecasts made on a day are; 1 or more.

    Args:
        volatilities: the columns `VOLATILITIES`; shape (..., 2).
        calm: `calm_volatility` of each one's series; shape (...).

    >>> volatility_scale(np.array([[16.0, 81.0], [0.1, 0.1]]), np.array([1.0, 1.0])).tolist()
    [12.0, 1.0]
    """
    scale: Floats = np.prod(np.maximum(volatilities / calm[..., None], 1.0) ** np.array(VOLATILITY_POWERS), axis=-1)
    return scale


def error_quantiles(errors: Floats) -> Floats:
    """Quantiles of past errors of each series and step, at `PROBABILITIES`; shape (S, horizon, Q).

    Of n errors the k-th smallest lies above a new one with probability k / (n + 1): Weibull's positions.

    Args:
        errors: `y - y_hat`; shape (S, C, horizon), NaN where not known. A step with fewer than 30 is given
            the errors of all steps, scaled by the square root of the step, as those of a random walk
            grow. A series without any error is given zeros: its interval has no width, and its
            metadata says that nothing was measured.
    """
    quantiles = weibull_quantiles(errors.swapaxes(1, 2))
    # Few errors of a step say little of its tails: those of all steps, each brought to the width of step 1.
    few = np.isfinite(errors).sum(axis=1) < MIN_ERRORS
    steps = np.sqrt(np.arange(1, errors.shape[2] + 1))
    for series in np.nonzero(few.any(axis=1))[0]:
        pooled = weibull_quantiles((errors[series] / steps).reshape(1, -1))
        quantiles[series, few[series]] = pooled * steps[few[series], None]
    return quantiles


def weibull_quantiles(samples: Floats) -> Floats:
    """Quantiles along the last axis, NaN left out; zeros where nothing is known."""
    if not samples.shape[-1]:
        return np.zeros((*samples.shape[:-1], len(PROBABILITIES)))
    ordered = np.sort(samples, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    position = np.clip(PROBABILITIES * (count + 1) - 1, 0, np.maximum(count - 1, 0))
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(ordered, at, axis=-1) for at in (below, above))
    # Written so that no rounding lets a quantile fall below one of a lower probability.
    between = np.minimum(low + (position - below) * (high - low), high)
    return np.where(count > 0, between, 0.0)


def spread_at(step: npt.NDArray[np.int64], quantiles: Floats, probabilities: Floats) -> Floats:
    """The error quantiles of each row's step; shape (n, Q).

    Args:
        step: days ahead; shape (n,).
        quantiles: of each row's series; shape (n, horizon, Q).
    """
    horizon = quantiles.shape[1]
    widest = np.where(probabilities < 0.5, quantiles.min(axis=1), quantiles.max(axis=1))
    # Beyond the horizon the last week's spread grows as a random walk's does (FPP3, 5.5).
    beyond = widest * np.sqrt(np.maximum(step, horizon) / horizon)[:, None]
    own = quantiles[np.arange(len(step)), trained_step(step, horizon) - 1]
    return np.where((step > horizon)[:, None], beyond, own)


def quantile_at(quantiles: Floats, probabilities: Floats, probability: float) -> Floats:
    """The quantile between those that are known; shape (n,).

    Args:
        quantiles: at `probabilities`, which ascend; shape (n, Q).
    """
    right = int(np.clip(np.searchsorted(probabilities, probability), 1, len(probabilities) - 1))
    span = probabilities[right] - probabilities[right - 1]
    share = np.clip((probability - probabilities[right - 1]) / span, 0.0, 1.0)
    left, limit = quantiles[:, right - 1], quantiles[:, right]
    # Written so that no rounding lets a wider level's bound fall inside a narrower one's.
    value: Floats = np.minimum(left + share * (limit - left), limit)
    return value


def interval_around(
    y_hat: Floats, spread: Floats, probabilities: Floats, lower_bound: Floats, level: int
) -> tuple[Floats, Floats]:
    """The lower and upper bounds of forecasts; shapes (n,).

    Args:
        spread: quantiles of the errors, at `probabilities`; shape (n, Q).
        lower_bound: no value lies below; shape (n,).
        level: of the interval, in percent.
    """
    tail = (1 - level / 100) / 2
    # Around the forecast whatever the quantiles: errors that were all of one sign would leave it outside.
    lower = y_hat + np.minimum(quantile_at(spread, probabilities, tail), 0.0)
    upper = y_hat + np.maximum(quantile_at(spread, probabilities, 1 - tail), 0.0)
    return np.maximum(lower, lower_bound), upper


def adapt_quantiles(quantiles: Floats, log_widths: Floats) -> Floats:
    """Quantiles with each level's width multiplied; still non-decreasing; shape (S, horizon, Q).

    Args:
        log_widths: logarithm of the factor of each of `LEVELS`; shape (S, len(LEVELS)). Levels between
            are given what lies between, those beyond the factor of the nearest.
    """
    level = 100 * np.abs(2 * PROBABILITIES - 1)
    factors = np.exp([np.interp(level, LEVELS, series) for series in log_widths]).reshape(-1, 1, len(level))
    widened = quantiles * factors
    # Other factors may let levels cross: from the middle outwards none lies inside the one before.
    middle = len(PROBABILITIES) // 2
    widened[..., middle:] = np.maximum.accumulate(widened[..., middle:], axis=-1)
    widened[..., middle::-1] = np.minimum.accumulate(widened[..., middle::-1], axis=-1)
    return widened


def adapt_widths(log_widths: Floats, missed: Floats, rate: float = ADAPTATION_RATE) -> Floats:
    """The logarithms of the widths after another day has come.

    Args:
        log_widths: shape (S, len(LEVELS)).
        missed: share of the forecasts of the day that lay outside, NaN where none was made; same shape.
        rate: 0 learns nothing.

    >>> adapt_widths(np.zeros((1, 2)), np.array([[0.2, 1.0]]), 0.1).round(3).tolist()
    [[0.0, 0.095]]
    """
    # The gradient step of quantile tracking; a day without a forecast changes nothing.
    excess = np.nan_to_num(missed - (1 - np.array(LEVELS) / 100))
    return np.clip(log_widths + rate * excess, -MAX_LOG_WIDTH, MAX_LOG_WIDTH)


@dataclass(frozen=True, slots=True)
class WalkForward:
    """How intervals would have done that knew only what came before.

    Attributes:
        inside: 1 where the actual lay inside, 0 where outside, NaN where not judged; shape (S, C, horizon, L).
        within: the same, an actual on a bound counted as outside.
        score: Winkler's interval score (Gneiting & Raftery 2007, doi:10.1198/016214506000001437), same shape.
        log_widths: what has been learned at the end; shape (S, L).
    """

    inside: Floats
    within: Floats
    score: Floats
    log_widths: Floats

    def coverage(self) -> Floats:
        """Share inside, bounds included; shape (S, L), NaN where nothing was judged."""
        return _share(self.inside)

    def coverage_within(self) -> Floats:
        """Share inside, bounds excluded; shape (S, L), NaN where nothing was judged.

        Where one value is frequent, such as the zeros of an intermittent series, no interval has exactly the promised
        coverage: a right one holds less without its bounds, and more with them (the two limits that Czado, Gneiting &
        Held 2009, doi:10.1111/j.1541-0420.2009.01191.x, randomise between). So an interval is too narrow by
        `coverage`, and too wide by this.
        """
        return _share(self.within)


def _share(cells: Floats) -> Floats:
    judged = np.isfinite(cells)
    count = judged.sum(axis=(1, 2))
    share = np.where(judged, cells, 0.0).sum(axis=(1, 2)) / np.maximum(count, 1)
    return np.where(count > 0, share, np.nan)


def walk_forward(
    errors: Floats,
    scale: Floats,
    cutoffs: Days,
    fit_days: Days,
    *,
    at_bound: npt.NDArray[np.bool_] | None = None,
    rate: float = ADAPTATION_RATE,
) -> WalkForward:
    """Judge each block of cutoffs by quantiles of errors known when it began, corrected day by day.

    Args:
        errors: `y - y_hat` of what was served; shape (S, C, horizon).
        scale: of each cutoff; shape (S, C).
        cutoffs: consecutive days; shape (C,).
        fit_days: when the candidates of each cutoff were fitted; the first two blocks are not judged.
        at_bound: whether the actual is the lowest value that the series may have, where every interval that would
            reach below ends; shape (S, C, horizon).
        rate: of the correction; 0 for none.
    """
    series, count, horizon = errors.shape
    inside = np.full((series, count, horizon, len(LEVELS)), np.nan)
    within, score, log_widths = inside.copy(), inside.copy(), np.zeros((series, len(LEVELS)))
    for known, block in _later_blocks(errors / scale[:, :, None], cutoffs, fit_days):
        # Lower and upper quantiles of `LEVELS`, around a forecast that lies inside; shapes (S, horizon, L).
        quantiles = error_quantiles(known)
        bounds = np.minimum(quantiles[..., TAILS], 0.0), np.maximum(quantiles[..., [-1 - tail for tail in TAILS]], 0.0)
        for cutoff in range(block.start, block.stop):
            log_widths = adapt_widths(log_widths, 1 - _matured(inside, cutoff), rate)
            widths = np.exp(log_widths)[:, None] * scale[:, cutoff, None, None]
            inside[:, cutoff], within[:, cutoff], score[:, cutoff] = _judged(
                errors[:, cutoff, :, None], *(bound * widths for bound in bounds)
            )
    if at_bound is not None:
        within = np.where(at_bound[..., None] & np.isfinite(within), 0.0, within)
    return WalkForward(inside, within, score, log_widths)


def _later_blocks(scaled: Floats, cutoffs: Days, fit_days: Days) -> Iterator[tuple[Floats, slice]]:
    ds = cutoffs[:, None] + np.arange(1, scaled.shape[2] + 1)
    # Nothing is served in the first block; in the second there are no errors yet of what was served.
    for fit_day in np.unique(fit_days)[2:]:
        start, stop = np.searchsorted(fit_days, fit_day, "left"), np.searchsorted(fit_days, fit_day, "right")
        yield np.where(ds <= fit_day, scaled, np.nan)[:, : int(start)], slice(int(start), int(stop))


def _matured(inside: Floats, cutoff: int) -> Floats:
    """Mean over the forecasts of the day of this cutoff, made up to `horizon` days before; shape (S, L)."""
    # Forecasts of one day lie on a diagonal: each step earlier was made a cutoff before.
    steps = np.arange(1, min(inside.shape[2], cutoff) + 1)
    found = inside[:, cutoff - steps, steps - 1]
    known = np.isfinite(found)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, found, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _judged(errors: Floats, lower: Floats, upper: Floats) -> tuple[Floats, Floats, Floats]:
    known = np.isfinite(errors)
    # Winkler: the width, and 2 / alpha for each unit outside.
    beyond = np.maximum(lower - errors, 0.0) + np.maximum(errors - upper, 0.0)
    score = upper - lower + 2 / (1 - np.array(LEVELS) / 100) * beyond
    within = (errors > lower) & (errors < upper)
    return np.where(known, beyond == 0, np.nan), np.where(known, within, np.nan), np.where(known, score, np.nan)
