"""The weight of each candidate in a series' forecast, from past errors only.

Stacking (Bates & Granger 1969, doi:10.1057/jors.1969.103; Breiman 1996, doi:10.1007/BF00117832): the weights
of the least mean squared error, none negative, summing to 1, drawn towards a prior because
the errors of one short past are uncertain.
"""

from itertools import chain, combinations

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.candidates.solving import solve_each
from forecasting_platform.forecasting.models.losses import Loss
from forecasting_platform.forecasting.series.arrays import Floats

ABSOLUTE_ROUNDS = 30
LEAST_RESIDUAL = 1e-2
"""Of the mean residual; what is nearer counts no more."""


def combination_weights(errors: Floats, prior: Floats, shrinkage: float, loss: Loss = "squared") -> Floats:
    """Weights of K candidates in each series' forecast; shape (S, K), rows sum to 1.

    Args:
        errors: `y - y_hat`; shape (K, S, C, horizon). Only cells known for every candidate count.
        prior: the weights without evidence; shape (K,), sums to 1.
        shrinkage: how many times the candidates' mean squared error a squared distance from the prior costs.
        loss: what is least: of the absolute and the pinball loss the mean absolute error, by least squares that are
            weighed anew by the errors left (Schlossmacher 1973, doi:10.1080/01621459.1973.10481460).

    Returns:
        The first candidate alone, which is the simplest, where no error is known, all are 0, or they are too large to
        compare.

    >>> same = np.array([1.0, -1.0]).reshape(1, 1, 2, 1)
    >>> combination_weights(np.concatenate([same, -same]), np.array([0.5, 0.5]), 0.0).tolist()
    [[0.5, 0.5]]
    """
    # Only cells where every candidate's error is known: their products would otherwise be of different days.
    known = np.isfinite(errors).all(axis=0)
    cells = np.where(known, errors, 0.0).reshape(*errors.shape[:2], -1).swapaxes(0, 1)
    count = known.sum(axis=(1, 2))
    weights = _weigh(cells, count, prior, shrinkage)
    if loss == "squared":
        return weights
    for _ in range(ABSOLUTE_ROUNDS):
        left = np.abs(np.einsum("sk,skn->sn", weights, cells))
        least = LEAST_RESIDUAL * left.sum(axis=1) / np.maximum(count, 1)
        # Where nothing is left at all every cell counts alike.
        shares = 1 / np.sqrt(np.maximum(left, np.where(least > 0, least, 1.0)[:, None]))
        weights = _weigh(cells * shares[:, None], count, prior, shrinkage)
    return weights


def _weigh(cells: Floats, count: npt.NDArray[np.int64], prior: Floats, shrinkage: float) -> Floats:
    """The weights of the least squares of cells with shape (S, K, N)."""
    products, judged = cells @ cells.swapaxes(1, 2) / np.maximum(count, 1)[:, None, None], count > 0
    # The mean squared error over the candidates makes one shrinkage fit series of any size.
    unit = np.trace(products, axis1=1, axis2=2) / len(prior)
    judged &= unit > 0
    # w' products w is the mean squared error of the weighted sum; a squared distance from the prior is added to it.
    cost = products / np.where(judged, unit, 1.0)[:, None, None] + max(shrinkage, 1e-9) * np.eye(len(prior))
    weights = _least_on_simplex(cost, max(shrinkage, 1e-9) * prior)
    weights[~judged | ~(weights.sum(axis=1) > 0)] = np.eye(len(prior))[0]
    return weights


def _least_on_simplex(cost: Floats, pull: Floats) -> Floats:
    """The w >= 0 with sum 1 of the least w' cost w - 2 pull' w; shape (S, K).

    Every set of candidates that may carry weight is tried: there are few.
    """
    count = len(pull)
    supports = chain.from_iterable(combinations(range(count), size) for size in range(1, count + 1))
    best, least = np.zeros((len(cost), count)), np.full(len(cost), np.inf)
    for support in map(list, supports):
        weights = np.zeros_like(best)
        weights[:, support] = _least_on_plane(cost[:, support][:, :, support], pull[support])
        value = np.einsum("sk,skl,sl->s", weights, cost, weights) - 2 * weights @ pull
        # NaN, where the set has no solution, is never better.
        better = (weights >= 0).all(axis=1) & (value < least)
        best[better], least[better] = weights[better], value[better]
    return best


def _least_on_plane(cost: Floats, pull: Floats) -> Floats:
    """The same without w >= 0: Lagrange's multiplier of the sum in closed form."""
    # The gradient cost w - pull is the same for every candidate: w = cost⁻¹ pull + multiplier · cost⁻¹ 1, with sum 1.
    sides = np.broadcast_to(np.column_stack([pull, np.ones(len(pull))]), (len(cost), len(pull), 2))
    solved = solve_each(cost, sides)
    multiplier = (1 - solved[:, :, 0].sum(axis=1)) / solved[:, :, 1].sum(axis=1)
    weights: Floats = solved[:, :, 0] + multiplier[:, None] * solved[:, :, 1]
    return weights
