"""What a recipe is judged by: squared, absolute or pinball loss, for its weights and for its promotion."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.models.combining import combination_weights
from forecasting_platform.forecasting.models.losses import Loss, average, interval_score, losses_of
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, recipe_from
from forecasting_platform.forecasting.promotion.evidence import compare_recipes
from forecasting_platform.forecasting.promotion.rule import verify_decision
from forecasting_platform.forecasting.promotion.shadow import measure_shadow
from forecasting_platform.forecasting.series.features.panel import Panel, panel_from
from forecasting_platform.forecasting.series.frames import LEVELS
from forecasting_platform.services.backtests.judgement import judge
from forecasting_platform.services.backtests.recipe_backtest import backtest_features
from forecasting_platform_tests.forecasting.promotion.decided import NOISE, judged
from forecasting_platform_tests.support.example_errors import UNIT, errors
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal

RECIPE = Recipe(backtest_days=200, refit_days=40)


def skewed() -> np.ndarray:
    """A series with rare, large peaks."""
    values = seasonal(450)
    values[np.random.default_rng(1).random(450) < 0.06] += 150
    return values


@pytest.fixture(scope="module")
def panel() -> Panel:
    return panel_from(features_of(observations({"a": skewed(), "b": seasonal(450, 2)})))


def test_the_pinball_loss_is_the_weighted_interval_score() -> None:
    y, y_hat, bounds = np.array([3.0, 30.0]), np.array([5.0, 5.0]), {80: (2.0, 9.0), 95: (0.0, 12.0)}
    scores = {level: interval_score(y, *map(np.full_like, (y, y), of), level=level) for level, of in bounds.items()}
    assert scores[80].tolist() == pytest.approx([7.0, 7.0 + 2 / 0.2 * 21])
    expected = [(2 / 2 + 0.1 * 7 + 0.025 * 12) / 2.5, (25 / 2 + 0.1 * 217 + 0.025 * (12 + 40 * 18)) / 2.5]
    assert losses_of(y - y_hat, "pinball", scores).tolist() == pytest.approx(expected)
    # An interval without width leaves the absolute error.
    point = {level: interval_score(y, y_hat, y_hat, level=level) for level in LEVELS}
    assert losses_of(y - y_hat, "pinball", point).tolist() == pytest.approx(np.abs(y - y_hat).tolist())


@pytest.mark.parametrize("loss", ["absolute", "pinball"])
def test_weights_have_the_least_absolute_error(loss: Loss) -> None:
    rng = np.random.default_rng(0)
    errors = rng.standard_t(1.5, (2, 3, 200, 4)) + np.array([2.0, -1.0])[:, None, None, None]
    errors[:, 1, :50] = np.nan
    weights = combination_weights(errors, np.array([0.5, 0.5]), 1e-9, loss)
    for series in range(3):
        tried = [
            np.nanmean(np.abs(w * errors[0, series] + (1 - w) * errors[1, series])) for w in np.linspace(0, 1, 401)
        ]
        found = np.nanmean(np.abs(np.einsum("k,kch->ch", weights[series], errors[:, series])))
        assert found < 1.002 * min(tried)
    squared = combination_weights(errors, np.array([0.5, 0.5]), 1e-9)
    assert np.abs(weights - squared).max() > 0.02


def test_nothing_left_to_weigh_by_is_weighed_as_before() -> None:
    same = np.zeros((2, 1, 5, 3))
    assert combination_weights(same, np.array([0.5, 0.5]), 0.1, "absolute").tolist() == [[1.0, 0.0]]
    one = np.stack([np.zeros((1, 5, 3)), np.ones((1, 5, 3))])
    assert combination_weights(one, np.array([0.0, 1.0]), 1e-6, "absolute")[0, 0] > 0.99


@pytest.mark.parametrize("loss", ["absolute", "pinball"])
def test_both_recipes_and_the_naive_forecasts_are_judged_by_the_challengers_loss(panel: Panel, loss: Loss) -> None:
    found = compare_recipes(panel, replace(RECIPE, loss=loss), RECIPE)
    squared = compare_recipes(panel, RECIPE, RECIPE)
    naive = found.naive["seasonal_naive"]
    assert naive.by_series.keys() == found.challenger.by_series.keys() == {"a", "b"}
    for unique_id in ("a", "b"):
        known = naive.by_series[unique_id]
        assert np.nanmean(known) == pytest.approx(1.0, abs=0.1)
        assert found.challenger.unit[unique_id] < squared.challenger.unit[unique_id]
    assert found.challenger.mean_loss < naive.mean_loss
    assert found.challenger.rmse["a"] > 0
    # Of the same errors: the mean of the absolute ones in units of the naive forecast's.
    assert found.champion is not None
    assert found.champion.mean_loss != squared.challenger.mean_loss


def test_the_pinball_loss_sees_the_intervals(panel: Panel) -> None:
    """Points that are equal and intervals that are not: only the pinball loss tells them apart."""
    both = {loss: compare_recipes(panel, replace(RECIPE, loss=loss), RECIPE) for loss in ("absolute", "pinball")}
    assert both["pinball"].challenger.mean_loss < both["absolute"].challenger.mean_loss


def test_a_verdict_says_by_what_it_was_judged() -> None:
    features = features_of(observations({"a": skewed()}))
    idea, today = (
        backtest_features(features, recipe, name=name)
        for name, recipe in (("idea", replace(RECIPE, loss="absolute")), ("today", RECIPE))
    )
    decision = judge(idea, today).decision
    assert decision.evidence["inputs"]["loss"] == "absolute"
    assert "judged by the absolute loss" in decision.reason
    assert verify_decision(decision) == "same"
    assert "loss" not in judged(NOISE, NOISE).evidence["inputs"]


def test_shadow_days_are_judged_by_the_loss() -> None:
    both = pd.concat([errors("1", 1.0, days=8), errors("2", 2.0, days=8)])
    for loss in ("squared", "absolute", "pinball"):
        shadow = measure_shadow(both, ["2"], ["1"], UNIT, loss)  # type: ignore[arg-type] # one of the losses
        assert shadow is not None
        if loss != "pinball":
            np.testing.assert_allclose(shadow.challenger, 2 * shadow.champion)
        else:
            assert not np.allclose(shadow.challenger, 2 * shadow.champion)


def test_a_recipe_of_squared_errors_is_what_it_was() -> None:
    assert "loss" not in RECIPE.to_document()
    absolute = replace(RECIPE, loss="absolute")
    assert recipe_from(absolute.to_document()) == absolute
    assert absolute.fingerprint != RECIPE.fingerprint
    cells = np.array([[3.0, np.nan, -4.0]])
    assert average(cells, "squared", 1).tolist() == [np.sqrt(12.5)]
