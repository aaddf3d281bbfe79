"""Scores by hand."""

from dataclasses import asdict

import numpy as np
import pytest

from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.models.training.backtest import backtest
from forecasting_platform.forecasting.models.training.scores import (
    mean_absolute,
    naive_errors,
    root_mean_square,
    seasonal_scale,
    series_scores,
)
from forecasting_platform.forecasting.series.features.panel import Panel, calendar_ahead, panel_from
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal

NAIVES = default_recipe(9, "IE", ("naive", "seasonal_naive"))


def panel_of(values: dict[str, np.ndarray]) -> Panel:
    return panel_from(features_of(observations(values)))


def test_what_is_not_known_is_left_out_and_nothing_known_is_not_a_number() -> None:
    assert root_mean_square(np.array([[3.0, np.nan], [-4.0, np.nan]])) == pytest.approx(np.sqrt(12.5))
    assert mean_absolute(np.array([3.0, -4.0, np.nan])) == 3.5
    assert np.isnan(root_mean_square(np.array([np.nan])))
    assert np.isnan(mean_absolute(np.array([])))


def test_the_scale_of_mase_is_the_mean_weekly_change() -> None:
    assert seasonal_scale(np.arange(20.0)) == 7.0
    assert np.isnan(seasonal_scale(np.ones(20)))
    assert np.isnan(seasonal_scale(np.arange(7.0)))


@pytest.mark.parametrize("option", [0, 1])
def test_naive_errors_are_those_of_the_naive_candidates(option: int) -> None:
    panel = panel_of({"a": seasonal(120), "b": seasonal(80, 2)})
    results = backtest(panel, NAIVES)
    np.testing.assert_array_equal(naive_errors(results, panel, NAIVES.names[option]), results.errors[option])


def test_scores_of_a_line_forecast_by_its_last_value() -> None:
    panel = panel_of({"a": np.arange(200.0)})
    results = backtest(panel, NAIVES)
    ((scores,),) = series_scores(results, panel, [results.errors[0]])
    assert scores.bias < 0  # the forecasts are too low
    assert scores.bias == -scores.mae
    assert scores.mase == pytest.approx(scores.mae / 7)
    assert scores.skill_naive == 0
    assert scores.skill_seasonal_naive > 0
    assert scores.rmse_by_bucket["1-3"] == pytest.approx(np.sqrt((1 + 4 + 9) / 3), rel=0.01)


def test_a_constant_series_has_no_mase_and_no_skill() -> None:
    panel = panel_of({"a": np.full(200, 3.0)})
    results = backtest(panel, NAIVES)
    ((found,),) = series_scores(results, panel, [results.errors[0]])
    scores = asdict(found)
    assert (scores["rmse"], scores["bias"]) == (0, 0)
    assert np.isnan([scores["mase"], scores["skill_naive"], scores["skill_seasonal_naive"]]).all()


def test_a_panel_is_cut_after_its_cutoff_and_knows_each_series_newest_row() -> None:
    ended = np.concatenate([np.arange(10.0), np.full(5, np.nan)])
    panel = panel_of({"a": np.arange(15.0), "ended": ended})
    assert panel.until(panel.days[9]).y.shape == (2, 10)
    newest, days = panel.newest()
    assert newest[:, 0].tolist() == [14.0, 9.0]
    assert (days - panel.days[0]).astype(int).tolist() == [14, 9]


def test_rows_and_actuals_are_those_of_the_cutoffs_and_not_known_where_not_observed() -> None:
    gappy = np.arange(20.0)
    gappy[15] = np.nan
    panel = panel_of({"a": gappy})
    cutoffs = panel.days[14:17]
    np.testing.assert_array_equal(panel.at(cutoffs)[0, :, 0], [14, np.nan, 16])
    np.testing.assert_array_equal(panel.actuals(cutoffs, 2)[0], [[np.nan, 16], [16, 17], [17, 18]])
    assert np.isnan(panel.actuals(panel.days[-1:], 2)).all()


def test_the_calendar_ahead_is_that_of_the_days_after_each_cutoff() -> None:
    cutoffs = np.array(["2023-06-30", "2023-07-03"], dtype="datetime64[D]")  # a Friday and a Monday
    assert calendar_ahead(cutoffs, 3, "IE")[:, :, 0].tolist() == [[5, 6, 0], [1, 2, 3]]
