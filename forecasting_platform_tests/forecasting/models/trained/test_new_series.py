"""A series that a model was not trained on is forecast from its first days, by what known ones teach, and marked."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecasting_platform.forecasting.block_training import join_blocks
from forecasting_platform.forecasting.models.intervals import PROBABILITIES
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe
from forecasting_platform.forecasting.models.trained.first_days import AGES, FirstDays, age_of, scale_of
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from
from forecasting_platform.forecasting.models.trained.new_series import answer_from
from forecasting_platform.forecasting.series.features.panel import feature_values
from forecasting_platform_tests.support.example_series import (
    END,
    days_after,
    features_of,
    observations,
    seasonal,
    trained,
)

KNOWN = {f"known {seed}": (seed + 1) * seasonal(500, seed, noise=8.0) for seed in range(8)}


@pytest.fixture(scope="module")
def model() -> ForecastModel:
    return trained(KNOWN).model


def newest(y: np.ndarray | list[float], name: str = "new") -> pd.DataFrame:
    """The newest feature row of a series whose first value was so many days ago."""
    return features_of(observations({name: np.asarray(y, dtype=float)})).tail(1)


def forecasts_of(model: ForecastModel, name: str = "new") -> pd.DataFrame:
    """The next horizon of one series, with its mark."""
    found = model.predict(model.inputs(days_after(model.horizon), unique_ids=[name]))
    return found.to_frame().assign(new_series=found.new_series)


@pytest.mark.parametrize("days", [1, 2, 7, 30, 59, 400])
def test_it_is_forecast_near_its_level_whatever_of_it_is_known(model: ForecastModel, days: int) -> None:
    found = forecasts_of(answer_from(model, newest(seasonal(days, 99))))
    assert found["new_series"].all()
    assert found["y_hat"].between(50, 150).all()
    assert (found["y_hat_lo_95"] < found["y_hat_lo_80"]).all()
    assert (found["y_hat_lo_80"] < found["y_hat"]).all()
    assert (found["y_hat_hi_80"] < found["y_hat_hi_95"]).all()
    assert (found["y_hat_lo_95"] >= 0).all()


def test_the_known_series_are_forecast_as_before_and_unmarked(model: ForecastModel) -> None:
    taken_in = answer_from(model, newest(seasonal(3)))
    for name in KNOWN:
        pd.testing.assert_frame_equal(forecasts_of(taken_in, name), forecasts_of(model, name))
    assert taken_in.unique_ids == (*model.unique_ids, "new")
    assert taken_in.states() == {"new": "new"}
    assert answer_from(model, newest(seasonal(3)).iloc[:0]).unique_ids == model.unique_ids


def test_the_more_days_are_known_the_narrower_are_its_intervals(model: ForecastModel) -> None:
    widths = []
    for days in (1, 7, 45):
        found = [forecasts_of(answer_from(model, newest(seasonal(days, seed)))) for seed in range(20)]
        widths.append(np.mean([(rows["y_hat_hi_80"] - rows["y_hat_lo_80"]).mean() for rows in found]))
    assert widths[0] > widths[2]
    assert widths[1] > widths[2]


@pytest.mark.parametrize("days", [1, 7, 30])
def test_zeros_alone_are_forecast_as_zero_with_room_for_what_others_are(model: ForecastModel, days: int) -> None:
    found = forecasts_of(answer_from(model, newest(np.zeros(days))))
    assert (found["y_hat"] == 0).all()
    assert (found["y_hat_lo_95"] == 0).all()
    assert (found["y_hat_hi_95"] > 0).all()


@given(
    y=arrays(np.float64, st.integers(1, 70), elements=st.floats(-1e9, 1e9, allow_subnormal=False)),
)
@settings(max_examples=60, deadline=None)
def test_any_first_days_lead_to_finite_forecasts_in_ordered_intervals(model: ForecastModel, y: np.ndarray) -> None:
    found = forecasts_of(answer_from(model, newest(y)))
    bounds = found[["y_hat_lo_95", "y_hat_lo_80", "y_hat", "y_hat_hi_80", "y_hat_hi_95"]]
    assert np.isfinite(bounds).all(axis=None)
    assert (np.diff(bounds, axis=1) >= 0).all()


@given(factor=st.sampled_from([1e-6, 0.5, 7.0, 1e6]), days=st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_a_forecast_has_the_unit_of_its_series(model: ForecastModel, factor: float, days: int) -> None:
    one, other = (forecasts_of(answer_from(model, newest(of * seasonal(days)))) for of in (1.0, factor))
    columns = ["y_hat", "y_hat_lo_80", "y_hat_hi_95"]
    np.testing.assert_allclose(other[columns], factor * one[columns], rtol=1e-9)


def test_a_negative_series_may_be_forecast_negative(model: ForecastModel) -> None:
    found = forecasts_of(answer_from(model, newest(-seasonal(20))))
    assert (found["y_hat"] < 0).all()
    assert (found["y_hat_lo_95"] < found["y_hat_lo_80"]).all()
    below = answer_from(trained({"a": seasonal(400) - 100, "b": seasonal(400)}).model, newest([1.0]))
    assert (forecasts_of(below)["y_hat_lo_95"] < 0).all(), "where others were negative, it may be too"


def test_its_input_rows_sent_back_give_the_same_forecasts(model: ForecastModel) -> None:
    taken_in = answer_from(model, newest(seasonal(5)))
    inputs = taken_in.inputs(days_after(15))
    again = taken_in.predict(type(inputs).from_records(inputs.to_records()))
    pd.testing.assert_frame_equal(again.to_frame(), taken_in.predict(inputs).to_frame())
    parts = taken_in.explain(inputs)
    np.testing.assert_allclose(parts.iloc[:, 2:].sum(axis=1), taken_in.predict(inputs).y_hat)


# ---- what is learnt


def test_what_was_learnt_survives_storing(model: ForecastModel) -> None:
    stored, document = arrays_of(model), document_of(model)
    row = newest(seasonal(5))
    again = answer_from(model_from(stored, document), row)
    pd.testing.assert_frame_equal(forecasts_of(again), forecasts_of(answer_from(model, row)))


def test_where_nothing_was_learnt_the_default_is_naive(model: ForecastModel) -> None:
    row = newest(seasonal(5))
    found = forecasts_of(answer_from(replace(model, first_days=FirstDays.default(model.candidates, 15)), row))
    assert found["new_series"].all()
    assert (found["y_hat"] == row["y"].item()).all()
    assert (found["y_hat_hi_80"] > found["y_hat"]).all()


def test_intervals_of_first_days_cover_what_they_promise_and_beat_naive_ones(model: ForecastModel) -> None:
    rng = np.random.default_rng(5)
    inside, scores = {80: [], 95: []}, {"ours": [], "naive": []}
    for seed in range(60):
        days, size = int(rng.integers(1, 60)), float(rng.uniform(0.1, 10))
        y = size * seasonal(days + 15, 100 + seed, noise=8.0)
        known, after = y[:days], y[days:]
        found = forecasts_of(answer_from(model, newest(known)))
        for level, found_inside in inside.items():
            found_inside.append(((after >= found[f"y_hat_lo_{level}"]) & (after <= found[f"y_hat_hi_{level}"])).mean())
        low, high = found["y_hat_lo_80"].to_numpy(), found["y_hat_hi_80"].to_numpy()
        scores["ours"].append(interval_score(after, low, high).mean() / size)
        spread = 1.28 * (np.diff(known).std() if days > 2 else known[0]) * np.sqrt(np.arange(1, 16))
        scores["naive"].append(interval_score(after, known[-1] - spread, known[-1] + spread).mean() / size)
    assert np.mean(inside[80]) >= 0.8
    assert np.mean(inside[95]) >= 0.95
    assert np.mean(scores["ours"]) < 0.7 * np.mean(scores["naive"])


def interval_score(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return high - low + 10 * (np.maximum(low - y, 0) + np.maximum(y - high, 0))


@pytest.mark.parametrize("options", [("naive",), ("seasonal_naive",), ("direct_ridge",), ()])
def test_whatever_a_recipe_may_use_it_forecasts_new_series(options: tuple[str, ...]) -> None:
    recipe = replace(default_recipe(15, "IE", options), backtest_days=200, refit_days=60)
    found = forecasts_of(
        answer_from(trained({"a": seasonal(400), "b": seasonal(400, 1)}, recipe).model, newest(seasonal(9)))
    )
    assert found["y_hat"].between(50, 150).all()


def test_several_panels_are_joined_into_what_they_say_on_average(model: ForecastModel) -> None:
    other = trained({f"z {seed}": seasonal(500, 20 + seed) for seed in range(3)}).model
    documents = [of.metadata | {"control": {"series": {}}} for of in (model, other)]
    both = join_blocks([replace(of, metadata=document) for of, document in zip((model, other), documents, strict=True)])
    parts = [of.first_days for of in (model, other)]
    np.testing.assert_allclose(both.first_days.errors, (parts[0].errors + parts[1].errors) / 2)
    (smoothing,) = (fit for fit in both.first_days.candidates if fit.name == "exponential_smoothing")
    assert smoothing.to_arrays()["smoothing"].dtype == np.int64
    assert (np.diff(both.first_days.errors, axis=2) >= 0).all()
    assert forecasts_of(answer_from(both, newest(seasonal(4))))["y_hat"].between(50, 150).all()


def test_no_known_series_gives_the_default() -> None:
    young = trained({"a": seasonal(40)}).model
    default = FirstDays.default(young.candidates, young.horizon)
    np.testing.assert_array_equal(young.first_days.errors, default.errors)
    assert not young.is_new.any(), "where all are young each is known by its own backtest"


@given(st.integers(1, 1000))
def test_an_age_is_the_youngest_that_it_can_be(days: int) -> None:
    age = AGES[age_of(np.array([days]))[0]]
    assert age <= days
    assert not any(age < other <= days for other in AGES)


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6)))
@settings(max_examples=50, deadline=None)
def test_a_scale_is_positive(y: np.ndarray) -> None:
    row = newest(y)
    assert scale_of(feature_values(row), row["observed_days"].to_numpy(), 1.0)[0] > 0


# ---- young at its training, and woken up


def test_a_series_of_few_days_at_its_training_is_new_and_has_wide_intervals() -> None:
    training = trained(KNOWN | {"young": seasonal(5), "other": seasonal(59)})
    model, series = training.model, training.model.metadata["series"]
    assert model.unique_ids == tuple(sorted([*KNOWN, "young", "other"]))
    assert {name for name, of in series.items() if of["new_series"]} == {"young", "other"}
    assert model.states() == {"young": "new", "other": "new"}
    found = forecasts_of(model, "young")
    assert found["new_series"].all()
    assert (found["y_hat_hi_80"] - found["y_hat_lo_80"] > 1).all(), "nothing was measured, so 0 would be a lie"
    # A month later more is known, and it is forecast by that.
    end = END + timedelta(days=30)
    row = features_of(observations({"young": seasonal(35)}, end), end).tail(1)
    later = answer_from(model, row)
    expected = later.first_days.errors[age_of(np.array([35]))[0]]
    scale = scale_of(feature_values(row), np.array([35]), 1.0)
    np.testing.assert_allclose(later.error_quantiles[later.unique_ids.index("young")], expected * scale)


def test_a_constant_series_that_wakes_up_is_forecast_as_a_new_one() -> None:
    model = trained(KNOWN | {"still": np.zeros(500)}).model
    asleep, awake = (answer_from(model, newest(np.append(np.zeros(499), last), "still")) for last in (0.0, 40.0))
    assert (asleep.states(), awake.states()) == ({"still": "constant"}, {"still": "new"})
    assert (forecasts_of(asleep, "still")[["y_hat_lo_95", "y_hat_hi_95"]] == 0).all(axis=None)
    found = forecasts_of(awake, "still")
    assert found["new_series"].all()
    assert (found["y_hat_hi_95"] > 20).all()


def test_default_errors_are_those_of_the_probabilities_of_a_model(model: ForecastModel) -> None:
    few = FirstDays.default(model.candidates, 15, np.array([0.1, 0.5, 0.9]))
    assert few.errors.shape == (len(AGES), 15, 3)
    assert model.first_days.errors.shape == (len(AGES), 15, len(PROBABILITIES))
    assert Recipe().horizon == model.horizon
