"""Boosted regression trees as arrays: stored as numbers alone, and evaluated with numpy alone."""

import io
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.series.arrays import Floats

KEPT = 256
"""Documents that are kept ready; a block of a hundred series has one."""

ROWS_AT_ONCE = 512
"""Rows that walk down all trees together: few enough for the processor's cache."""


@dataclass(frozen=True, slots=True)
class Trees:
    """T trees with N nodes, one tree after the other. A leaf is its own child.

    Attributes:
        start: what every forecast starts from; shape ().
        roots: the first node of each tree; shape (T,).
        depth: how many times a row asks at most; shape ().
        column: which column a node asks for; shape (N,).
        threshold: a row goes left if its value is not above; shape (N,).
        is_left_if_unknown: whether a row goes left whose value is NaN; shape (N,).
        left: the next node; shape (N,).
        right: the same for the other rows; shape (N,).
        value: what a leaf adds; shape (N,).
    """

    start: npt.NDArray[np.float64]
    roots: npt.NDArray[np.int32]
    depth: npt.NDArray[np.int32]
    column: npt.NDArray[np.int32]
    threshold: Floats
    is_left_if_unknown: npt.NDArray[np.bool_]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: Floats

    def predict(self, matrix: npt.NDArray[Any]) -> Floats:
        """The sum over the trees, each row by itself; shape (n,).

        Args:
            matrix: shape (n, P); NaN is not known.
        """
        found = np.empty(len(matrix))
        for begin in range(0, len(matrix), ROWS_AT_ONCE):
            rows = matrix[begin : begin + ROWS_AT_ONCE]
            # All trees at once, a row each: a step down is one look-up in arrays, not a walk in Python.
            node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
            row = np.arange(len(rows))[:, None]
            # As often as the deepest tree is deep: a leaf is its own child, so a row that is there stays.
            for _ in range(int(self.depth)):
                asked = rows[row, self.column[node]]
                goes_left = np.where(np.isnan(asked), self.is_left_if_unknown[node], asked <= self.threshold[node])
                node = np.where(goes_left, self.left[node], self.right[node])
            found[begin : begin + ROWS_AT_ONCE] = self.start + self.value[node].sum(axis=1)
        return found

    def to_bytes(self) -> bytes:
        """The document: the arrays as numpy's own archive, without pickles."""
        file = io.BytesIO()
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(file, **arrays)
        return file.getvalue()


@lru_cache(maxsize=KEPT)
def trees_from(document: bytes) -> Trees:
    """The inverse of `Trees.to_bytes`.

    Raises:
        ValueError: a child, a root or a column lies outside, so that a row would not come to an end.
    """
    # A stored document may come from anywhere: a pickle in it would run code.
    with np.load(io.BytesIO(document), allow_pickle=False) as arrays:
        trees = Trees(**{field.name: arrays[field.name] for field in fields(Trees)})
    count = len(trees.value)
    inside = [((nodes >= 0) & (nodes < count)).all() for nodes in (trees.roots, trees.left, trees.right)]
    if not all(inside) or trees.depth < 0 or trees.column.min(initial=0) < 0:
        raise ValueError("a document of trees names nodes that it does not have")
    return trees


def trees_of(estimator: Any) -> Trees:
    """The trees of a fitted `sklearn.ensemble.HistGradientBoostingRegressor` of the squared error.

    Scikit-learn shows them nowhere but in `_predictors`; whoever calls this compares what both say.
    """
    nodes = [predictors[0].nodes for predictors in estimator._predictors]
    roots = np.cumsum([0, *(len(of) for of in nodes)])[:-1]
    # Scikit-learn counts the nodes of each tree from 0; here they are counted through all trees.
    of_tree = np.repeat(roots, [len(of) for of in nodes])
    every = np.concatenate(nodes)
    is_leaf, own = every["is_leaf"].astype(bool), np.arange(len(every))
    return Trees(
        start=np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(()),
        roots=roots.astype(np.int32),
        depth=np.array(every["depth"].max(), dtype=np.int32),
        # What a leaf asks changes nothing, but it must be a column that every row has.
        column=np.where(is_leaf, 0, every["feature_idx"]).astype(np.int32),
        threshold=np.where(is_leaf, 0.0, every["num_threshold"]),
        is_left_if_unknown=every["missing_go_to_left"].astype(bool),
        left=np.where(is_leaf, own, of_tree + every["left"]).astype(np.int32),
        right=np.where(is_leaf, own, of_tree + every["right"]).astype(np.int32),
        value=np.where(is_leaf, every["value"], 0.0),
    )
