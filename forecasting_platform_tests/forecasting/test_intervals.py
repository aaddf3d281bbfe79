"""Intervals hold what they promise, for few errors as for many."""

import numpy as np
import pytest

from forecasting_platform.forecasting.intervals import (
    LEAST_ERRORS,
    PROBABILITIES,
    error_quantiles,
    walk_forward_coverage,
)

AT = {probability: int(np.argmin(np.abs(PROBABILITIES - probability))) for probability in (0.025, 0.1, 0.9, 0.975)}


def held(sample: np.ndarray, fresh: np.ndarray, low: float, high: float) -> float:
    quantiles = error_quantiles(sample[None, :, None])[0, 0]
    return float(np.mean((fresh >= quantiles[AT[low]]) & (fresh <= quantiles[AT[high]])))


@pytest.mark.parametrize("errors", [10, 30, 300])
def test_fresh_errors_fall_inside_as_often_as_promised_whatever_the_sample(errors: int) -> None:
    rng = np.random.default_rng(errors)
    shares = [held(rng.gamma(2.0, 1.0, errors), rng.gamma(2.0, 1.0, 200), 0.1, 0.9) for _ in range(400)]
    assert np.mean(shares) == pytest.approx(0.8, abs=0.02)


def test_the_95_percent_interval_holds_too() -> None:
    rng = np.random.default_rng(1)
    shares = [held(rng.normal(0, 1, 60), rng.normal(0, 1, 200), 0.025, 0.975) for _ in range(400)]
    assert np.mean(shares) == pytest.approx(0.95, abs=0.01)


def test_quantiles_never_fall_with_the_probability() -> None:
    rng = np.random.default_rng(2)
    errors = rng.normal(5, 3, (3, 40, 15))
    errors[1, :, 10:] = np.nan
    errors[2, 5:] = np.nan
    assert (np.diff(error_quantiles(errors), axis=2) >= 0).all()


def test_a_longer_side_stays_longer() -> None:
    quantiles = error_quantiles(np.random.default_rng(3).gamma(1.0, 1.0, (1, 500, 1)))[0, 0]
    assert quantiles[AT[0.9]] - np.median(quantiles) > 1.5 * (np.median(quantiles) - quantiles[AT[0.1]])


def test_few_errors_are_pooled_over_steps_as_a_random_walk_grows() -> None:
    steps = np.sqrt(np.arange(1, 5))
    errors = np.tile(steps, (1, 4, 1)) * np.array([1.0, -1.0, 2.0, -2.0])[None, :, None]
    assert errors.size < LEAST_ERRORS
    quantiles = error_quantiles(errors)[0]
    np.testing.assert_allclose(quantiles, quantiles[:1] * steps[:, None], atol=1e-12)


def test_a_step_with_enough_errors_knows_its_neighbours_only() -> None:
    errors = np.zeros((1, LEAST_ERRORS, 6))
    errors[0, :, 5] = 100.0
    quantiles = error_quantiles(errors)[0]
    assert np.ptp(quantiles[:4]) == 0
    assert quantiles[4:].max() == 100.0


def test_without_errors_the_interval_has_no_width() -> None:
    assert (error_quantiles(np.full((1, 10, 3), np.nan)) == 0).all()
    assert (error_quantiles(np.empty((1, 0, 3))) == 0).all()


def test_coverage_counts_later_errors_by_quantiles_of_earlier_ones() -> None:
    rng = np.random.default_rng(4)
    errors = rng.normal(0, 1, (2, 400, 3))
    errors[1] = np.nan
    known = np.where(np.arange(400)[:, None] < 200, errors, np.nan)
    coverage = walk_forward_coverage(errors, [(known, slice(200, 400))], (80, 95))
    np.testing.assert_allclose(coverage[0], [0.8, 0.95], atol=0.06)
    assert np.isnan(coverage[1]).all()
    assert np.isnan(walk_forward_coverage(errors, [], (80,))).all()
