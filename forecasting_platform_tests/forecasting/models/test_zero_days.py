"""Days of 0: learned without looking ahead, forecast as 0, and never learned from what may be chance."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from
from forecasting_platform.forecasting.models.training.backtest import backtest
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.models.zero_days import learn_zero_values, zero_columns
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.covariates.exogenous import KnownAtCutoff, KnownByTargetDay
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.features.panel import panel_from

HORIZON = 5
DAYS = pd.date_range("2022-01-03", periods=420)
END = DAYS[-HORIZON - 1].date()
DECLARED = (
    KnownAtCutoff("wind"),
    KnownByTargetDay("{series} open", known_days_ahead=HORIZON, days_ahead=HORIZON),
    KnownByTargetDay("{series} promotion", known_days_ahead=HORIZON, days_ahead=3),
)
RECIPE = Recipe(horizon=HORIZON, exogenous=DECLARED, backtest_days=150, refit_days=50)


def shop(is_open: Floats) -> pd.DataFrame:
    """The feature rows of a shop that sells nothing on days that are not open."""
    rng = np.random.default_rng(3)
    promotion = rng.integers(0, 2, len(DAYS)).astype(float)
    y = is_open * (100 + 20 * promotion + rng.normal(0, 4, len(DAYS)))
    each = {"shop": y, "shop open": is_open, "shop promotion": promotion, "wind": rng.normal(0, 1, len(DAYS))}
    rows = pd.concat([pd.DataFrame({"unique_id": name, "ds": DAYS, "y": of}) for name, of in each.items()])
    return build_features(rows, DateRange(DAYS[0].date(), DAYS[-1].date()), "IE", DECLARED)


IS_OPEN = (np.random.default_rng(5).random(len(DAYS)) > 0.1).astype(float)
IS_OPEN[-3] = 0.0


@pytest.fixture(scope="module")
def model() -> ForecastModel:
    return train(shop(IS_OPEN), END, RECIPE, code_version="test").model


def test_the_columns_are_those_of_plans_from_the_cutoff_day_on() -> None:
    found = zero_columns(DECLARED, HORIZON)
    names = np.array([*RECIPE.exogenous_columns, "none"])
    assert names[found[:, 0]].tolist() == ["open", *(f"open +{ahead}" for ahead in range(1, HORIZON + 1))]
    assert names[found[:, 1]].tolist() == ["promotion", "promotion +1", "promotion +2", "promotion +3", "none", "none"]


def test_a_closed_day_is_forecast_as_0_without_width_and_an_open_one_is_not(model: ForecastModel) -> None:
    np.testing.assert_array_equal(model.zero_values, [[0.0, np.nan]])
    inputs = model.inputs([END + timedelta(days=ahead) for ahead in range(1, HORIZON + 1)])
    found = model.predict(inputs)
    is_closed = IS_OPEN[-HORIZON:] == 0
    assert is_closed.any()
    assert not is_closed.all()
    for values in (found.y_hat, *found.bounds[80], *found.bounds[95]):
        np.testing.assert_array_equal(values == 0, is_closed)
    # A day beyond what is known of the covariates is like any other.
    assert model.predict(model.inputs([END + timedelta(days=HORIZON + 2)])).y_hat > 0
    explained = model.explain(inputs)
    np.testing.assert_allclose(explained.drop(columns=["unique_id", "ds"]).sum(axis=1), found.y_hat, atol=1e-9)


def test_the_backtest_forecasts_them_as_the_model_does() -> None:
    panel = RECIPE.view(panel_from(shop(IS_OPEN)))
    results = backtest(panel, RECIPE)
    of_closed_days = results.y_hat[:, results.y == 0]
    assert of_closed_days.size
    assert (of_closed_days == 0).all()
    assert (results.y_hat[RECIPE.names.index("direct_ridge"), results.y > 0] > 0).all()


def test_what_may_be_chance_or_has_an_exception_says_nothing() -> None:
    def learned(y: Floats, is_open: Floats) -> float:
        panel = RECIPE.view(panel_from(shop(is_open)))
        features = panel.features.copy()
        features[0, :, 0] = y
        return float(learn_zero_values(replace(panel, features=features), zero_columns(DECLARED, HORIZON))[0, 0])

    sales, closed = 5.0 + np.arange(len(DAYS)), np.arange(len(DAYS)) % 30 == 0
    is_open = np.where(closed, 0.0, 1.0)
    assert learned(is_open * sales, is_open) == 0
    sold_once = np.where(np.arange(len(DAYS)) == 60, 1.0, is_open * sales)
    assert np.isnan(learned(sold_once, is_open)), "a sale on a closed day"
    rarely = np.where(np.arange(len(DAYS)) % 20 == 7, sales, 0.0)
    assert np.isnan(learned(rarely, is_open)), "0 on most days anyway"
    few = np.where(np.arange(len(DAYS)) % 100 == 0, 0.0, 1.0)
    assert np.isnan(learned(few * sales, few)), "five days"


def test_they_are_stored_and_a_model_without_them_is_stored_as_before(model: ForecastModel) -> None:
    stored = arrays_of(model)
    again = model_from(stored, document_of(model))
    np.testing.assert_array_equal(again.zero_values, model.zero_values)
    np.testing.assert_array_equal(again.zero_columns, model.zero_columns)
    without = replace(model, zero_values=np.full((1, 2), np.nan))
    old = {name: values for name, values in stored.items() if not name.startswith("zero_")}
    assert arrays_of(without).keys() == old.keys()
    inputs = model.inputs([date(2023, 2, 22)])
    read = model_from(old, document_of(model))
    np.testing.assert_array_equal(read.predict(inputs).y_hat, without.predict(inputs).y_hat)
