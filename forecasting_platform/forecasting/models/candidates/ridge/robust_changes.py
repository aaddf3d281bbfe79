"""Clips changes of a series to what is usual for it, so that one outage does not decide a regression."""

import numpy as np

from forecasting_platform.forecasting.series.arrays import Floats

SCALE_DAYS = 375
"""About as many changes, evenly spread, give the robust scale of a step: sorting all would take longest of all."""


def clip_changes(changes: Floats, sigmas: float) -> Floats:
    """Changes within median ± some robust sigmas: one outage then does not decide a regression.

    The robust sigma is 1.4826 × the median absolute deviation; where more than half of the changes
    are equal (a plateau) it is 0, and the standard deviation takes its place.

    Args:
        changes: along the last axis; NaN stays NaN.

    >>> round(float(np.nanmax(clip_changes(np.array([0.0, 1.0, -1.0, 2.0, -2.0, 100.0]), 3.0))), 2)
    7.17
    """
    sample = changes[..., :: max(1, changes.shape[-1] // SCALE_DAYS)]
    middle = _median(sample)
    sigma = 1.4826 * _median(np.abs(sample - middle))
    sigma = np.where(sigma > 0, sigma, _standard_deviation(changes, sigma))
    bounded: Floats = np.clip(changes, middle - sigmas * sigma, middle + sigmas * sigma)
    return bounded


def _median(values: Floats) -> Floats:
    """Of the known values along the last axis, which is kept; NaN if none (numpy's own loops over rows)."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    # The one or two values in the middle of those that are known.
    middle = [np.take_along_axis(ordered, np.maximum(count + last, 0) // 2, axis=-1) for last in (-1, 0)]
    return np.where(count > 0, (middle[0] + np.minimum(middle[1], np.inf)) / 2, np.nan)


def _standard_deviation(values: Floats, where_zero: Floats) -> Floats:
    if (where_zero > 0).all():
        return where_zero
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    # In two passes, first the mean: Σx² - n · mean² of large values that differ little loses every digit.
    centred = np.where(known, values, 0.0)
    centred = np.where(known, values - centred.sum(axis=-1, keepdims=True) / count, 0.0)
    deviation: Floats = np.sqrt(np.square(centred).sum(axis=-1, keepdims=True) / count)
    return deviation
