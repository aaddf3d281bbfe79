"""Weights say what past errors say, and no more than those can carry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from forecasting_platform.forecasting.models.combining import combination_weights

EVEN = np.array([0.5, 0.5])


def drawn(seed: int, candidates: int, scales: tuple[float, ...] | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 1, (1, 2, 60, 3))
    own = rng.normal(0, 1, (candidates, 2, 60, 3))
    return shared + own * np.array(scales or (1.0,) * candidates)[:, None, None, None]


@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(0, 3))
def test_weights_are_none_below_zero_and_sum_to_one(seed: int, candidates: int, shrinkage: float) -> None:
    prior = np.full(candidates, 1 / candidates)
    weights = combination_weights(drawn(seed, candidates), prior, shrinkage)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-9)


@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 1.0])
def test_they_are_those_that_a_general_optimizer_finds(shrinkage: float) -> None:
    errors, prior = drawn(1, 4, (1.0, 0.4, 2.0, 0.5)), np.array([0.1, 0.2, 0.3, 0.4])
    cells = errors[:, 0].reshape(4, -1)
    unit = np.mean(cells**2)

    def cost(weights: np.ndarray) -> float:
        return float(np.mean((weights @ cells) ** 2) / unit + shrinkage * np.sum((weights - prior) ** 2))

    found = minimize(
        cost, prior, bounds=[(0, 1)] * 4, constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, tol=1e-12
    ).x
    np.testing.assert_allclose(combination_weights(errors, prior, shrinkage)[0], found, atol=1e-4)


def test_a_candidate_that_errs_much_less_takes_nearly_all() -> None:
    errors = np.concatenate([drawn(2, 1) * 10, drawn(3, 1)])
    assert combination_weights(errors, EVEN, 0.1)[:, 1].min() > 0.9


def test_the_prior_decides_where_evidence_is_dear() -> None:
    errors = np.concatenate([drawn(2, 1) * 2, drawn(3, 1)])
    np.testing.assert_allclose(combination_weights(errors, EVEN, 1e6), 0.5, atol=1e-3)


def test_without_evidence_or_without_errors_the_simplest_serves_alone() -> None:
    for errors in (np.full((2, 3, 4, 5), np.nan), np.zeros((2, 3, 4, 5)), np.empty((2, 3, 0, 5))):
        assert combination_weights(errors, EVEN, 0.1).tolist() == [[1.0, 0.0]] * 3


def test_a_cell_that_one_candidate_lacks_counts_for_none() -> None:
    errors = drawn(4, 2)
    changed = errors.copy()
    changed[0, :, :10] = np.nan
    changed[1, :, :10] = 1e9
    np.testing.assert_array_equal(
        combination_weights(changed, EVEN, 0.1), combination_weights(errors[:, :, 10:], EVEN, 0.1)
    )


def test_the_unit_of_a_series_does_not_matter() -> None:
    errors = drawn(5, 3)
    prior = np.full(3, 1 / 3)
    np.testing.assert_allclose(
        combination_weights(errors * 1e6, prior, 0.1), combination_weights(errors, prior, 0.1), rtol=1e-6
    )
