"""Prediction intervals from out-of-sample errors, by step.

Split conformal prediction on the errors of the backtest (Vovk et al. 2005; Lei et al. 2018,
doi:10.1080/01621459.2017.1307116), signed, so that an interval may be longer on one side. Errors of
forecasts made on overlapping days are not exchangeable: coverage is therefore measured, not assumed.
"""

import numpy as np

from forecasting_platform.forecasting.calendar import Floats

LOWER_PROBABILITIES = (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.35)
PROBABILITIES: Floats = np.array([*LOWER_PROBABILITIES, 0.5, *(1 - p for p in reversed(LOWER_PROBABILITIES))])
LEAST_ERRORS = 30


def error_quantiles(errors: Floats) -> Floats:
    """Quantiles of past errors of each series and step, at `PROBABILITIES`; shape (S, horizon, Q).

    Args:
        errors: `y - y_hat`; shape (S, C, horizon), NaN where not known. A step is given the errors of
            its neighbours too; one with fewer than 30 is given the errors of all steps, scaled by the
            square root of the step, as those of a random walk grow. A series without any error is
            given zeros: its interval has no width, and its metadata says that nothing was measured.
    """
    quantiles = np.zeros((errors.shape[0], errors.shape[2], len(PROBABILITIES)))
    for series, step in np.ndindex(quantiles.shape[:2]):
        quantiles[series, step] = _conformal(_sample(errors[series], step))
    return quantiles


def _sample(errors: Floats, step: int) -> Floats:
    near = errors[:, max(0, step - 1) : step + 2]
    near = near[np.isfinite(near)]
    if len(near) >= LEAST_ERRORS:
        return near
    scaled = errors * np.sqrt((step + 1) / np.arange(1, errors.shape[1] + 1))
    return scaled[np.isfinite(scaled)]


def _conformal(errors: Floats) -> Floats:
    if not len(errors):
        return np.zeros(len(PROBABILITIES))
    # Of n errors the k-th smallest lies above a new one with probability k / (n + 1): Weibull's positions.
    quantiles: Floats = np.quantile(errors, PROBABILITIES, method="weibull")
    return quantiles


def walk_forward_coverage(errors: Floats, blocks: list[tuple[Floats, slice]], levels: tuple[int, ...]) -> Floats:
    """Share of later errors inside intervals made from earlier ones; shape (S, len(levels)), NaN if none.

    Args:
        errors: `y - y_hat` of the chosen options; shape (S, C, horizon).
        blocks: for some blocks of cutoffs, the errors known when the block began, and the block.
        levels: interval levels in percent.
    """
    inside = np.zeros((errors.shape[0], len(levels)))
    judged = np.zeros((errors.shape[0], 1))
    for known, block in blocks:
        quantiles, later = error_quantiles(known), errors[:, block]
        judged[:, 0] += np.isfinite(later).sum(axis=(1, 2))
        for position, level in enumerate(levels):
            low, high = (np.argmin(np.abs(PROBABILITIES - p)) for p in ((1 - level / 100) / 2, (1 + level / 100) / 2))
            within = (later >= quantiles[:, None, :, low]) & (later <= quantiles[:, None, :, high])
            inside[:, position] += within.sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        coverage: Floats = np.where(judged > 0, inside / judged, np.nan)
    return coverage
