"""Intervals hold what they promise, for few errors as for many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting_platform.forecasting.models.intervals import (
    ADAPTATION_RATE,
    MIN_ERRORS,
    PROBABILITIES,
    WalkForward,
    adapt_quantiles,
    adapt_widths,
    calm_volatility,
    error_quantiles,
    volatility_scale,
    walk_forward,
)
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.backtest import backtest
from forecasting_platform.forecasting.models.training.training import judge_intervals
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal

AT = {probability: int(np.argmin(np.abs(PROBABILITIES - probability))) for probability in (0.025, 0.1, 0.9, 0.975)}

Q = len(PROBABILITIES)


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
    assert errors.size < MIN_ERRORS
    quantiles = error_quantiles(errors)[0]
    np.testing.assert_allclose(quantiles, quantiles[:1] * steps[:, None], atol=1e-12)


def test_a_step_with_enough_errors_knows_its_own_only() -> None:
    errors = np.zeros((1, MIN_ERRORS, 6))
    errors[0, :, 5] = 100.0
    quantiles = error_quantiles(errors)[0]
    assert (quantiles[:5] == 0).all()
    assert (quantiles[5] == 100.0).all()


def test_what_is_not_known_is_left_out() -> None:
    errors = np.random.default_rng(6).normal(0, 1, (2, 90, 2))
    gappy = np.insert(errors, [3, 50], np.nan, axis=1)
    np.testing.assert_array_equal(error_quantiles(gappy), error_quantiles(errors))


def test_without_errors_the_interval_has_no_width() -> None:
    assert (error_quantiles(np.full((1, 10, 3), np.nan)) == 0).all()
    assert (error_quantiles(np.empty((1, 0, 3))) == 0).all()


@given(
    st.lists(st.floats(-50, 50), min_size=Q, max_size=Q).map(sorted),
    st.floats(-1.6, 1.6),
    st.floats(-1.6, 1.6),
)
def test_adapted_quantiles_never_cross_whatever_the_widths(
    values: list[float], width_80: float, width_95: float
) -> None:
    quantiles = np.array(values) - values[Q // 2]
    found = adapt_quantiles(quantiles[None, None], np.array([[width_80, width_95]]))[0, 0]
    assert (np.diff(found) >= 0).all()
    np.testing.assert_allclose(found[AT[0.9]], np.exp(width_80) * quantiles[AT[0.9]], rtol=1e-9, atol=1e-9)


def test_a_level_that_misses_too_often_grows_and_one_that_never_misses_shrinks() -> None:
    widths = np.zeros((1, 2))
    for _ in range(50):
        widths = adapt_widths(widths, np.array([[0.5, 0.0]]))
    assert widths[0, 0] > 0 > widths[0, 1]
    np.testing.assert_array_equal(adapt_widths(widths, np.full((1, 2), np.nan)), widths)
    assert adapt_widths(np.full((1, 2), 99.0), np.ones((1, 2))).max() == np.log(5)


def test_a_restless_day_is_wider_and_a_series_that_never_changed_is_calm() -> None:
    features = np.full((2, 50, len(FEATURE_NAMES)), 4.0)
    features[1] = 0.0
    features[0, 7] = np.nan
    calm = calm_volatility(features)
    assert calm.tolist() == [pytest.approx(0.4), np.inf]
    scales = volatility_scale(np.array([[4.0, 4.0], [4.0, 8.0], [8.0, 8.0]]), np.repeat(calm[0], 3))
    assert (np.diff(scales) > 0).all()
    assert volatility_scale(np.array([5.0, 5.0]), np.array(np.inf)) == 1.0


def walked(errors: np.ndarray, rate: float = ADAPTATION_RATE, refit: int = 60) -> WalkForward:
    cutoffs = np.datetime64("2021-01-01") + np.arange(errors.shape[1])
    return walk_forward(
        errors, np.ones(errors.shape[:2]), cutoffs, cutoffs[np.arange(len(cutoffs)) // refit * refit], rate=rate
    )


def test_only_blocks_after_the_second_fit_are_judged_and_by_what_was_known_then() -> None:
    errors = np.random.default_rng(7).normal(0, 1, (2, 300, 4))
    errors[1] = np.nan
    found = walked(errors)
    assert np.isnan(found.inside[0, :120]).all()
    assert np.isfinite(found.inside[0, 120:]).all()
    assert np.isnan(found.coverage()[1]).all()
    louder = errors.copy()
    louder[:, 200:] *= 100
    np.testing.assert_array_equal(walked(louder).inside[:, :196], found.inside[:, :196])


def test_the_interval_score_is_its_width_and_what_lies_beyond() -> None:
    errors = np.tile([-1.0, 1.0], (1, 90, 1)).reshape(1, 180, 1)
    errors[0, 150] = 11.0
    found = walked(errors, rate=0.0)
    assert found.score[0, 149, 0, 0] == 2.0
    assert found.score[0, 150, 0, 0] == pytest.approx(2 + 2 / 0.2 * 10)


@pytest.mark.slow
def test_through_level_and_variance_shifts_coverage_stays_and_costs_no_more_than_static_intervals() -> None:
    """Forecasts, volatility and correction as in production: twice the noise for 120 days, and 3 sigmas up and down."""
    rng = np.random.default_rng(11)
    noise = np.repeat([3.0, 6.0, 3.0], [1300, 120, 245])
    level = np.repeat([0.0, 9.0, 0.0], [1420, 120, 125])
    values = {f"{n:02d}": seasonal(1665, n, noise=0.0) + level + noise * rng.normal(0, 1, 1665) for n in range(16)}
    panel = panel_from(features_of(observations(values)))
    results = backtest(panel, Recipe(backtest_days=730))
    judged = judge_intervals(results, panel)
    calm = np.ones(results.y.shape[:2])
    static = walk_forward(results.served_errors, calm, results.cutoffs, results.fit_days, rate=0)
    shifted = slice(-380, -15)  # 365 cutoffs that begin with the first shift
    coverage = np.nanmean(judged.inside[:, shifted], axis=(0, 1, 2))
    np.testing.assert_allclose(coverage, [0.80, 0.95], atol=0.02)
    scores = [np.nanmean(found.score[:, shifted], axis=(0, 1, 2)) for found in (judged, static)]
    assert (scores[0] <= scores[1]).all()
    assert (np.nanmean(static.inside[:, shifted], axis=(0, 1, 2)) < [0.78, 0.93]).all()
