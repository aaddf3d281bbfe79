"""A model can be trained on whatever a feed brings, and forecasts sanely."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from forecasting_platform.errors import InvalidRangeError, UnknownSeriesError
from forecasting_platform.forecasting.models.intervals import error_quantiles
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from
from forecasting_platform.forecasting.series.features.feature_table import fingerprint
from forecasting_platform_tests.support.example_series import (
    END,
    days_after,
    features_of,
    observations,
    seasonal,
    trained,
)

pytestmark = pytest.mark.slow

OUTAGE = seasonal(500)
OUTAGE[-3:] = 0.0
SHIFT = seasonal(500)
SHIFT[-1] += 200
EXTREME = seasonal(500)
EXTREME[250] = 1e6
GAP = seasonal(500)
GAP[400:430] = np.nan
ENDED = np.concatenate([seasonal(300), np.full(200, np.nan)])

CASES: dict[str, dict[str, list[float] | np.ndarray]] = {
    "constant": {"a": np.full(400, 5.0)},
    "zeros": {"a": np.zeros(400)},
    "20 days": {"a": seasonal(20)},
    "a month's gap": {"a": GAP},
    "an outage at the cutoff": {"a": OUTAGE},
    "a level shift the day before": {"a": SHIFT},
    "one extreme day": {"a": EXTREME},
    "a new series of 3 days": {"a": seasonal(400), "new": [1.0, 2.0, 3.0]},
    "one day": {"a": seasonal(400), "new": [7.0]},
    "negative values": {"a": seasonal(400) - 120},
    "a random walk": {"a": 100 + np.cumsum(np.random.default_rng(5).normal(0, 1, 500))},
}


def check_sane(model: ForecastModel, lowest: float) -> None:
    forecasts = model.predict(model.inputs(days_after(30)), levels=(50, 80, 95, 99))
    assert np.isfinite(forecasts.y_hat).all()
    previous_low = previous_high = forecasts.y_hat
    for level in (50, 80, 95, 99):
        low, high = forecasts.bounds[level]
        assert np.isfinite(low).all()
        assert np.isfinite(high).all()
        assert (low <= previous_low).all()
        assert (high >= previous_high).all()
        previous_low, previous_high = low, high
    if lowest >= 0:
        assert (forecasts.bounds[99][0] >= 0).all()


@pytest.mark.parametrize("name", CASES)
def test_degenerate_input_gives_finite_ordered_forecasts(name: str) -> None:
    training = trained(CASES[name])
    check_sane(training.model, min(float(np.nanmin(values)) for values in CASES[name].values()))
    assert json.loads(json.dumps(training.model.metadata, allow_nan=False)) == training.model.metadata


def test_a_series_that_ended_keeps_its_own_cutoff_beside_a_living_one() -> None:
    model = trained({"a": seasonal(500), "ended": ENDED}).model
    assert model.feature_days.astype(str).tolist() == ["2023-06-30", "2022-12-12"]


def test_learned_options_beat_the_naive_ones_on_a_seasonal_series() -> None:
    series = trained({"a": seasonal(900)}).model.metadata["series"]["a"]
    assert series["weights"]["direct_ridge"] + series["weights"]["exponential_smoothing"] > 0.8
    assert series["scores"]["skill_naive"] > 0.2
    assert series["scores"]["skill_seasonal_naive"] > 0.1


def test_a_series_that_nothing_beats_is_served_by_its_naive_forecast_and_says_so() -> None:
    model = trained(CASES["constant"]).model
    assert model.metadata["series"]["a"]["winner"] == "naive"
    assert set(model.predict(model.inputs(days_after(15))).y_hat) == {5.0}


def test_coverage_is_near_nominal_on_a_stationary_series() -> None:
    from forecasting_platform.forecasting.models.recipes.recipe import Recipe

    coverage = trained({"a": seasonal(1200)}, Recipe()).model.metadata["series"]["a"]["coverage"]
    assert coverage["80"] == pytest.approx(0.8, abs=0.06)
    assert coverage["95"] == pytest.approx(0.95, abs=0.04)


def test_a_model_survives_its_stored_form_bit_for_bit() -> None:
    model = trained({"a": seasonal(400), "b": GAP}).model
    copy = model_from(arrays_of(model), json.loads(json.dumps(document_of(model))))
    inputs = model.inputs(days_after(20))
    first, second = model.predict(inputs), copy.predict(inputs)
    np.testing.assert_array_equal(first.y_hat, second.y_hat)
    for level, bounds in first.bounds.items():
        np.testing.assert_array_equal(bounds, second.bounds[level])
    with pytest.raises(ValueError, match="format"):
        model_from(arrays_of(model), document_of(model) | {"format": 99})


def test_a_part_of_the_rows_is_forecast_as_in_the_whole() -> None:
    model = trained({"a": seasonal(400), "b": GAP}).model
    whole = model.predict(model.inputs(days_after(15)))
    part = model.predict(model.inputs(days_after(3), unique_ids=["b"]))
    np.testing.assert_array_equal(part.y_hat, whole.y_hat[15:18])


def test_a_candidate_that_explodes_is_replaced_by_the_naive_forecast() -> None:
    model = trained({"a": seasonal(400)}).model
    *others, ridge = model.candidates
    exploding = replace(ridge, intercept=np.full((1, 15), 1e9))  # type: ignore[call-arg] # a FittedDirectRidge
    broken = replace(model, candidates=(*others, exploding), weights=np.eye(len(model.candidates))[-1:])
    forecasts = broken.predict(broken.inputs(days_after(15)))
    np.testing.assert_array_equal(forecasts.y_hat, forecasts.y_hat_naive)


def test_beyond_the_horizon_forecasts_are_marked_and_their_interval_grows() -> None:
    model = trained({"a": seasonal(500)}).model
    forecasts = model.predict(model.inputs(days_after(366)), levels=(80,))
    assert forecasts.extrapolated.tolist() == [False] * 15 + [True] * 351
    low, high = forecasts.bounds[80]
    width = (high - low)[15:]
    assert width[0] >= (high - low)[:15].max()
    assert (np.diff(width) > 0).all()


def test_what_cannot_be_forecast_is_refused_with_a_sentence() -> None:
    model = trained({"a": seasonal(400)}).model
    with pytest.raises(UnknownSeriesError, match=r"'nobody'.*known are 'a'"):
        model.inputs(days_after(1), unique_ids=["nobody"])
    with pytest.raises(InvalidRangeError, match="does not lie after the newest observation 2023-06-30"):
        model.inputs([END])
    with pytest.raises(InvalidRangeError, match="at most 366 days"):
        model.inputs([date(2024, 7, 1)])


def test_newer_feature_rows_move_the_cutoff() -> None:
    rows = observations({"a": seasonal(500)}, date(2023, 7, 10))
    model = trained({"a": seasonal(490)}).model.with_features(features_of(rows, date(2023, 7, 10)).tail(1))
    inputs = model.inputs([date(2023, 7, 11)])
    assert inputs.cutoff.astype(str).tolist() == ["2023-07-10"]
    assert inputs.step.tolist() == [1]


def test_equal_data_have_equal_fingerprints_in_any_order() -> None:
    features = features_of(observations({"a": seasonal(50), "b": seasonal(40)}))
    assert fingerprint(features) == fingerprint(features.sample(frac=1, random_state=1))
    changed = features.assign(y=features["y"].where(features.index != 7, 0.0))
    assert fingerprint(features) != fingerprint(changed)


def test_quantiles_cover_fresh_errors_as_promised() -> None:
    rng = np.random.default_rng(0)
    quantiles = error_quantiles(rng.normal(0, 2, (1, 400, 5)))
    assert (np.diff(quantiles, axis=2) >= 0).all()
    fresh = rng.normal(0, 2, 20_000)
    low, high = quantiles[0, 2, 9], quantiles[0, 2, -10]
    assert np.mean((fresh >= low) & (fresh <= high)) == pytest.approx(0.8, abs=0.03)
