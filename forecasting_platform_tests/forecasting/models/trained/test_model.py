"""A model answers from rows alone: the same row, the same bits, whatever stands beside it."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.errors import ConfigurationError, InvalidRangeError, UnknownSeriesError
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe
from forecasting_platform.forecasting.models.trained.forecasts import PARTS
from forecasting_platform.forecasting.models.trained.lower_bounds import with_lower_bounds
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform_tests.support.example_series import (
    END,
    days_after,
    features_of,
    observations,
    seasonal,
    trained,
)

ENDED = np.concatenate([seasonal(300), np.full(400, np.nan)])


@pytest.fixture(scope="module")
def model() -> ForecastModel:
    return trained({"a": seasonal(400), "b": seasonal(300, 4) * 3, "c": np.arange(200.0)}).model


@pytest.fixture(scope="module")
def with_ended() -> ForecastModel:
    return trained({"living": seasonal(700), "ended": ENDED}).model


def some_rows(inputs: ModelInputs, rows: list[int]) -> ModelInputs:
    return ModelInputs(inputs.unique_id[rows], inputs.cutoff[rows], inputs.ds[rows], inputs.values[rows])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3 * 40 - 1), min_size=1, max_size=60))
def test_any_rows_in_any_order_are_forecast_as_in_the_whole_bit_for_bit(model: ForecastModel, rows: list[int]) -> None:
    inputs = model.inputs(days_after(40))
    whole, part = model.predict(inputs), model.predict(some_rows(inputs, rows))
    np.testing.assert_array_equal(part.y_hat, whole.y_hat[rows])
    for level, bounds in part.bounds.items():
        np.testing.assert_array_equal(bounds, np.array(whole.bounds[level])[:, rows])
    np.testing.assert_array_equal(part.y_hat_seasonal_naive, whole.y_hat_seasonal_naive[rows])


def test_no_forecast_and_no_interval_lies_below_a_declared_bound(model: ForecastModel) -> None:
    days = days_after(30)
    free = model.predict(model.inputs(days))
    bound = float(np.median(free.bounds[80][0][free.unique_id == "a"]))
    bounded = with_lower_bounds(model, {"a": bound}).predict(model.inputs(days))
    own = free.unique_id == "a"
    for values in (bounded.y_hat, *(lower for lower, _ in bounded.bounds.values())):
        assert values[own].min() >= bound
    np.testing.assert_array_equal(bounded.y_hat[~own], free.y_hat[~own])
    np.testing.assert_array_equal(bounded.bounds[95][0][own], np.maximum(free.bounds[95][0][own], bound))


@pytest.mark.parametrize(
    ("bounds", "problem"),
    [({"d": 0.0}, r"names 'd'; there are 'a', 'b'"), ({"a": 1e6}, r"whose newest value .* is lower")],
)
def test_a_bound_that_cannot_be_meant_is_refused_by_name(
    model: ForecastModel, bounds: dict[str, float], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"FORECASTING_LOWER_BOUNDS: .*{problem}"):
        with_lower_bounds(model, bounds)


def test_no_rows_have_no_forecasts(model: ForecastModel) -> None:
    assert len(model.predict(some_rows(model.inputs(days_after(1)), [])).y_hat) == 0


def test_intervals_widen_with_the_level_at_every_step(model: ForecastModel) -> None:
    levels = range(50, 100)
    forecasts = model.predict(model.inputs(days_after(60)), levels)
    low, high = np.swapaxes(np.array([forecasts.bounds[level] for level in levels]), 0, 1)
    assert (np.diff(low, axis=0) <= 0).all()
    assert (np.diff(high, axis=0) >= 0).all()
    assert (low[0] <= forecasts.y_hat).all()
    assert (high[0] >= forecasts.y_hat).all()


def test_an_interval_beyond_the_horizon_is_no_narrower_than_any_trained_one_on_either_side(
    model: ForecastModel,
) -> None:
    free = replace(model, lower_bound=np.full(3, -np.inf))
    forecasts = free.predict(free.inputs(days_after(60), unique_ids=["b"]), (80, 95))
    for low, high in forecasts.bounds.values():
        below, above = forecasts.y_hat - low, high - forecasts.y_hat
        assert (below[15:] >= below[:15].max()).all()
        assert (above[15:] >= above[:15].max()).all()
        assert (np.diff((high - low)[15:]) > 0).all()


@pytest.mark.parametrize("horizon", [1, 3, 30])
def test_another_horizon_is_trained_and_marked(horizon: int) -> None:
    recipe = Recipe(horizon=horizon, backtest_days=120, refit_days=40)
    model = trained({"a": seasonal(300)}, recipe).model
    forecasts = model.predict(model.inputs(days_after(40)))
    assert forecasts.extrapolated.tolist() == [step > horizon for step in range(1, 41)]
    assert model.error_quantiles.shape[1] == horizon
    assert np.isfinite(forecasts.y_hat).all()


def test_the_frame_of_forecasts_has_one_row_a_day_and_the_bounds_by_level(model: ForecastModel) -> None:
    frame = model.predict(model.inputs(days_after(2), unique_ids=["b", "a"]), (50,)).to_frame()
    assert frame["unique_id"].tolist() == ["a", "a", "b", "b"]
    assert frame["ds"].dt.day.tolist() == [1, 2, 1, 2]
    assert {"y_hat", "y_hat_lo_50", "y_hat_hi_50", "y_hat_naive", "y_hat_seasonal_naive"} <= set(frame.columns)


def test_series_are_found_by_name_and_unknown_ones_listed(model: ForecastModel) -> None:
    assert model.positions(["c", "a", "c"]).tolist() == [2, 0, 2]
    with pytest.raises(UnknownSeriesError, match=r"unknown series 'x', 'y'; known are 'a', 'b', 'c'"):
        model.positions(["y", "a", "x"])


def test_a_row_of_an_unknown_series_is_refused(model: ForecastModel) -> None:
    inputs = model.inputs(days_after(1))
    strange = replace(inputs, unique_id=np.array(["a", "b", "nobody"], dtype=object))
    with pytest.raises(UnknownSeriesError, match="'nobody'"):
        model.predict(strange)


def test_newer_rows_change_their_series_only_and_never_the_model_itself(model: ForecastModel) -> None:
    later = END + timedelta(days=5)
    rows = features_of(observations({"b": seasonal(50), "stranger": seasonal(50)}, later), later)
    moved = model.with_features(rows.groupby("unique_id").tail(1))
    assert moved.feature_days.astype(str).tolist() == ["2023-06-30", "2023-07-05", "2023-06-30"]
    np.testing.assert_array_equal(moved.features[[0, 2]], model.features[[0, 2]])
    assert model.feature_days.astype(str).tolist() == ["2023-06-30"] * 3
    assert model.with_features(rows.iloc[:0]).feature_days.tolist() == model.feature_days.tolist()


def test_a_series_that_ended_long_ago_does_not_keep_the_others_from_being_forecast(with_ended: ForecastModel) -> None:
    assert set(with_ended.inputs(days_after(15)).unique_id) == {"living"}
    with pytest.raises(InvalidRangeError, match="at most 366 days ahead"):
        with_ended.inputs(days_after(1), unique_ids=["ended"])


def test_a_day_that_no_series_reaches_is_refused(with_ended: ForecastModel) -> None:
    with pytest.raises(InvalidRangeError, match="at most 366 days ahead"):
        with_ended.inputs([date(2024, 7, 1)])
    assert len(with_ended.inputs([date(2024, 6, 30)])) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "its format is 99, this code reads 3"),
        ({"feature_names": ["y"]}, "other features"),
        ({"metadata": None}, None),
    ],
)
def test_a_stored_model_that_cannot_be_read_says_why(
    model: ForecastModel, change: dict[str, object], message: str | None
) -> None:
    document = document_of(model) | change
    if message is None:
        del document["metadata"]
    with pytest.raises(ValueError, match=message or "it lacks 'metadata'"):
        model_from(arrays_of(model), document)


def test_a_stored_model_without_an_array_says_which(model: ForecastModel) -> None:
    arrays = arrays_of(model)
    del arrays["error_quantiles"]
    with pytest.raises(ValueError, match="it lacks 'error_quantiles'"):
        model_from(arrays, document_of(model))


def test_a_negative_forecast_of_a_series_that_never_was_is_raised_to_zero() -> None:
    falling = np.concatenate([seasonal(380), np.linspace(80, 0, 20)])
    forecasts = trained({"a": falling}).model
    answers = forecasts.predict(forecasts.inputs(days_after(30)))
    assert answers.y_hat.min() >= 0
    assert answers.bounds[95][0].min() >= 0


def test_a_cutoff_after_the_newest_observation_is_the_models_cutoff_but_not_the_rows() -> None:
    features = features_of(observations({"a": seasonal(100)}))
    from forecasting_platform.forecasting.models.training.training import train

    model = train(features, END + timedelta(days=3), Recipe(), code_version="test").model
    assert model.cutoff == date(2023, 7, 3)
    assert model.inputs(days_after(4)[-1:]).step.tolist() == [4]
    assert pd.Timestamp(model.feature_days[0]) == pd.Timestamp(END)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3 * 40 - 1), min_size=1, max_size=40), st.floats(-3.0, 3.0))
def test_the_parts_of_a_forecast_add_up_to_it(model: ForecastModel, rows: list[int], size: float) -> None:
    inputs = some_rows(model.inputs(days_after(40)), rows)
    # Whatever the row holds, also where a bound or the sanity check takes over.
    inputs = replace(inputs, values=inputs.values * size)
    parts = model.explain(inputs)
    np.testing.assert_allclose(parts[list(PARTS)].sum(axis=1), model.predict(inputs).y_hat, rtol=1e-9, atol=1e-9)
    assert parts["unique_id"].tolist() == inputs.unique_id.tolist()


def test_weekly_and_yearly_parts_follow_the_season_and_no_holiday_adds_nothing() -> None:
    names = ("naive", "seasonal_naive", "exponential_smoothing", "direct_ridge")
    recipe = replace(default_recipe(15, "IE", names), backtest_days=200, refit_days=60)
    model = trained({"a": seasonal(1100, noise=1.0)}, recipe).model
    parts = model.explain(model.inputs(days_after(14))).set_index("ds")
    assert np.ptp(parts["weekly"]) == pytest.approx(15, abs=4)
    np.testing.assert_allclose(parts["level"], parts["level"].iloc[0])
    assert abs(parts["holiday"]).max() < 2


def test_a_forecast_replaced_by_the_naive_one_is_explained_as_such(model: ForecastModel) -> None:
    insane = replace(model, plausible=np.array([[1e6, 2e6]] * len(model.unique_ids)))
    inputs = insane.inputs(days_after(3))
    assert insane.predict(inputs).replaced.all()
    assert not model.predict(inputs).replaced.any()
    parts = insane.explain(inputs)
    assert (parts[["trend", "weekly", "yearly", "holiday"]] == 0).all(axis=None)
    np.testing.assert_allclose(parts["level"] + parts["recent"], inputs.column("y"), rtol=1e-12)
