"""What the days of a series say of it as a whole: whether it is constant. One definition, for every reader.

What follows from it (who decides a promotion, what is answered) belongs to those who ask.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.calendar import Floats

ROUNDING = 1e-9
"""A series whose values differ by less than this share of their size differs by rounding only."""


def is_constant(values: Floats) -> npt.NDArray[np.bool_]:
    """Whether all known values along the last axis are one value; shape (...), False where none is known.

    A constant series is forecast exactly by anything, so no error of it tells a good model from a bad one.

    >>> is_constant(np.array([[0.0, np.nan, 0.0], [0.0, 0.0, 1.0], [np.nan, np.nan, np.nan]])).tolist()
    [True, False, False]
    """
    known = np.isfinite(values)
    low = np.min(values, axis=-1, where=known, initial=np.inf)
    high = np.max(values, axis=-1, where=known, initial=-np.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        same: npt.NDArray[np.bool_] = high - low <= ROUNDING * np.maximum(np.abs(low), np.abs(high))
    return same & known.any(axis=-1)


def undecided_series(metadata: Mapping[str, Any]) -> frozenset[str]:
    """The series of a model that are served and decide nothing: those that were constant in its backtest.

    Args:
        metadata: of the model; that of a version which does not know the word has none.

    >>> undecided_series({"series": {"a": {"constant": True}, "b": {"constant": False}, "c": {}}})
    frozenset({'a'})
    """
    return frozenset(name for name, of in metadata.get("series", {}).items() if of.get("constant"))
