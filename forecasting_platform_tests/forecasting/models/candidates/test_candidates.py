"""Each candidate: the promises of all, and by hand what it answers from a row and learns from a history."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from forecasting_platform.candidate_contract import CandidateContract
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.candidates.candidate import Candidate, FittedCandidate, Task
from forecasting_platform.forecasting.models.candidates.exponential_smoothing import (
    ExponentialSmoothing,
    FittedExponentialSmoothing,
)
from forecasting_platform.forecasting.models.candidates.filtered.auto_arima import AutoArima
from forecasting_platform.forecasting.models.candidates.filtered.auto_ets import AutoEts
from forecasting_platform.forecasting.models.candidates.filtered.ets import Ets
from forecasting_platform.forecasting.models.candidates.filtered.intermittent_demand import IntermittentDemand
from forecasting_platform.forecasting.models.candidates.naive import FittedNaive, Naive
from forecasting_platform.forecasting.models.candidates.pooled.lightgbm_trees import LightGbm
from forecasting_platform.forecasting.models.candidates.pooled.pooled_trees import PooledTrees
from forecasting_platform.forecasting.models.candidates.registry import CANDIDATES
from forecasting_platform.forecasting.models.candidates.ridge.direct_ridge import DirectRidge
from forecasting_platform.forecasting.models.candidates.ridge.ridge_regressors import regressors
from forecasting_platform.forecasting.models.candidates.ridge.robust_changes import clip_changes
from forecasting_platform.forecasting.models.candidates.seasonal_naive import FittedSeasonalNaive, SeasonalNaive
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe, recipe_from
from forecasting_platform.forecasting.models.steps_ahead import trained_step
from forecasting_platform.forecasting.series.covariates.exogenous import KnownAtCutoff, KnownByTargetDay
from forecasting_platform.forecasting.series.features.inputs import ModelInputs, build_inputs
from forecasting_platform.forecasting.series.features.panel import Panel, calendar_ahead, panel_from
from forecasting_platform.forecasting.series.frames import LEVEL_SMOOTHINGS
from forecasting_platform_tests.support.example_series import days_after, features_of, observations, seasonal

TASK = Task(15, "IE")


class TestNaive(CandidateContract):
    candidate = Naive()
    tolerance = 0.0


class TestSeasonalNaive(CandidateContract):
    candidate = SeasonalNaive()
    tolerance = 0.0


class TestExponentialSmoothing(CandidateContract):
    candidate = ExponentialSmoothing()
    tolerance = 0.0


class TestDirectRidge(CandidateContract):
    candidate = DirectRidge()
    tolerance = 0.0


class TestPooledTrees(CandidateContract):
    candidate = PooledTrees(iterations=20)
    tolerance = 0.0


class TestIntermittentDemand(CandidateContract):
    candidate = IntermittentDemand()
    tolerance = 0.0


class TestEts(CandidateContract):
    candidate = Ets(training_days=70)


class TestAutoEts(CandidateContract):
    candidate = AutoEts(training_days=70)


class TestAutoArima(CandidateContract):
    candidate = AutoArima(training_days=70, max_order=1)


class TestLightGbm(CandidateContract):
    candidate = LightGbm(iterations=20)


def test_every_candidate_is_held_to_the_contract() -> None:
    assert {contract.candidate.name for contract in CandidateContract.__subclasses__()} >= CANDIDATES.keys()


def panel_of(values: np.ndarray) -> Panel:
    return panel_from(features_of(observations({"a": values})))


def rows_after(panel: Panel, days: int) -> ModelInputs:
    newest, cutoffs = panel.newest()
    return build_inputs(panel.unique_ids, cutoffs, newest, days_after(days), "IE")


def answer(fitted: FittedCandidate, inputs: ModelInputs) -> np.ndarray:
    return fitted.predict(inputs, np.zeros(len(inputs), dtype=np.int64))


def smoothed(panel: Panel) -> FittedExponentialSmoothing:
    return ExponentialSmoothing().fit(panel, TASK)


def test_naive_repeats_the_last_value() -> None:
    assert answer(FittedNaive(), rows_after(panel_of(np.arange(20.0)), 16)).tolist() == [19.0] * 16


def test_seasonal_naive_repeats_the_last_week() -> None:
    last_week = [13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0]
    assert answer(FittedSeasonalNaive(), rows_after(panel_of(np.arange(20.0)), 21)).tolist() == last_week * 3


def test_smoothing_of_a_constant_is_the_constant() -> None:
    panel = panel_of(np.full(60, 7.5))
    np.testing.assert_allclose(answer(smoothed(panel), rows_after(panel, 8)), 7.5, rtol=1e-12)


def test_smoothing_follows_a_new_level() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 200)
    panel = panel_of(np.where(np.arange(200) < 120, 100.0, 150.0) + noise)
    np.testing.assert_allclose(answer(smoothed(panel), rows_after(panel, 7)), 150.0, atol=3.0)


def test_smoothing_adds_the_weekday_back_only_where_there_is_one() -> None:
    week = np.tile([0.0, 0.0, 0.0, 0.0, 0.0, -40.0, -40.0], 60)
    noise = np.random.default_rng(1).normal(0, 1, len(week))
    weekly, plain = panel_of(100 + week + noise), panel_of(100 + noise)
    seasonal_fit, plain_fit = smoothed(weekly), smoothed(plain)
    assert (seasonal_fit.weekday_weight.tolist(), plain_fit.weekday_weight.tolist()) == ([1.0], [0.0])
    np.testing.assert_allclose(answer(seasonal_fit, rows_after(weekly, 7)), 100 + week[:7], atol=3.0)


def test_a_walk_is_smoothed_less_than_noise() -> None:
    steps = np.random.default_rng(2).normal(0, 1, 400)
    walk, noise = smoothed(panel_of(100 + np.cumsum(steps))), smoothed(panel_of(100 + steps))
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

    assert rmse(answer(DirectRidge().fit(panel, TASK), inputs)) < 0.5 * rmse(answer(FittedNaive(), inputs))


def test_regression_without_enough_days_is_the_naive_forecast() -> None:
    panel = panel_of(seasonal(60))
    inputs = rows_after(panel, 15)
    np.testing.assert_array_equal(answer(DirectRidge().fit(panel, TASK), inputs), answer(FittedNaive(), inputs))


def test_one_outage_does_not_decide_a_regression() -> None:
    calm = np.random.default_rng(3).normal(0, 1, 500)
    broken = calm.copy()
    broken[100] = -1e6
    assert clip_changes(broken, 3.0).min() == pytest.approx(-3.0, abs=0.5)
    ordinary = np.abs(calm) < 2
    ordinary[100] = False
    np.testing.assert_array_equal(clip_changes(broken, 3.0)[ordinary], calm[ordinary])
    assert np.ptp(clip_changes(np.zeros(50), 3.0)) == 0


def test_on_a_plateau_changes_keep_their_size_up_to_the_standard_deviation() -> None:
    changes = np.array([0.0] * 60 + [5.0, -5.0] * 10)
    np.testing.assert_array_equal(clip_changes(changes, 3.0), changes)


@pytest.mark.parametrize("horizon", [1, 3, 7, 8, 15, 30])
def test_a_step_beyond_the_horizon_is_answered_by_a_trained_one_of_the_same_weekday(horizon: int) -> None:
    steps = np.arange(1, 367)
    answering = trained_step(steps, horizon)
    assert answering[:horizon].tolist() == steps[:horizon].tolist()
    assert (answering >= 1).all()
    assert (answering <= horizon).all()
    if horizon >= 7:
        assert ((steps - answering) % 7 == 0).all()


@pytest.mark.parametrize(
    "candidates",
    [(Naive(0.5), SeasonalNaive(0.0)), (Naive(1.5), SeasonalNaive(-0.5)), ()],
    ids=["not 1", "negative", "none"],
)
def test_recipes_that_cannot_be_trained_are_refused_with_their_weights(candidates: tuple[Candidate, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"setting options: the prior weights .* were found; they must sum"):
        Recipe(candidates)


def test_a_candidate_that_is_not_installed_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"'magic' is no candidate; choose one of \[.*'direct_ridge', "):
        default_recipe(15, "IE", ("magic", "naive"))
    document = default_recipe(15, "IE", ("naive",)).to_document()
    with pytest.raises(ConfigurationError, match="'magic' is no candidate"):
        recipe_from(document | {"candidates": {"magic": {}}})


def test_a_recipe_survives_its_document_and_keeps_its_fingerprint() -> None:
    recipe = default_recipe(7, "ES", ("naive", "direct_ridge"))
    assert recipe_from(recipe.to_document()) == recipe
    assert recipe_from(recipe.to_document()).fingerprint == recipe.fingerprint
    assert recipe.names == ("naive", "direct_ridge")
    assert default_recipe(8, "ES", ("naive", "direct_ridge")).fingerprint != recipe.fingerprint


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
        scaler.fit_transform(regressors(rows)[known]), clip_changes(np.where(known, change, np.nan), 1e6)[known]
    )
    expected = ridge.predict(scaler.transform(regressors(rows)))
    ours = DirectRidge(clip_sigmas=1e6).fit(panel, TASK)
    found = ours.predict(rows, np.zeros(len(cutoffs), dtype=np.int64)) - rows.column("y")
    # Season and weekday of the cutoff are scaled as those of the day ahead: not quite the same over part of a year.
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_other_series_do_not_change_a_fit() -> None:
    values = {"a": seasonal(400), "b": np.cumsum(np.random.default_rng(4).normal(0, 9, 400)), "c": seasonal(90, 3)}
    values["b"][50:90] = np.nan
    together = DirectRidge().fit(panel_from(features_of(observations(values))), TASK)
    alone = DirectRidge().fit(panel_of(values["a"]), TASK)
    np.testing.assert_allclose(together.coefficients[0], alone.coefficients[0], rtol=1e-8, atol=1e-10)


def test_a_candidate_is_fitted_by_its_own_options() -> None:
    recipe = default_recipe(15, "IE", ("naive", "direct_ridge"))
    changed = recipe.with_options("direct_ridge", penalty=10.0)
    assert changed.candidates[1] == replace(recipe.candidates[1], penalty=10.0)
    assert changed.candidates[0] == recipe.candidates[0]
    assert changed.fingerprint != recipe.fingerprint
    panel = panel_of(seasonal(400))
    own, other = (each.fit(panel)[1].to_arrays()["coefficients"] for each in (recipe, changed))
    assert np.abs(other).sum() < 0.5 * np.abs(own).sum()


def test_trees_are_in_the_default_recipe_only_where_something_is_known_of_the_days_to_come() -> None:
    plain, measured = default_recipe(15, "IE"), default_recipe(15, "IE", exogenous=[KnownAtCutoff("wind")])
    assert plain.names == measured.names == ("naive", "seasonal_naive", "exponential_smoothing", "direct_ridge")
    planned = default_recipe(15, "IE", exogenous=[KnownByTargetDay("{series} promotion")])
    assert planned.names == (*plain.names, "pooled_trees")
