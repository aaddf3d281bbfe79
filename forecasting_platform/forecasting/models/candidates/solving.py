"""Solves the linear equations of many series at once; one that has no solution does not stop the others."""

import numpy as np

from forecasting_platform.forecasting.series.arrays import Floats


def solve_each(matrices: Floats, sides: Floats) -> Floats:
    """The solutions of many systems; NaN of one that is singular.

    Args:
        matrices: shape (..., P, P).
        sides: shape (..., P, K).

    >>> solve_each(np.array([[[2.0]], [[0.0]]]), np.array([[[4.0]], [[1.0]]])).ravel().tolist()
    [2.0, nan]
    """
    try:
        together: Floats = np.linalg.solve(matrices, sides).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        solved = np.full_like(sides, np.nan)
        for place in np.ndindex(*matrices.shape[:-2]):
            try:
                solved[place] = np.linalg.solve(matrices[place], sides[place])
            except np.linalg.LinAlgError:
                continue
        return solved
    return together
