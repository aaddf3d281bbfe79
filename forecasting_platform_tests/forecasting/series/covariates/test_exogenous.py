"""What is known of the weather helps, and nothing that was not known yet can be reached."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply, simulate_weather
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.candidates.registry import DEFAULTS
from forecasting_platform.forecasting.models.candidates.ridge import ridge_equations
from forecasting_platform.forecasting.models.candidates.ridge.ridge_equations import _seasonal_mean
from forecasting_platform.forecasting.models.candidates.ridge.ridge_regressors import seasonal_basis
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe, recipe_from
from forecasting_platform.forecasting.models.trained.forecasts import PARTS
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of, model_from
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.monitoring.control.drift import exogenous_features
from forecasting_platform.forecasting.promotion.evidence import compare_recipes
from forecasting_platform.forecasting.series.covariates.exogenous import (
    Exogenous,
    KnownAtCutoff,
    KnownInAdvance,
    exogenous_document,
    exogenous_from,
)
from forecasting_platform.forecasting.series.covariates.exogenous_values import exogenous_values, refuse_never_known
from forecasting_platform.forecasting.series.days.calendar import yearly_waves
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features, fingerprint
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.inputs import INPUT_NAMES, InvalidInputsError, ModelInputs
from forecasting_platform.forecasting.series.features.panel import calendar_ahead, panel_from
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES
from forecasting_platform_tests.support.drift_reports import drift_report

DEMAND = "Non-daily metered demand"
WEATHER: tuple[Exogenous, ...] = (KnownAtCutoff("Temperature"), KnownInAdvance("Temperature +{step}"))
PERIOD = DateRange(date(2018, 1, 1), date(2020, 12, 31))
DAYS = [PERIOD.end + timedelta(days=step) for step in range(1, 19)]


def long(wide: pd.DataFrame) -> pd.DataFrame:
    return wide.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")


@pytest.fixture(scope="module")
def observations() -> pd.DataFrame:
    return pd.concat([long(simulate_gas_supply(PERIOD)[[DEMAND]]), long(simulate_weather(PERIOD))], ignore_index=True)


@pytest.fixture(scope="module")
def features(observations: pd.DataFrame) -> pd.DataFrame:
    return build_features(observations, PERIOD, "IE", WEATHER)


@pytest.fixture(scope="module")
def model(features: pd.DataFrame) -> ForecastModel:
    recipe = default_recipe(15, "IE", DEFAULTS, WEATHER)
    return train(features, PERIOD.end, recipe, code_version="test").model


def test_exogenous_series_have_no_rows_and_stand_in_those_of_others(features: pd.DataFrame) -> None:
    assert features["unique_id"].unique().tolist() == [DEMAND]
    known = json.loads(features["exogenous"].iloc[-1])
    assert known == simulate_weather(PERIOD).iloc[-1].to_dict()


def test_the_other_features_are_those_without_the_weather(observations: pd.DataFrame, features: pd.DataFrame) -> None:
    alone = build_features(observations[observations["unique_id"] == DEMAND], PERIOD, "IE")
    assert alone["exogenous"].isna().all()
    pd.testing.assert_frame_equal(features.drop(columns="exogenous"), alone.drop(columns="exogenous"))


def test_a_row_is_the_same_in_whatever_range_it_is_built(observations: pd.DataFrame, features: pd.DataFrame) -> None:
    last = DateRange(PERIOD.end - timedelta(days=2), PERIOD.end)
    pd.testing.assert_frame_equal(
        build_features(observations, last, "IE", WEATHER), features.tail(3).reset_index(drop=True)
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(400, 1000), st.integers(0, 3), st.sampled_from([np.nan, 1e6]))
def test_no_later_value_changes_what_was_known_at_a_cutoff(
    observations: pd.DataFrame, day: int, delay: int, value: float
) -> None:
    cutoff = PERIOD.start + timedelta(days=day)
    delayed = tuple(replace(declared, delay_days=delay) for declared in WEATHER)
    # Of a series that is known late, the newest days are not known yet.
    seen = np.where(observations["unique_id"] == DEMAND, 0, delay)
    later = observations["ds"] + pd.to_timedelta(seen, unit="D") > pd.Timestamp(cutoff)
    blanked = observations.assign(y=observations["y"].mask(later, value)).dropna()
    only = DateRange(cutoff, cutoff)
    pd.testing.assert_frame_equal(
        build_features(blanked, only, "IE", delayed), build_features(observations, only, "IE", delayed)
    )


def test_what_comes_late_speaks_of_a_day_that_is_so_much_nearer() -> None:
    weather = pd.DataFrame({"unique_id": "wind +3", "ds": pd.to_datetime(["2020-01-01"]), "y": [7.0]})
    value = pd.DataFrame({"unique_id": "y", "ds": pd.date_range("2020-01-01", "2020-01-04"), "y": 1.0})
    days = DateRange(date(2020, 1, 1), date(2020, 1, 4))
    built = build_features(pd.concat([weather, value]), days, "IE", [KnownInAdvance("wind +{step}", delay_days=2)])
    assert built["exogenous"].tolist() == [None, None, '{"wind +1": 7.0}', None]


def test_what_is_known_only_when_its_day_is_past_becomes_no_column_and_is_not_forecast_either() -> None:
    weather = pd.DataFrame({"unique_id": "wind +2", "ds": pd.to_datetime(["2020-01-01"]), "y": [7.0]})
    value = pd.DataFrame({"unique_id": "y", "ds": pd.date_range("2020-01-01", "2020-01-04"), "y": 1.0})
    days = DateRange(date(2020, 1, 1), date(2020, 1, 4))
    built = build_features(pd.concat([weather, value]), days, "IE", [KnownInAdvance("wind +{step}", delay_days=2)])
    assert built["unique_id"].unique().tolist() == ["y"]
    assert built["exogenous"].isna().all()


def test_a_weather_forecast_makes_demand_forecasts_better_on_the_same_cutoffs(features: pd.DataFrame) -> None:
    compared = compare_recipes(panel_from(features), default_recipe(15, "IE", exogenous=WEATHER), Recipe())
    assert compared.champion is not None
    assert compared.challenger.by_step["1-3"].mean() < 0.65 * compared.champion.by_step["1-3"].mean()
    assert compared.challenger.mean_loss < compared.champion.mean_loss


def test_a_measured_temperature_alone_brings_next_to_nothing(features: pd.DataFrame) -> None:
    alone = default_recipe(15, "IE", exogenous=WEATHER[:1])
    compared = compare_recipes(panel_from(features), alone, Recipe())
    assert compared.champion is not None
    assert compared.challenger.mean_loss == pytest.approx(compared.champion.mean_loss, rel=0.06)


def test_the_block_of_the_backtest_forecasts_as_the_model_does(model: ForecastModel) -> None:
    ridge = next(candidate for candidate in model.candidates if candidate.name == "direct_ridge")
    inputs = model.inputs(DAYS[:15])
    calendar = inputs.values[None, :, len(FEATURE_NAMES) : len(INPUT_NAMES)]
    block = ridge.predict_block(InputBlock(inputs.cutoff[:1], model.features[:, None], calendar, model.exogenous))
    np.testing.assert_allclose(block[0, 0], ridge.predict(inputs, np.zeros(15, dtype=np.int64)))


def test_a_value_that_is_not_known_counts_as_its_mean_of_the_season(model: ForecastModel) -> None:
    ridge = next(candidate for candidate in model.candidates if candidate.name == "direct_ridge")
    inputs, own = model.inputs(DAYS), len(model.features[0]) - len(model.exogenous)
    values = inputs.values.copy()
    basis = seasonal_basis(yearly_waves(inputs.cutoff + 1))
    values[:, -len(model.exogenous) :] = basis @ ridge.exogenous_mean[0].T  # type: ignore[attr-defined] # a DirectRidge
    unknown = replace(model, features=np.hstack([model.features[:, :own], np.full((1, len(model.exogenous)), np.nan)]))
    answered = unknown.predict(unknown.inputs(DAYS))
    forecasts = answered.y_hat
    # Never silently: each forecast that would have been made of the value says so.
    np.testing.assert_array_equal(answered.lacks_exogenous, np.arange(len(DAYS)) < 15)
    np.testing.assert_allclose(forecasts, model.predict(replace(inputs, values=values)).y_hat)
    assert not np.allclose(forecasts[:15], model.predict(inputs).y_hat[:15])
    # Beyond the horizon no column speaks of the day.
    np.testing.assert_array_equal(forecasts[15:], model.predict(inputs).y_hat[15:])


@pytest.mark.parametrize("candidate", ["direct_ridge", "pooled_trees"])
def test_without_its_values_a_forecast_is_about_as_good_as_one_that_never_had_them(
    features: pd.DataFrame, candidate: str
) -> None:
    panel = panel_from(features)
    fitted = np.datetime64("2019-12-31")
    cutoffs = panel.days[(panel.days > fitted) & (panel.days < panel.days[-15])]
    ahead, actuals = calendar_ahead(cutoffs, 15, "IE"), panel.actuals(cutoffs, 15)
    rmse = {}
    for name, exogenous in (("unknown", WEATHER), ("never known", ())):
        recipe = default_recipe(15, "IE", (candidate,), exogenous)
        own = panel.with_exogenous(recipe.exogenous_columns)
        rows = own.at(cutoffs)
        rows[:, :, len(FEATURE_NAMES) :] = np.nan
        forecasts = recipe.fit(own.until(fitted))[-1].predict_block(InputBlock(cutoffs, rows, ahead, own.exogenous))
        rmse[name] = np.sqrt(np.nanmean(np.square(actuals - forecasts)[:, :, :3]))
    assert rmse["unknown"] < 1.1 * rmse["never known"]


def test_an_effect_that_begins_at_a_threshold_is_learnt_as_one_that_bends(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    days = pd.date_range("2019-01-01", periods=1200)
    wind = 10 * rng.random(1200)
    told = np.concatenate([[5.0], wind[:-1]])
    y = 50 + told + 9 * np.maximum(told - 8.0, 0.0) + rng.normal(0, 0.1, 1200)
    rows = [pd.DataFrame({"unique_id": name, "ds": days, "y": of}) for name, of in (("y", y), ("wind +1", wind))]
    declared = (KnownInAdvance("wind +{step}"),)
    features = build_features(pd.concat(rows), DateRange(days[0].date(), days[-1].date()), "IE", declared)
    panel, recipe = panel_from(features), default_recipe(1, "IE", ("direct_ridge",), declared)
    cutoffs = panel.days[1000:-1]
    rmse = []
    for knots in (ridge_equations.KNOTS, ()):
        monkeypatch.setattr(ridge_equations, "KNOTS", knots)
        fitted = recipe.fit(panel.until(panel.days[999]))[-1]
        forecasts = fitted.predict_block(panel.block(cutoffs, 1, "IE"))
        rmse.append(float(np.sqrt(np.mean(np.square(panel.actuals(cutoffs, 1) - forecasts)))))
    assert rmse[0] < 0.7 * rmse[1]


def test_a_column_known_for_less_than_a_year_has_one_mean() -> None:
    days = np.arange("2020-01-01", "2022-01-01", dtype="datetime64[D]")
    short = np.full((1, len(days), 2), np.nan)
    short[0, :100, 0] = np.arange(100.0)
    mean = _seasonal_mean(short, seasonal_basis(yearly_waves(days + 1)))
    np.testing.assert_allclose(mean[0], [[49.5, 0, 0, 0, 0], [0, 0, 0, 0, 0]])


def test_only_the_day_that_an_unknown_value_speaks_of_is_marked(model: ForecastModel) -> None:
    inputs = model.inputs(DAYS)
    assert not model.predict(inputs).lacks_exogenous.any()
    values = inputs.values.copy()
    values[:, inputs.values.shape[1] - len(model.exogenous) + model.exogenous.index("Temperature +7")] = np.nan
    marked = model.predict(replace(inputs, values=values)).lacks_exogenous
    assert np.flatnonzero(marked).tolist() == [6]


def test_the_parts_with_the_exogenous_one_add_up(model: ForecastModel) -> None:
    inputs = model.inputs(DAYS)
    parts = model.explain(inputs)
    np.testing.assert_allclose(parts[list(PARTS)].sum(axis=1), model.predict(inputs).y_hat)
    assert parts["exogenous"].abs().max() > 1
    assert (parts["exogenous"][15:] == 0).all()


def test_a_model_and_its_input_frame_survive_storing(model: ForecastModel) -> None:
    again = model_from(arrays_of(model), json.loads(json.dumps(document_of(model))))
    inputs = model.inputs(DAYS)
    holes = inputs.values.copy()
    holes[0, -1] = np.nan
    inputs = replace(inputs, values=holes)
    records = json.loads(json.dumps(inputs.to_records(), allow_nan=False))
    for back in (
        ModelInputs.from_records(records, again.exogenous),
        ModelInputs.from_frame(inputs.to_frame(), again.exogenous),
    ):
        np.testing.assert_array_equal(again.predict(back).y_hat, model.predict(inputs).y_hat)


def test_an_input_row_without_a_column_of_the_model_is_refused_by_name(model: ForecastModel) -> None:
    (record, *_) = model.inputs(DAYS).to_records()
    del record["exogenous"]["Temperature +7"]
    with pytest.raises(InvalidInputsError, match=r"row 0 of the input frame lacks 'Temperature \+7'"):
        ModelInputs.from_records([record], model.exogenous)


def test_infinite_values_are_refused_in_exogenous_columns_too(model: ForecastModel) -> None:
    inputs = model.inputs(DAYS)
    values = inputs.values.copy()
    values[2, -1] = np.inf
    with pytest.raises(InvalidInputsError, match=r"row 2 Temperature \+15"):
        replace(inputs, values=values)


def test_the_metadata_says_how_often_each_column_was_known(model: ForecastModel) -> None:
    assert model.metadata["exogenous_known"] == dict.fromkeys(model.exogenous, 1.0)


def test_the_fingerprint_of_the_data_covers_the_columns_that_are_regressed_on_and_no_others(
    features: pd.DataFrame,
) -> None:
    names = ["Temperature", "Temperature +1"]
    fingerprints = [fingerprint(features), fingerprint(features, names[:1]), fingerprint(features, names)]
    assert len(set(fingerprints)) == 3
    assert fingerprint(features.sample(frac=1, random_state=1), names) == fingerprints[2]
    known = [json.loads(text) for text in features["exogenous"]]
    warmer = features.assign(exogenous=[json.dumps(values | {"Temperature": 30.0}) for values in known])
    assert fingerprint(warmer, names) != fingerprints[2]
    assert fingerprint(warmer) == fingerprints[0]


def test_a_column_that_was_never_known_is_refused_by_name() -> None:
    declared = [KnownAtCutoff("Temperature"), KnownAtCutoff("Wind")]
    refuse_never_known({"Temperature": 0.01, "Wind": 0.5}, declared)
    with pytest.raises(ConfigurationError, match=r"'Wind'.*load the days to train on again"):
        refuse_never_known({"Temperature": 1.0, "Wind": 0.0}, declared)


def test_a_recipe_is_stored_with_its_columns_and_one_without_is_what_it_was() -> None:
    recipe = default_recipe(15, "IE", exogenous=WEATHER)
    assert recipe_from(json.loads(json.dumps(recipe.to_document()))) == recipe
    assert recipe.fingerprint != Recipe().fingerprint


def test_texts_are_read_by_name() -> None:
    texts = pd.Series([None, '{"a": 1.5}', '{"b": 2, "a": 3}'])
    np.testing.assert_array_equal(exogenous_values(texts, ["b", "a"]), [[np.nan, np.nan], [np.nan, 1.5], [2.0, 3.0]])


def test_declarations_survive_their_document() -> None:
    assert exogenous_from(exogenous_document(WEATHER)) == WEATHER


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"known": "at_cutoff"}, "is not an object with unique_id and known"),
        ({"unique_id": "a", "known": "at_cutoff", "lag": 1}, "has 'lag', which is none of its fields"),
        ({"unique_id": "a", "known": ["at_cutoff"]}, "has known"),
        (
            {"unique_id": "a", "known": "always"},
            r"has known 'always'; choose one of \['at_cutoff', 'by_target_day', 'in_advance'\]",
        ),
        ({"unique_id": "a", "known": "at_cutoff", "delay_days": -1}, "has delay_days -1; 0 to 30"),
        ({"unique_id": "a", "known": "in_advance"}, "{step} stands once"),
        ({"unique_id": "a {step}", "known": "at_cutoff"}, "and in no other"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        exogenous_from([document])


def test_a_series_declared_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="declares 'a' twice"):
        exogenous_from([{"unique_id": "a", "known": "at_cutoff"}, {"unique_id": "a", "known": "at_cutoff"}])


def test_a_series_that_is_also_of_a_declared_family_is_refused() -> None:
    twice = [KnownAtCutoff("Temperature +1"), KnownInAdvance("Temperature +{step}")]
    with pytest.raises(ConfigurationError, match=r"names \['Temperature \+1'\]"):
        default_recipe(15, "IE", exogenous=twice)


@pytest.mark.parametrize("taken", ["y", "ds", "target_weekday", "exogenous"])
def test_a_column_called_as_one_of_ours_is_refused(taken: str) -> None:
    with pytest.raises(ConfigurationError, match=f"names .*{taken}.*has already"):
        default_recipe(15, "IE", exogenous=[KnownAtCutoff(taken)])


def test_an_exogenous_series_that_leaves_its_own_past_is_drift_and_a_season_is_none() -> None:
    period = DateRange(date(2018, 1, 1), date(2022, 12, 31))
    weather = long(simulate_weather(period))
    moved = weather["unique_id"].eq("Temperature") & (weather["ds"] >= "2022-11-15")
    reports = {}
    for name, temperature in (("as ever", weather), ("moved", weather.assign(y=weather["y"] + 12.0 * moved))):
        both = pd.concat([long(simulate_gas_supply(period)[[DEMAND]]), temperature], ignore_index=True)
        built = build_features(both, period, "IE", WEATHER)
        watched = pd.concat([built, exogenous_features(built, WEATHER)], ignore_index=True)
        assert sorted(watched["unique_id"].unique()) == [DEMAND, "Temperature", "Temperature +1"]
        reports[name] = drift_report(watched, pages_a_year=1.0).series.set_index("unique_id")["state"].to_dict()
    assert reports["as ever"] == {DEMAND: "good", "Temperature": "good", "Temperature +1": "good"}
    assert reports["moved"] == {DEMAND: "good", "Temperature": "bad", "Temperature +1": "good"}


def test_without_exogenous_series_the_rows_watched_are_those_of_the_table(features: pd.DataFrame) -> None:
    assert exogenous_features(features, ()).empty
