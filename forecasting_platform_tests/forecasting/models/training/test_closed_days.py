"""Series that have no value on some days: what is forecast, what is not, and what a model keeps of their calendar."""

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.models.issuing import issue_forecasts, match_errors
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, recipe_from
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from
from forecasting_platform.forecasting.models.training.backtest import backtest
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.series_calendars import (
    DAILY,
    Calendars,
    SeriesCalendar,
    without_zeros_of_closed_days,
)
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform.forecasting.series.frames import LAGS
from forecasting_platform_tests.support.example_series import END, days_after, features_of, observations, seasonal

DAYS = 800
HOLIDAY = date(2023, 7, 4)
SHOP = DueDays(weekdays=(0, 1, 2, 3, 4, 5), closed=(DateRange(HOLIDAY, HOLIDAY),), closed_days_are="zero")
BANK = DueDays(weekdays=(0, 1, 2, 3, 4), closed=(DateRange(HOLIDAY, HOLIDAY),))
WEEKLY = DueDays(weekdays=(4,))
CALENDARS = Calendars(
    (
        SeriesCalendar(BANK, frozenset({"bank"})),
        SeriesCalendar(SHOP, frozenset({"shop"})),
        SeriesCalendar(WEEKLY, frozenset({"weekly"})),
    )
)
RECIPE = Recipe(backtest_days=200, refit_days=60, calendars=CALENDARS)


def rows_of(names: tuple[str, ...] = ("bank", "daily", "shop", "weekly")) -> pd.DataFrame:
    rows = observations({name: seasonal(DAYS, seed=position) for position, name in enumerate(names)})
    closed = CALENDARS.closed_rows(rows["unique_id"].tolist(), rows["ds"].to_numpy().astype("datetime64[D]"))
    return rows[~closed].reset_index(drop=True)


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    rows = rows_of()
    return build_features(rows, DateRange(rows["ds"].min().date(), END), "IE", calendars=CALENDARS)


@pytest.fixture(scope="module")
def model(features: pd.DataFrame) -> ForecastModel:
    return train(features, END, RECIPE, code_version="test").model


def test_a_day_on_which_nothing_is_due_is_not_forecast(model: ForecastModel) -> None:
    inputs = model.inputs(days_after(14))
    days = {name: inputs.ds[inputs.unique_id == name] for name in model.unique_ids}
    for name, due in (("bank", BANK), ("weekly", WEEKLY), ("daily", DueDays())):
        assert days[name].tolist() == [day for day in days_after(14) if due.is_due(np.array([day], "datetime64[D]"))[0]]
    assert len(days["shop"]) == 14, "its closed days are forecast as 0"


def test_a_closed_day_that_is_zero_is_forecast_as_zero_and_marked(model: ForecastModel) -> None:
    inputs = model.inputs(days_after(14), unique_ids=["shop"])
    found = model.predict(inputs)
    closed = ~SHOP.is_due(inputs.ds)
    assert closed.sum() == 3
    assert found.closed.tolist() == closed.tolist()
    zero = found.to_frame().loc[closed, [column for column in found.to_frame() if str(column).startswith("y_hat")]]
    assert (zero == 0).all(axis=None)
    assert (found.y_hat[~closed] > 50).all()
    parts = model.explain(inputs).drop(columns=["unique_id", "ds"]).sum(axis=1)
    np.testing.assert_allclose(parts, found.y_hat, atol=1e-9)
    again = model.predict(ModelInputs.from_frame(inputs.to_frame()))
    assert again.y_hat.tolist() == found.y_hat.tolist()


def test_a_range_without_a_due_day_has_no_rows_and_predicts_nothing(model: ForecastModel) -> None:
    inputs = model.inputs([END + timedelta(days=1), END + timedelta(days=2)], unique_ids=["bank"])
    assert len(inputs) == 0
    assert len(model.predict(inputs).y_hat) == 0
    assert model.explain(inputs).empty


def test_a_model_keeps_its_calendars_and_one_without_is_of_every_day(model: ForecastModel) -> None:
    document = json.loads(json.dumps(document_of(model)))
    assert model_from(arrays_of(model), document).calendars == CALENDARS
    del document["calendars"]
    assert model_from(arrays_of(model), document).calendars == DAILY


def test_a_recipe_keeps_its_calendars_and_one_without_says_nothing_of_them() -> None:
    assert recipe_from(json.loads(json.dumps(RECIPE.to_document()))) == RECIPE
    assert "calendars" not in Recipe().to_document()
    assert RECIPE.fingerprint != Recipe(backtest_days=200, refit_days=60).fingerprint


def test_forecasts_on_record_are_of_due_days_and_a_closed_day_has_no_error(
    model: ForecastModel, features: pd.DataFrame
) -> None:
    newest = features[features["ds"] == pd.Timestamp(END)]
    issued = issue_forecasts(model, newest, model_version="1", issued_at=datetime(2023, 7, 1, tzinfo=UTC))
    assert set(issued["unique_id"]) == {"bank", "daily", "shop", "weekly"}
    closed = CALENDARS.closed_rows(issued["unique_id"].tolist(), issued["ds"].to_numpy().astype("datetime64[D]"))
    assert set(issued.loc[closed, "unique_id"]) == {"shop"}
    assert (issued.loc[closed, "y_hat"] == 0).all()
    actuals = (
        issued[["unique_id", "ds"]].drop_duplicates().assign(y=0.0, available_at=pd.Timestamp("2023-08-01", tz="UTC"))
    )
    days = DateRange(END, END + timedelta(days=20))
    assert len(match_errors(issued, actuals, days, CALENDARS)) == (~closed).sum()


def test_a_backtest_scores_due_days_only(features: pd.DataFrame) -> None:
    # A value on a closed day, as of a feed whose calendar is not quite right, is known and not scored.
    sunday = pd.Timestamp("2023-06-25")
    odd = features[(features["unique_id"] == "daily") & (features["ds"] == sunday)].assign(unique_id="bank")
    panel = panel_from(pd.concat([features, odd], ignore_index=True))
    results = backtest(panel, RECIPE)
    days = results.cutoffs[:, None] + np.arange(1, RECIPE.horizon + 1)
    bank = results.unique_ids.index("bank")
    assert np.isfinite(panel.y[bank][panel.days == np.datetime64("2023-06-25")]).all()
    assert np.isnan(results.y[bank][days == np.datetime64("2023-06-25")]).all()
    assert np.isfinite(results.y[bank][days == np.datetime64("2023-06-23")]).all()


def test_a_lag_on_a_closed_day_is_the_value_of_the_due_day_before() -> None:
    rows = rows_of(("bank",))
    known = build_features(rows, DateRange(END, END), "IE", calendars=CALENDARS).iloc[0]
    values = rows.set_index("ds")["y"]
    assert END.weekday() == 4
    monday = build_features(rows[rows["ds"] <= "2023-06-26"], DateRange(date(2023, 6, 26), date(2023, 6, 26)), "IE",
                            calendars=CALENDARS).iloc[0]  # fmt: skip
    assert monday["lag_1"] == monday["lag_2"] == monday["lag_3"] == values["2023-06-23"]
    assert [known[f"lag_{lag}"] for lag in LAGS] == [
        values[: pd.Timestamp(END - timedelta(days=lag))].iloc[-1] for lag in LAGS
    ]  # fmt: skip


def test_zeros_of_closed_days_count_as_not_observed() -> None:
    rows = pd.DataFrame({
        "unique_id": ["shop", "shop", "shop", "bank"], "y": [0.0, 0.0, 7.0, 0.0],
        "ds": pd.to_datetime(["2023-06-24", "2023-06-25", "2023-06-18", "2023-06-25"]),
    })  # fmt: skip
    kept = without_zeros_of_closed_days(rows, CALENDARS)
    assert kept["ds"].dt.strftime("%m-%d").tolist() == ["06-24", "06-18", "06-25"]


def test_a_school_that_closes_for_the_summer_has_not_ended() -> None:
    summer = DateRange(date(2023, 5, 1), date(2023, 8, 31))
    values = {"school": np.where(np.arange(DAYS) < DAYS - 61, seasonal(DAYS), np.nan), "daily": seasonal(DAYS, seed=1)}
    open_days = Calendars((SeriesCalendar(DueDays(closed=(summer,)), frozenset({"school"})),))
    recipe = Recipe(backtest_days=200, refit_days=60, calendars=open_days)
    features = features_of(observations(values))
    known = train(features, END, recipe, code_version="test").model
    assert not known.ended_at()
    assert set(known.inputs(days_after(70)).unique_id) == {"daily", "school"}
    without = train(features, END, Recipe(backtest_days=200, refit_days=60), code_version="test").model
    assert set(without.ended_at()) == {"school"}


def test_a_calendar_of_every_day_changes_no_bit() -> None:
    values = {"a": seasonal(500), "b": np.where(np.arange(500) % 7 < 5, seasonal(500, seed=1), np.nan)}
    every_day = Calendars((SeriesCalendar(DueDays(lag_days=2)),))
    rows = observations(values)
    period = DateRange(rows["ds"].min().date(), END)
    features = build_features(rows, period, "IE")
    pd.testing.assert_frame_equal(features, build_features(rows, period, "IE", calendars=every_day), check_exact=True)
    plain, declared = (
        train(features, END, Recipe(backtest_days=200, refit_days=60, calendars=calendars), code_version="test").model
        for calendars in (DAILY, every_day)
    )
    assert {name: of.tobytes() for name, of in arrays_of(plain).items()} == {
        name: of.tobytes() for name, of in arrays_of(declared).items()
    }
    found = [model.predict(model.inputs(days_after(30))).to_frame() for model in (plain, declared)]
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_forecasts_of_days_that_are_all_due_are_those_of_before_calendars() -> None:
    """Written down before there were calendars; rounding may differ between machines, nothing else."""
    model = train(features_of(observations({"a": seasonal(500), "b": seasonal(500, seed=1)})), END,
                  Recipe(backtest_days=200, refit_days=60), code_version="test").model  # fmt: skip
    found = model.predict(model.inputs(days_after(3))).to_frame()
    np.testing.assert_allclose(found[list(GOLDEN)].to_numpy(), np.array(list(GOLDEN.values())).T, rtol=1e-7)
    assert Recipe().fingerprint == "97c81d7c2826fbca1b1da78b063eb2d9cf59efb9418868c5cb88c8c2213dfa6e"


GOLDEN: dict[str, list[float]] = {
    "y_hat": [86.84319195, 87.69431748, 70.97910412, 86.743101, 85.94439072, 71.54786726],
    "y_hat_lo_80": [81.85937737, 82.52582285, 65.93266151, 82.70265389, 81.78081111, 67.65697625],
    "y_hat_hi_95": [94.36242056, 95.13400319, 79.07767316, 94.71983593, 94.1762562, 79.60727431],
    "y_hat_seasonal_naive": [86.23996694, 91.42146833, 67.05337855, 89.0836683, 88.51033568, 71.58078358],
}
