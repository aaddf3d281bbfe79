"""Each candidate by hand: what it answers from a row, and what it learns from a history."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.candidates.direct_ridge import clipped, fit_direct_ridge
from forecasting_platform.forecasting.models.candidates.forecasters import (
    DirectRidge,
    ExponentialSmoothing,
    FittedForecaster,
    Naive,
    SeasonalNaive,
    regressors,
    trained_step,
)
from forecasting_platform.forecasting.models.fitting import fit_candidates
from forecasting_platform.forecasting.models.recipe import Recipe, default_recipe, recipe_from
from forecasting_platform.forecasting.series.frames import LEVEL_SMOOTHINGS
from forecasting_platform.forecasting.series.inputs import ModelInputs, build_inputs
from forecasting_platform.forecasting.series.panel import Panel, calendar_ahead, panel_from
from forecasting_platform_tests.support.example_series import days_after, features_of, observations, seasonal

RECIPE = Recipe()


def panel_of(values: np.ndarray) -> Panel:
    return panel_from(features_of(observations({"a": values})))


def rows_after(panel: Panel, days: int) -> ModelInputs:
    newest, cutoffs = panel.newest()
    return build_inputs(panel.unique_ids, cutoffs, newest, days_after(days), "IE")


def fitted(panel: Panel, kind: type[FittedForecaster]) -> FittedForecaster:
    (found,) = [candidate for candidate in fit_candidates(panel, RECIPE) if candidate.name == kind.name]
    return found


def answer(forecaster: FittedForecaster, inputs: ModelInputs) -> np.ndarray:
    return forecaster.predict(inputs, np.zeros(len(inputs), dtype=np.int64))


def test_naive_repeats_the_last_value() -> None:
    assert answer(Naive(), rows_after(panel_of(np.arange(20.0)), 16)).tolist() == [19.0] * 16


def test_seasonal_naive_repeats_the_last_week() -> None:
    last_week = [13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0]
    assert answer(SeasonalNaive(), rows_after(panel_of(np.arange(20.0)), 21)).tolist() == last_week * 3


def test_smoothing_of_a_constant_is_the_constant() -> None:
    panel = panel_of(np.full(60, 7.5))
    np.testing.assert_allclose(answer(fitted(panel, ExponentialSmoothing), rows_after(panel, 8)), 7.5, rtol=1e-12)


def test_smoothing_follows_a_new_level() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 200)
    panel = panel_of(np.where(np.arange(200) < 120, 100.0, 150.0) + noise)
    np.testing.assert_allclose(answer(fitted(panel, ExponentialSmoothing), rows_after(panel, 7)), 150.0, atol=3.0)


def test_smoothing_adds_the_weekday_back_only_where_there_is_one() -> None:
    week = np.tile([0.0, 0.0, 0.0, 0.0, 0.0, -40.0, -40.0], 60)
    noise = np.random.default_rng(1).normal(0, 1, len(week))
    weekly, plain = panel_of(100 + week + noise), panel_of(100 + noise)
    seasonal_fit, plain_fit = fitted(weekly, ExponentialSmoothing), fitted(plain, ExponentialSmoothing)
    assert isinstance(seasonal_fit, ExponentialSmoothing)
    assert isinstance(plain_fit, ExponentialSmoothing)
    assert (seasonal_fit.weekday_weight.tolist(), plain_fit.weekday_weight.tolist()) == ([1.0], [0.0])
    np.testing.assert_allclose(answer(seasonal_fit, rows_after(weekly, 7)), 100 + week[:7], atol=3.0)


def test_a_walk_is_smoothed_less_than_noise() -> None:
    steps = np.random.default_rng(2).normal(0, 1, 400)
    walk, noise = (
        fitted(panel_of(100 + np.cumsum(steps)), ExponentialSmoothing),
        fitted(panel_of(100 + steps), ExponentialSmoothing),
    )
    assert isinstance(walk, ExponentialSmoothing)
    assert isinstance(noise, ExponentialSmoothing)
    assert LEVEL_SMOOTHINGS[walk.smoothing[0]] == 0.8
    assert LEVEL_SMOOTHINGS[noise.smoothing[0]] == 0.05


def test_a_series_of_working_days_has_its_level_freed_of_the_weekday_in_full() -> None:
    values = np.tile([130.0, 100.0, 100.0, 100.0, 70.0, np.nan, np.nan], 60)  # ends on a Sunday
    features = features_of(observations({"a": values}, days_after(2)[-1]), days_after(2)[-1])
    newest = features.iloc[-1]
    assert newest["ds"].day_name() == "Friday"
    assert newest["level_80"] == pytest.approx(100.0, abs=0.5)


def test_regression_foresees_a_weekly_and_yearly_season_better_than_naive() -> None:
    values = seasonal(1100, noise=1.0)
    panel = panel_of(values[:-15])
    inputs = rows_after(panel, 15)

    def rmse(forecasts: np.ndarray) -> float:
        return float(np.sqrt(np.mean((forecasts - values[-15:]) ** 2)))

    assert rmse(answer(fitted(panel, DirectRidge), inputs)) < 0.5 * rmse(answer(Naive(), inputs))


def test_regression_without_enough_days_is_the_naive_forecast() -> None:
    panel = panel_of(seasonal(60))
    inputs = rows_after(panel, 15)
    np.testing.assert_array_equal(answer(fitted(panel, DirectRidge), inputs), answer(Naive(), inputs))


def test_one_outage_does_not_decide_a_regression() -> None:
    calm = np.random.default_rng(3).normal(0, 1, 500)
    broken = calm.copy()
    broken[100] = -1e6
    assert clipped(broken, 3.0).min() == pytest.approx(-3.0, abs=0.5)
    ordinary = np.abs(calm) < 2
    ordinary[100] = False
    np.testing.assert_array_equal(clipped(broken, 3.0)[ordinary], calm[ordinary])
    assert np.ptp(clipped(np.zeros(50), 3.0)) == 0


def test_on_a_plateau_changes_keep_their_size_up_to_the_standard_deviation() -> None:
    changes = np.array([0.0] * 60 + [5.0, -5.0] * 10)
    np.testing.assert_array_equal(clipped(changes, 3.0), changes)


@pytest.mark.parametrize("horizon", [1, 3, 7, 8, 15, 30])
def test_a_step_beyond_the_horizon_is_answered_by_a_trained_one_of_the_same_weekday(horizon: int) -> None:
    steps = np.arange(1, 367)
    answering = trained_step(steps, horizon)
    assert answering[:horizon].tolist() == steps[:horizon].tolist()
    assert (answering >= 1).all()
    assert (answering <= horizon).all()
    if horizon >= 7:
        assert ((steps - answering) % 7 == 0).all()


def test_recipes_that_cannot_be_trained_are_refused_by_name() -> None:
    for options in ({"naive": 0.5}, {"magic": 1.0}, {"naive": 1.5, "seasonal_naive": -0.5}, {}):
        with pytest.raises(ConfigurationError, match=r"setting options: .* was found; weights of .* sum to 1"):
            Recipe(options=options)
    with pytest.raises(ConfigurationError, match=r"\['magic'\] are unknown; choose of"):
        default_recipe(15, "IE", ("magic", "naive"))


def test_a_recipe_survives_its_document_and_keeps_its_fingerprint() -> None:
    recipe = default_recipe(7, "ES", ("naive", "direct_ridge"))
    assert recipe_from(recipe.to_document()) == recipe
    assert recipe_from(recipe.to_document()).fingerprint == recipe.fingerprint
    assert recipe.candidates == ("naive", "direct_ridge")
    assert default_recipe(8, "ES", ("naive", "direct_ridge")).fingerprint != recipe.fingerprint


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 15))
def test_a_block_of_cutoffs_is_forecast_as_each_of_its_rows(seed: int, horizon: int) -> None:
    rng = np.random.default_rng(seed)
    values = {"a": seasonal(420, seed), "b": np.cumsum(rng.normal(0, 1, 420))}
    values["b"][rng.random(420) < 0.1] = np.nan
    panel = panel_from(features_of(observations(values)))
    cutoffs = panel.days[-30:]
    features, ahead = panel.at(cutoffs), calendar_ahead(cutoffs, horizon, "IE")
    series, cutoff = np.nonzero(np.isfinite(features[:, :, 0]))
    series, cutoff, step = np.repeat(series, horizon), np.repeat(cutoff, horizon), np.tile(range(horizon), len(series))
    rows = ModelInputs(
        unique_id=np.array(panel.unique_ids, dtype=object)[series],
        cutoff=cutoffs[cutoff],
        ds=cutoffs[cutoff] + step + 1,
        values=np.hstack([features[series, cutoff], ahead[cutoff, step]]),
    )
    for forecaster in fit_candidates(panel, Recipe(horizon=horizon)):
        block = forecaster.predict_block(features, ahead)
        np.testing.assert_allclose(block[series, cutoff, step], forecaster.predict(rows, series), rtol=1e-9, atol=1e-9)
        assert np.isnan(block[np.isnan(features[:, :, 0])]).all()


@pytest.mark.parametrize("gaps", [0.0, 0.1])
@pytest.mark.parametrize("step", [0, 7, 14])
def test_normal_equations_give_scikit_learns_ridge(gaps: float, step: int) -> None:
    values = seasonal(1200, 9)
    values[np.random.default_rng(9).random(1200) < gaps] = np.nan
    panel = panel_of(values)
    cutoffs = panel.days[panel.observed[0]]
    features, ahead = panel.at(cutoffs)[0], calendar_ahead(cutoffs, 15, "IE")[:, step]
    rows = ModelInputs(
        unique_id=np.full(len(cutoffs), "a", dtype=object),
        cutoff=cutoffs,
        ds=cutoffs + step + 1,
        values=np.hstack([features, ahead]),
    )
    change = panel.actuals(cutoffs, 15)[0, :, step] - rows.column("y")
    known = np.isfinite(change)
    scaler = StandardScaler()
    ridge = Ridge(alpha=0.05 * known.sum()).fit(
        scaler.fit_transform(regressors(rows)[known]), clipped(np.where(known, change, np.nan), 1e6)[known]
    )
    expected = ridge.predict(scaler.transform(regressors(rows)))
    ours = fit_direct_ridge(panel, 15, "IE", penalty=0.05, clip_sigmas=1e6)
    found = ours.predict(rows, np.zeros(len(cutoffs), dtype=np.int64)) - rows.column("y")
    # Season and weekday of the cutoff are scaled as those of the day ahead: not quite the same over part of a year.
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_other_series_do_not_change_a_fit() -> None:
    values = {"a": seasonal(400), "b": np.cumsum(np.random.default_rng(4).normal(0, 9, 400)), "c": seasonal(90, 3)}
    values["b"][50:90] = np.nan
    together = fit_direct_ridge(panel_from(features_of(observations(values))), 15, "IE", penalty=0.05, clip_sigmas=5.0)
    alone = fit_direct_ridge(panel_of(values["a"]), 15, "IE", penalty=0.05, clip_sigmas=5.0)
    np.testing.assert_allclose(together.coefficients[0], alone.coefficients[0], rtol=1e-8, atol=1e-10)
