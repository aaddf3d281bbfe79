"""Nothing later than a cutoff reaches a forecast made at it; every option meets the same cells."""

import numpy as np
import pytest

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.backtesting import backtest, best_options, fit_days
from forecasting_platform.forecasting.panel import panel_from
from forecasting_platform.forecasting.recipe import Recipe
from forecasting_platform_tests.forecasting.series import features_of, observations, seasonal

RECIPE = Recipe(backtest_days=150, refit_days=50)


@pytest.mark.parametrize("change", ["shuffled", "blanked", "huge"])
def test_no_value_after_a_cutoff_changes_a_forecast_of_any_candidate_at_it(change: str) -> None:
    values = seasonal(500, seed=3)
    split = 420
    later = {
        "shuffled": np.random.default_rng(1).permutation(values[split:]),
        "blanked": np.full(80, np.nan),
        "huge": values[split:] * 1e4,
    }[change]
    changed = np.concatenate([values[:split], later])
    changed[-1] = values[-1]  # both end on the same day
    before = backtest(panel_from(features_of(observations({"a": values}))), RECIPE)
    after = backtest(panel_from(features_of(observations({"a": changed}))), RECIPE)
    known = before.cutoffs < before.cutoffs[-1] - (499 - split)
    assert known.sum() > 50
    # The order of a sum may differ by a rounding; a leak would differ by far more.
    np.testing.assert_allclose(before.y_hat[:, :, known], after.y_hat[:, :, known], rtol=1e-9)
    np.testing.assert_array_equal(before.selected[:, known], after.selected[:, known])


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
    known = np.isfinite(results.known_at(day)[0, 0])
    ds = results.cutoffs[:, None] + np.arange(1, 16)
    np.testing.assert_array_equal(known, (ds <= day) & np.isfinite(results.errors[0, 0]))


def test_the_winner_of_past_cutoffs_is_chosen_and_a_tie_goes_to_the_simpler() -> None:
    errors = np.array([3.0, 1.0, 1.0, 2.0]).reshape(4, 1, 1, 1)
    assert best_options(errors).tolist() == [1]
    assert best_options(np.full((3, 2, 1, 1), np.nan)).tolist() == [0, 0]


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
