"""The losses by which forecasts are judged: squared, absolute or pinball.

The first is least for the mean of what may come, the second for its median, and the third judges the whole
distribution: the weighted interval score (Bracher et al. 2021, doi:10.1371/journal.pcbi.1008618) of the point forecast
and the stored intervals, a mean of pinball losses. Of a forecast without intervals it is the absolute error.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.frames import LEVELS

Loss = Literal["squared", "absolute", "pinball"]


def losses_of(errors: Floats, loss: Loss, scores: Mapping[int, Floats] | None = None) -> Floats:
    """What `average` makes a loss of: errors for the squared one, else the losses themselves; NaN where not known.

    Args:
        errors: `y - y_hat`.
        scores: Winkler's interval score of each of `LEVELS`, of the same shape; None of a forecast without intervals.
    """
    if loss == "squared":
        return errors
    found: Floats = np.abs(errors)
    if loss == "absolute" or scores is None:
        return found
    # With these weights it approximates the continuous ranked probability score (Bracher et al. 2021).
    total = found / 2 + sum((1 - level / 100) / 2 * scores[level] for level in LEVELS)
    return np.asarray(total / (len(LEVELS) + 0.5))


def average(cells: Floats, loss: Loss, axis: int | tuple[int, ...]) -> Floats:
    """The mean over the known cells, of squares its root; NaN where there is none.

    >>> average(np.array([3.0, 4.0, np.nan]), "absolute", 0).item()
    3.5
    """
    known = np.isfinite(cells)
    found = np.where(known, cells, 0.0)
    with np.errstate(invalid="ignore"):
        if loss == "squared":
            return np.asarray(np.sqrt((found**2).sum(axis=axis) / known.sum(axis=axis)))
        return np.asarray(found.sum(axis=axis) / known.sum(axis=axis))


def interval_score(y: Floats, lower: Floats, upper: Floats, *, level: int) -> Floats:
    """Winkler's score: the width, and 2 / alpha for each unit outside."""
    outside = np.maximum(lower - y, 0.0) + np.maximum(y - upper, 0.0)
    score: Floats = upper - lower + 2 / (1 - level / 100) * outside
    return score
