"""Nothing is learned from a period that is not normal, and nothing judged by it; without one nothing changes."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, recipe_from
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from
from forecasting_platform.forecasting.models.training.backtest import backtest
from forecasting_platform.forecasting.models.training.training import judge_intervals
from forecasting_platform.forecasting.promotion.evidence import compare_recipes
from forecasting_platform.forecasting.reports.model_card import model_card
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, NotNormalPeriod, not_normal_of
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform_tests.support.example_series import (
    END,
    days_after,
    features_of,
    observations,
    seasonal,
    trained,
)

START, STOP = date(2023, 3, 1), date(2023, 3, 30)
DECLARED = NotNormal((NotNormalPeriod(START, STOP, "strike", ("a",)),))
RECIPE = Recipe(backtest_days=200, refit_days=40)
WITHOUT = replace(RECIPE, not_normal=DECLARED)
DAYS = np.arange(np.datetime64(END) - 499, np.datetime64(END) + 1)
IS_OUT = DECLARED.mask(["a"], DAYS)[0]


def struck(factor: float) -> np.ndarray:
    values = seasonal(500)
    values[IS_OUT] *= factor
    return values


def test_what_the_values_of_the_period_are_changes_no_target() -> None:
    """Targets and actuals of two histories that differ in the period are the same; what was known differs."""
    one, other = (panel_from(features_of(observations({"a": struck(factor)}))) for factor in (0.6, 5.0))
    assert not np.array_equal(one.y, other.y)
    one, other = one.without(DECLARED), other.without(DECLARED)
    assert np.array_equal(one.targets, other.targets, equal_nan=True)
    assert np.array_equal(one.actuals(DAYS, 15), other.actuals(DAYS, 15), equal_nan=True)
    cut = one.until(STOP)
    assert np.isnan(cut.targets[0, -30:]).all()
    assert np.array_equal(one.newest_days(200).targets, one.targets[:, -200:], equal_nan=True)


def test_no_cell_of_a_backtest_is_of_the_period_or_made_in_it() -> None:
    panel = panel_from(features_of(observations({"a": struck(0.6), "b": seasonal(500, 1)})))
    results = backtest(panel, WITHOUT)
    ds = results.cutoffs[:, None] + np.arange(1, 16)
    touched = DECLARED.periods[0].holds(ds) | DECLARED.periods[0].holds(results.cutoffs)[:, None]
    assert np.isnan(results.served_errors[0][touched]).all()
    assert np.isfinite(results.served_errors[0][~touched & (ds <= panel.days[-1]) & results.scored[:, None]]).all()
    assert np.array_equal(np.isnan(results.y[1]), ds > panel.days[-1])
    inside = judge_intervals(results, panel).inside
    assert np.isnan(inside[0][touched]).all()


def test_a_declared_drop_of_long_ago_widens_intervals_less() -> None:
    """Two months of 60 % of the level, a year before the cutoff."""
    recipe, values = Recipe(backtest_days=500, refit_days=60), seasonal(900)
    values[450:510] *= 0.6
    start, end = (END - timedelta(days=900 - 1 - day) for day in (450, 509))
    declared = replace(recipe, not_normal=NotNormal((NotNormalPeriod(start, end, "pandemic"),)))
    widths = [_width(seasonal(900), recipe), _width(values, declared), _width(values, recipe)]
    assert widths[0] < widths[1] < 0.7 * widths[2]


def _width(values: np.ndarray, recipe: Recipe) -> float:
    model = trained({"a": values}, recipe).model
    lower, upper = model.predict(model.inputs(days_after(15))).bounds[80]
    return float((upper - lower).mean())


def test_a_recipe_without_periods_is_what_it_was() -> None:
    assert "not_normal" not in RECIPE.to_document()
    assert recipe_from(WITHOUT.to_document()) == WITHOUT
    # What happened is no other way to train: the champion's recipe with a new period is a refresh.
    assert WITHOUT.fingerprint == RECIPE.fingerprint
    values = {"a": seasonal(400), "b": seasonal(300, 2)}
    before = NotNormal((NotNormalPeriod(date(2010, 1, 1), date(2010, 2, 1), "long ago"),))
    one, other = (arrays_of(trained(values, recipe).model) for recipe in (RECIPE, replace(RECIPE, not_normal=before)))
    assert all(np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f") for name in one)


def test_the_periods_travel_with_the_model_and_stand_in_its_card() -> None:
    model = trained({"a": struck(0.6)}, WITHOUT).model
    document = json.loads(json.dumps(document_of(model)))
    assert not_normal_of(model_from(arrays_of(model), document).metadata) == DECLARED
    assert model.metadata["series"]["a"]["not_normal_days"] == 30
    assert "| 2023-03-01 | 2023-03-30 | strike | a |" in model_card(model)
    assert "not normal" not in model_card(trained({"a": seasonal(400)}, RECIPE).model)


def test_periods_that_leave_too_little_are_refused() -> None:
    whole = replace(RECIPE, not_normal=NotNormal((NotNormalPeriod(date(2000, 1, 1), date(2030, 1, 1), "pandemic"),)))
    with pytest.raises(ConfigurationError, match=r"leaves 0 of 400 days .* shorten or remove table 1, 2000-01-01"):
        trained({"a": seasonal(400)}, whole)


def test_a_series_whose_days_are_nearly_all_left_out_counts_as_new_and_stops_nobody() -> None:
    year = NotNormal((NotNormalPeriod(date(2023, 5, 5), END, "strike"),))
    model = trained({"a": seasonal(500), "b": seasonal(70, 3)}, replace(RECIPE, not_normal=year)).model
    assert model.is_new.tolist() == [False, True]


def test_a_promotion_leaves_the_periods_of_both_recipes_out_and_says_so() -> None:
    panel = panel_from(features_of(observations({"a": struck(0.6)})))
    later = replace(RECIPE.with_options("direct_ridge", penalty=1.0), not_normal=NotNormal())
    found = compare_recipes(panel, later, WITHOUT)
    assert found.left_out == {"days": 30, "series": 1, "periods": DECLARED.to_document()}
    ds = np.array([str(day) for day in found.challenger.cutoffs], dtype="datetime64[D]")
    assert not DECLARED.periods[0].holds(ds).any()
    assert compare_recipes(panel, later, RECIPE).left_out == {}
