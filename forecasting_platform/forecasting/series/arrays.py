"""The types of NumPy arrays that the forecasting packages share."""

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.datetime64]
"""Dates with the unit of a day."""
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def code_names(names: npt.NDArray[np.object_]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """The place of each name among the different ones, and these, ascending.

    Rows of a table are ordered by series: only the first of each run is looked up.

    >>> codes, different = code_names(np.array(["b", "b", "a"], dtype=object))
    >>> codes.tolist(), different
    ([1, 1, 0], ['a', 'b'])
    """
    if not len(names):
        return np.empty(0, np.int64), []
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]]))
    different, of_runs = np.unique(names[starts], return_inverse=True)
    return np.repeat(of_runs, np.diff(np.append(starts, len(names)))), different.tolist()
