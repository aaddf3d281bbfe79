"""Both recipes meet the same cells, and nothing scored is an error, not a decision."""

from dataclasses import replace

import numpy as np
import pytest

from forecasting_platform.errors import InsufficientHistoryError, MissingMetricError
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.promotion.evidence import compare_recipes
from forecasting_platform.forecasting.series.features.panel import Panel, panel_from
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal

NAIVES = default_recipe(15, "IE", ("naive", "seasonal_naive"))
NAIVE = default_recipe(15, "IE", ("naive",))


@pytest.fixture(scope="module")
def panel() -> Panel:
    gappy = seasonal(500, 6)
    gappy[380:410] = np.nan
    return panel_from(features_of(observations({"a": seasonal(500), "b": gappy, "new": seasonal(20)})))


def test_different_candidates_are_scored_on_identical_cutoffs(panel: Panel) -> None:
    comparison = compare_recipes(panel, NAIVES, NAIVE)
    assert comparison.champion is not None
    scored = [comparison.challenger, comparison.champion, *comparison.naive.values()]
    assert {len(evidence.loss) for evidence in scored} == {len(comparison.challenger.loss)}
    np.testing.assert_array_equal(comparison.champion.loss, comparison.naive["naive"].loss)
    assert comparison.champion.rmse == comparison.naive["naive"].rmse


def test_the_champion_is_judged_at_the_challengers_horizon_cutoffs_and_refits(panel: Panel) -> None:
    elsewhere = replace(NAIVE, horizon=3, backtest_days=90, refit_days=10)
    here, there = (compare_recipes(panel, NAIVES, champion).champion for champion in (NAIVE, elsewhere))
    assert here is not None
    assert there is not None
    np.testing.assert_array_equal(here.loss, there.loss)


def test_without_a_champion_there_is_evidence_of_the_challenger_alone(panel: Panel) -> None:
    comparison = compare_recipes(panel, NAIVES, None)
    assert comparison.champion is None
    assert comparison.challenger.coverage_80 is not None
    assert set(comparison.naive) == {"naive", "seasonal_naive"}


def test_the_loss_is_in_units_of_the_seasonal_naive_one() -> None:
    # One series in millions, one in units: neither decides alone.
    values = {"small": seasonal(400), "large": 1e6 * seasonal(400, 7)}
    comparison = compare_recipes(panel_from(features_of(observations(values))), NAIVES, None)
    assert comparison.naive["seasonal_naive"].mean_loss == pytest.approx(1.0, abs=0.05)
    assert comparison.challenger.rmse["large"] > 1e5 * comparison.challenger.rmse["small"]


def test_errors_are_weighed_by_hand() -> None:
    panel = panel_from(features_of(observations({"a": np.arange(60.0)})))
    naive = compare_recipes(panel, default_recipe(1, "IE", ("naive",)), None).naive
    np.testing.assert_allclose(naive["naive"].loss, 1 / 7)  # an error of 1 where the seasonal naive one is 7
    assert naive["naive"].rmse == {"a": pytest.approx(1.0)}


def test_a_constant_series_can_be_evaluated() -> None:
    comparison = compare_recipes(panel_from(features_of(observations({"a": np.full(200, 4.0)}))), NAIVES, NAIVE)
    assert comparison.challenger.mean_loss == 0


def test_nothing_scored_is_an_error() -> None:
    panel = panel_from(features_of(observations({"a": seasonal(100)})))
    with pytest.raises(MissingMetricError, match="not measured on any cutoff"):
        compare_recipes(panel, replace(NAIVES, backtest_days=2), None)


def test_too_short_a_history_is_refused() -> None:
    with pytest.raises(InsufficientHistoryError, match="longest has 10"):
        compare_recipes(panel_from(features_of(observations({"a": seasonal(10)}))), NAIVES, None)
