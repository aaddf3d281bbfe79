"""Nothing later than a cutoff reaches a forecast made at it; every option meets the same cells."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.models.combining import combination_weights
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe
from forecasting_platform.forecasting.models.training.backtest import backtest, fit_days
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal

pytestmark = pytest.mark.slow

RECIPE = Recipe(backtest_days=150, refit_days=50)


@pytest.mark.parametrize("split", [400, 420])  # the day after a fit, where a fit that looked ahead would show
@pytest.mark.parametrize("change", ["shuffled", "blanked", "huge"])
def test_no_value_after_a_cutoff_changes_a_forecast_of_any_candidate_at_it(change: str, split: int) -> None:
    values = seasonal(500, seed=3)
    later = {
        "shuffled": np.random.default_rng(1).permutation(values[split:]),
        "blanked": np.full(500 - split, np.nan),
        "huge": values[split:] * 1e4,
    }[change]
    changed = np.concatenate([values[:split], later])
    changed[-1] = values[-1]  # both end on the same day
    before = backtest(panel_from(features_of(observations({"a": values}))), RECIPE)
    after = backtest(panel_from(features_of(observations({"a": changed}))), RECIPE)
    known = before.cutoffs <= before.cutoffs[-1] - (500 - split)
    assert known.sum() > 50
    assert (before.fit_days[known].max() == before.cutoffs[known].max()) == (split == 400)
    np.testing.assert_array_equal(before.y_hat[:, :, known], after.y_hat[:, :, known])
    np.testing.assert_array_equal(before.weights[:, known], after.weights[:, known])


def test_forecasters_are_fitted_before_or_at_the_cutoff() -> None:
    results = backtest(panel_from(features_of(observations({"a": seasonal(500)}))), RECIPE)
    age = (results.cutoffs - results.fit_days).astype(int)
    assert age.min() == 0
    assert age.max() <= RECIPE.refit_days


def test_every_option_is_scored_on_the_same_cells() -> None:
    values = seasonal(500)
    values[300:330] = np.nan
    results = backtest(panel_from(features_of(observations({"a": values, "b": seasonal(200)}))), RECIPE)
    known = np.isfinite(results.errors)
    assert (known == known[:1]).all()
    assert known.any(axis=(0, 2, 3)).all()


def test_an_actual_counts_only_once_it_was_known() -> None:
    results = backtest(panel_from(features_of(observations({"a": seasonal(400)}))), RECIPE)
    day = results.cutoffs[60]
    known = results.known_at(day)[0, 0]
    ds = results.cutoffs[:60, None] + np.arange(1, 16)
    np.testing.assert_array_equal(known, np.where(ds <= day, results.errors[0, 0, :60], np.nan))


@pytest.mark.parametrize("days", [15, 20, 60, 400])
def test_a_short_history_is_backtested_on_what_there_is(days: int) -> None:
    panel = panel_from(features_of(observations({"a": seasonal(days)})))
    fits = fit_days(panel, Recipe())
    assert panel.days[0] < fits[0] <= panel.days[-1]
    assert np.isfinite(backtest(panel, Recipe()).errors).any()


def test_too_short_a_history_is_refused_with_the_days_needed() -> None:
    panel = panel_from(features_of(observations({"a": seasonal(14)})))
    with pytest.raises(InsufficientHistoryError, match=r"needs 15 days .* longest has 14"):
        backtest(panel, Recipe())


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(110, 158))
def test_neither_later_values_of_itself_nor_of_others_reach_a_forecast(seed: int, split: int) -> None:
    recipe = Recipe(horizon=4, backtest_days=60, refit_days=20)
    rng = np.random.default_rng(seed)
    values = {name: rng.normal(50, 10, 160) for name in "ab"}
    changed = {name: np.concatenate([y[:split], rng.normal(0, 1e3, 160 - split)]) for name, y in values.items()}
    before, after = (backtest(panel_from(features_of(observations(each))), recipe) for each in (values, changed))
    known = before.cutoffs <= before.cutoffs[-1] - (160 - split)
    np.testing.assert_array_equal(before.y_hat[:, :, known], after.y_hat[:, :, known])
    np.testing.assert_array_equal(before.weights[:, known], after.weights[:, known])
    assert not np.array_equal(before.y_hat, after.y_hat)


def test_an_error_is_the_actual_minus_the_forecast_of_its_own_day() -> None:
    values = np.arange(60.0)
    results = backtest(panel_from(features_of(observations({"a": values}))), default_recipe(15, "IE", ("naive",)))
    last = results.errors[0, 0]
    assert last[0].tolist() == list(np.arange(1.0, 16.0))
    assert last[-3, :2].tolist() == [1.0, 2.0]
    assert np.isnan(last[-3, 2:]).all()
    assert np.isnan(last[-1]).all()


def test_the_first_block_is_not_scored_and_has_no_weights() -> None:
    results = backtest(panel_from(features_of(observations({"a": seasonal(400)}))), RECIPE)
    assert np.isnan(results.weights[:, ~results.scored]).all()
    assert np.isnan(results.served_errors[:, ~results.scored]).all()
    np.testing.assert_allclose(results.weights[:, results.scored].sum(axis=2), 1.0)
    assert results.scored.sum() == 101  # the last cutoff is today, whose forecasts have no actual yet


def test_the_weights_of_a_cutoff_come_from_errors_known_at_its_fit_day() -> None:
    results = backtest(panel_from(features_of(observations({"a": seasonal(400), "b": seasonal(400, 5)}))), RECIPE)
    for fit_day in np.unique(results.fit_days)[1:]:
        expected = combination_weights(results.known_at(fit_day), RECIPE.prior, RECIPE.shrinkage)
        np.testing.assert_array_equal(
            results.weights[:, results.fit_days == fit_day].swapaxes(0, 1),
            np.broadcast_to(expected, ((results.fit_days == fit_day).sum(), *expected.shape)),
        )


@pytest.mark.parametrize(
    ("values", "better"),
    [(np.random.default_rng(0).normal(0, 1, 400).cumsum(), "naive"), (np.tile(np.arange(7.0), 58), "seasonal_naive")],
    ids=["a walk", "a week"],
)
def test_the_candidate_that_erred_less_until_then_weighs_more(values: np.ndarray, better: str) -> None:
    names = ["naive", "seasonal_naive"]
    recipe = replace(default_recipe(15, "IE", names), backtest_days=150, refit_days=50)
    results = backtest(panel_from(features_of(observations({"a": values}))), recipe)
    weights = results.weights[0, results.scored]
    assert (weights[:, names.index(better)] > 0.5).all()


def test_what_would_have_been_served_is_the_weighted_sum_of_the_candidates() -> None:
    results = backtest(panel_from(features_of(observations({"a": seasonal(400)}))), RECIPE)
    mixed = sum(weight * y_hat for weight, y_hat in zip(results.weights[0, -20], results.y_hat[:, 0, -20], strict=True))
    np.testing.assert_allclose(results.served_errors[0, -20], results.y[0, -20] - mixed, rtol=1e-9)


@pytest.mark.parametrize(
    ("days", "fits"), [(15, [6, 9, 12]), (20, [9, 14]), (60, [29, 44]), (400, [199, 290, 381]), (1000, [364, 455])]
)
def test_fits_start_with_half_a_short_history_or_a_year(days: int, fits: list[int]) -> None:
    panel = panel_from(features_of(observations({"a": np.arange(float(days))})))
    found = (fit_days(panel, Recipe()) - panel.days[0]).astype(int)
    assert found[: len(fits)].tolist() == fits
    assert found[-1] < days - 1
