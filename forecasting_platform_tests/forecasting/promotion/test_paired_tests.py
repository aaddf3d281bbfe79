"""Tests of paired losses are as often wrong as they say, also when they are asked again and again."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from forecasting_platform.forecasting.promotion.paired_tests import (
    block_bootstrap_bound,
    chance_in_a_year,
    confidence_sequence,
    diebold_mariano,
    least_detectable,
    long_run_variance,
    running_variance,
)
from forecasting_platform.forecasting.series.arrays import Floats


def persistent(rows: int, days: int, phi: float, seed: int = 1) -> Floats:
    """Autoregressive differences without a mean; shape (rows, days)."""
    shocks = np.random.default_rng(seed).normal(0, 1, (rows, days + 50))
    values = np.zeros_like(shocks)
    for day in range(1, days + 50):
        values[:, day] = phi * values[:, day - 1] + shocks[:, day]
    return values[:, 50:]


def test_the_running_variance_is_that_of_the_days_so_far_and_never_too_small() -> None:
    differences = persistent(300, 240, 0.5)
    running = running_variance(differences, 15)
    for day in (60, 61, 120):
        np.testing.assert_allclose(running[:, day - 1], running_variance(differences[:, :day], 15)[:, -1])
    for phi in (0.0, 0.5, 0.64):
        differences = persistent(1000, 240, phi)
        claimed = np.sqrt(running_variance(differences, 15)[:, -1] / 240).mean()
        assert claimed > 0.95 * differences.mean(axis=1).std()


def test_the_variance_of_a_mean_is_the_one_statsmodels_finds_with_the_same_lags() -> None:
    differences = np.convolve(np.random.default_rng(3).normal(0, 1, 414), np.ones(15) / 15, mode="valid")
    fitted = OLS(differences, np.ones_like(differences)).fit(cov_type="HAC", cov_kwds={"maxlags": 29})
    assert long_run_variance(differences, 15) / 400 == pytest.approx(fitted.cov_params()[0, 0])


def test_the_variance_of_a_mean_is_not_less_than_it_is() -> None:
    for phi in (0.0, 0.5, 0.8):
        differences = persistent(2000, 640, phi)
        claimed = np.sqrt(long_run_variance(differences, 15) / 640).mean()
        # What is missing, the degrees of freedom make up for.
        assert claimed > 0.85 * differences.mean(axis=1).std()


def test_p_values_are_near_uniform_without_a_difference_and_small_with_one() -> None:
    found = diebold_mariano(persistent(400, 700, 0.5), 15)
    assert stats.kstest(found, "uniform").pvalue > 0.001
    assert 0.02 < np.mean(found < 0.05) < 0.10
    assert np.all(diebold_mariano(persistent(400, 700, 0.5) + 1.0, 15) < 0.01)


@pytest.mark.parametrize("losses", [np.zeros(50), np.full(50, 2.0), np.zeros(1), np.zeros(0)])
def test_nothing_to_tell_apart_is_never_significant(losses: Floats) -> None:
    assert float(diebold_mariano(losses - losses, 15)) == 1.0


def test_a_year_of_questions_is_wrong_as_seldom_as_one_chance() -> None:
    differences, window = persistent(600, 640 + 365, 0.3), 640
    chances = [
        chance_in_a_year(diebold_mariano(differences[:, day : day + window], 15), window) for day in range(0, 365, 15)
    ]
    assert np.mean(np.min(chances, axis=0) < 0.05) < 0.07


def test_the_chance_in_a_year_is_never_less_than_the_chance_now() -> None:
    p_values = np.logspace(-12, 0, 200)
    chances = chance_in_a_year(p_values, 640)
    assert np.all(chances >= np.minimum(p_values, 1.0))
    assert np.all(np.diff(chances) >= 0)


def test_bounds_that_are_looked_at_every_day_are_seldom_passed() -> None:
    # Errors that persist with 0.8 have losses that persist with 0.64.
    for phi in (0.0, 0.5, 0.64):
        lower, upper = confidence_sequence(persistent(1000, 365, phi), 0.05, horizon=15)
        assert np.mean(lower.max(axis=1) > 0) < 0.06
        assert np.mean(upper.min(axis=1) < 0) < 0.06


def test_bounds_say_nothing_before_four_horizons_and_find_a_difference_later() -> None:
    differences = persistent(50, 365, 0.3) + 0.8
    lower, upper = confidence_sequence(differences, 0.01, horizon=15)
    assert np.isinf(lower[:, :59]).all()
    assert np.isfinite(lower[:, 59:]).all()
    assert np.all(lower[:, -1] > 0)
    assert np.all(lower <= upper)


def test_the_least_detectable_difference_is_found_in_four_samples_of_five() -> None:
    noise = persistent(400, 640, 0.3)
    least = np.mean([least_detectable(sample, 0.03, 15) for sample in noise[:20]])
    found = chance_in_a_year(diebold_mariano(noise + least, 15), 640) < 0.03
    assert 0.7 < np.mean(found) < 0.9


def test_a_bootstrap_bound_is_repeatable_and_lies_below_the_mean() -> None:
    differences = persistent(1, 100, 0.5)[0] + 1.0
    bounds = {block_bootstrap_bound(differences, 0.95, 15, seed=3) for _ in range(3)}
    assert len(bounds) == 1
    assert bounds.pop() < differences.mean()
    # Fewer days than a block, too.
    assert block_bootstrap_bound(np.full(4, 2.0), 0.95, 15, seed=3) == pytest.approx(2.0)
