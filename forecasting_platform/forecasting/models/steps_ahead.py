"""Days ahead: how far a forecast reaches, which trained step answers, and the groups in which errors are judged."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import InvalidRangeError
from forecasting_platform.forecasting.series.arrays import Days

MAX_HORIZON_DAYS = 366
"""A forecast may reach this many days beyond its cutoff."""
_GROUPS = ((1, 3), (4, 7), (8, 15))
"""First and last step of each group in which errors are judged."""
TRAINED_BUCKETS = {f"{first}-{last}": slice(first - 1, last) for first, last in _GROUPS}
"""The groups as positions of trained steps. MLflow allows no plus in a metric's name, so the last has an end."""
FIRST_STEPS = tuple(first for first, _last in _GROUPS)
"""The first step of each group."""
STEP_BUCKETS = (*[*TRAINED_BUCKETS][:-1], f"{_GROUPS[-1][0]}+")
"""The names of the same groups for steps beyond the trained ones too: the last has no end."""


def bucket_of(step: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Positions in `STEP_BUCKETS`.

    >>> bucket_of(np.array([1, 3, 4, 7, 8, 60])).tolist()
    [0, 0, 1, 1, 2, 2]
    """
    return np.searchsorted(FIRST_STEPS[1:], step, side="right")


def trained_step(step: npt.NDArray[np.int64], horizon: int) -> npt.NDArray[np.int64]:
    """The trained step that answers a step: itself, and beyond the horizon the same weekday of its last week.

    >>> trained_step(np.array([1, 15, 16, 22, 23]), 15).tolist()
    [1, 15, 9, 15, 9]
    >>> trained_step(np.array([1, 2, 3, 4]), 2).tolist()
    [1, 2, 1, 2]
    """
    period = min(7, horizon)
    return np.where(step <= horizon, step, horizon - period + 1 + (step - horizon - 1) % period)


def refuse_unreachable(days: Sequence[date], cutoffs: Days) -> None:
    """Refuse days that cannot be forecast from some cutoffs.

    Raises:
        InvalidRangeError: the first does not lie after the newest cutoff, or the last lies more than `MAX_HORIZON_DAYS`
            after the oldest.
    """
    first, last = np.datetime64(min(days), "D"), np.datetime64(max(days), "D")
    oldest, newest = cutoffs.min(), cutoffs.max()
    if first <= newest:
        raise InvalidRangeError(f"{first} does not lie after the newest observation {newest}; ask for later days")
    if (last - oldest).astype(int) > MAX_HORIZON_DAYS:
        raise InvalidRangeError(
            f"{last} lies {(last - oldest).astype(int)} days after the newest observation {oldest}; "
            f"at most {MAX_HORIZON_DAYS} days ahead can be forecast"
        )
