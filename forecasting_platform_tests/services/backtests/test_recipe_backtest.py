"""A recipe is tried on a frame, without any service, by the rule that promotes challengers."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forecasting_platform
from forecasting_platform import Recipe, backtest, forecast, judge
from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.errors import (
    ConfigurationError,
    InsufficientHistoryError,
    InvalidDataError,
    InvalidFrameError,
    InvalidRangeError,
)
from forecasting_platform.forecasting.models.recipes.recipe import default_candidates
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.covariates.exogenous import KnownAtCutoff
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.services.backtests.recipe_backtest import RecipeBacktest, backtest_features

DAYS = DateRange(date(2020, 1, 1), date(2022, 6, 30))
QUICK = Recipe(backtest_days=300, refit_days=100)
SPARSE = replace(QUICK, candidates=default_candidates(["intermittent_demand"]))
SMOOTHING = replace(QUICK, candidates=default_candidates(["exponential_smoothing"]))
NAIVE = replace(QUICK, candidates=default_candidates(["naive"]))


@pytest.fixture(scope="module")
def observations() -> pd.DataFrame:
    wide = simulate_gas_supply(DAYS).rename_axis(index="ds")
    return wide.reset_index().melt("ds", var_name="unique_id", value_name="y")


@pytest.fixture(scope="module")
def tried(observations: pd.DataFrame) -> RecipeBacktest:
    return backtest(observations, QUICK)


def test_scores_are_those_of_the_forecasts_shown(tried: RecipeBacktest) -> None:
    forecasts = tried.forecasts
    steps = (forecasts["ds"] - forecasts["cutoff"]).dt.days
    groups = {"1-3": steps <= 3, "4-7": steps.between(4, 7), "8-15": steps > 7, "all": steps > 0}
    for name, group in groups.items():
        errors = (forecasts["y_hat"] - forecasts["y"])[group]
        by_series = errors.groupby(forecasts["unique_id"])
        scores = tried.scores[tried.scores["steps"] == name].set_index("unique_id")
        np.testing.assert_allclose(scores["rmse"], by_series.apply(lambda found: np.sqrt(np.mean(found**2))), rtol=1e-9)
        np.testing.assert_allclose(scores["bias"], by_series.mean(), rtol=1e-9)
        assert scores["forecasts"].tolist() == by_series.count().tolist()


@pytest.mark.parametrize("recipe", [QUICK, SPARSE], ids=["default", "with windows"])
def test_scores_are_those_that_a_training_records(observations: pd.DataFrame, recipe: Recipe) -> None:
    features = build_features(observations, DAYS, recipe.country)
    recorded = train(features, DAYS.end, recipe, code_version="test").model.metadata["series"]
    scores = backtest(observations, recipe).scores
    overall = scores[scores["steps"] == "all"].set_index("unique_id")
    for unique_id, found in recorded.items():
        assert found["scores"]["rmse"] == overall.loc[unique_id, "rmse"]
        assert found["coverage"]["80"] == pytest.approx(overall.loc[unique_id, "coverage_80"])


def test_each_candidates_forecast_is_shown_and_its_fits_are_timed(tried: RecipeBacktest) -> None:
    assert list(tried.forecasts.columns) == ["unique_id", "cutoff", "ds", "y", "y_hat", *QUICK.names]
    assert set(tried.fit_seconds) == set(QUICK.names)
    assert 0 < sum(tried.fit_seconds.values()) < tried.cpu_seconds


def test_a_recipe_that_is_worse_is_rejected_and_one_that_is_better_promoted(
    observations: pd.DataFrame,
) -> None:
    tried, naive = (
        backtest(observations, replace(recipe, backtest_days=500), name=name)
        for recipe, name in ((QUICK, "quick"), (NAIVE, "naive"))
    )
    worse, better = judge(naive, tried), judge(tried, naive)
    assert worse.verdict == "reject"
    assert better.verdict == "promote"
    assert "would be found four times in five" in better.reason
    # Nothing is known of other recipes: it is the first of its year.
    assert "number 1 of the recipes compared within a year" in better.reason
    assert (better.by_series["gain"] > 0).all()
    assert better.losses["challenger"].mean() == better.statistics["challenger_loss"]
    assert better.losses["champion"].mean() == better.statistics["champion_loss"]


def test_the_same_recipe_is_not_better(tried: RecipeBacktest) -> None:
    judged = judge(tried, tried)
    assert judged.verdict == "hold"
    assert "within a year" not in judged.reason
    assert judged.by_series["gain"].tolist() == [0.0] * len(tried.panel.unique_ids)


def test_a_champion_of_another_horizon_is_judged_on_the_challengers_cutoffs(
    observations: pd.DataFrame, tried: RecipeBacktest
) -> None:
    short = backtest(observations, replace(SMOOTHING, horizon=5, backtest_days=200))
    judged = judge(tried, short)
    assert judged.champion.recipe.horizon == QUICK.horizon
    assert judged.champion.results.cutoffs.tolist() == tried.results.cutoffs.tolist()


def test_recipes_on_different_data_are_not_compared(observations: pd.DataFrame, tried: RecipeBacktest) -> None:
    other = backtest(observations.assign(y=observations["y"] + 1), QUICK)
    with pytest.raises(InvalidDataError, match="different data; backtest both on the same frame"):
        judge(tried, other)


def test_a_forecast_knows_nothing_after_its_cutoff(observations: pd.DataFrame) -> None:
    cutoff = date(2022, 5, 31)
    changed = observations.assign(y=observations["y"].where(observations["ds"] <= pd.Timestamp(cutoff), 1e6))
    found = forecast(observations, QUICK, cutoff=cutoff, days=3)
    pd.testing.assert_frame_equal(found, forecast(changed, QUICK, cutoff=cutoff, days=3))
    assert found["ds"].dt.date.unique().tolist() == [date(2022, 6, 1), date(2022, 6, 2), date(2022, 6, 3)]
    assert (found["y_hat_lo_80"] <= found["y_hat"]).all()


def test_a_forecast_reaches_the_recipes_horizon_from_the_newest_day(observations: pd.DataFrame) -> None:
    found = forecast(observations, replace(QUICK, horizon=4))
    assert found["cutoff"].dt.date.unique().tolist() == [DAYS.end]
    assert found.groupby("unique_id").size().unique().tolist() == [4]


def test_a_covariate_that_is_nowhere_is_refused_and_not_left_out_in_silence(observations: pd.DataFrame) -> None:
    recipe = replace(QUICK, exogenous=(KnownAtCutoff("Temprature"),))
    with pytest.raises(ConfigurationError, match="'Temprature'"):
        backtest(observations, recipe)


@pytest.mark.parametrize("days", [0, -3, 367])
def test_days_that_cannot_be_forecast_are_told(observations: pd.DataFrame, days: int) -> None:
    with pytest.raises(InvalidRangeError, match=str(days) if days < 1 else "at most 366 days"):
        forecast(observations, QUICK, days=days)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda frame: frame.drop(columns="ds"), "no column 'ds'; found: 'unique_id', 'y'"),
        (lambda frame: pd.concat([frame, frame.head(1)]), "occurs twice"),
        (lambda frame: frame.assign(y="many"), "column y is not float"),
        (lambda frame: frame.assign(y=np.nan), "it holds no value"),
        (lambda frame: frame.assign(y=1e60), "beyond the accepted range"),
        (lambda frame: frame.assign(ds=frame["ds"] + pd.Timedelta(hours=1)), "holds a time of day"),
        (lambda frame: frame.assign(unique_id=frame["unique_id"] + "\n"), "control character"),
        (lambda frame: frame.head(0), "it holds no value"),
        (lambda frame: frame["y"], "a frame with 'unique_id', 'ds', 'y' is expected, Series was found"),
    ],
)
def test_a_frame_that_cannot_be_used_is_refused_with_the_reason(
    observations: pd.DataFrame, change, problem: str
) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidFrameError, match=problem):
        backtest(change(observations[["unique_id", "ds", "y"]]), QUICK)


def test_a_recipe_file_is_named_in_the_verdict(tmp_path: Path, observations: pd.DataFrame) -> None:
    file = tmp_path / "only-smoothing.toml"
    file.write_text("backtest_days = 300\nrefit_days = 100\n[candidates.exponential_smoothing]\n", encoding="utf-8")
    found = backtest(observations, file)
    assert (found.name, found.recipe.names) == ("only-smoothing", ("exponential_smoothing",))
    assert found.recipe == SMOOTHING
    assert "version only-smoothing" in judge(backtest(observations, QUICK), found).reason
    assert len(forecast(observations, str(file), days=1)) == len(found.panel.unique_ids)


def test_few_days_are_told(observations: pd.DataFrame) -> None:
    with pytest.raises(InsufficientHistoryError):
        backtest(observations[observations["ds"] < pd.Timestamp("2020-01-10")], QUICK)


def test_without_stored_rows_it_is_said_what_to_do() -> None:
    with pytest.raises(InsufficientHistoryError, match="Load the days to train on"):
        backtest_features(pd.DataFrame(), QUICK, name="own")


def test_other_columns_and_days_without_a_value_change_nothing(
    observations: pd.DataFrame, tried: RecipeBacktest
) -> None:
    hole = observations.head(1).assign(ds=pd.Timestamp(DAYS.end) + pd.Timedelta(days=1), y=np.nan)
    more = pd.concat([observations.sample(frac=1, random_state=0), hole]).assign(region="west")
    pd.testing.assert_frame_equal(backtest(more, QUICK).scores, tried.scores)


def test_plots_are_shown_in_place_of_the_objects(observations: pd.DataFrame, tried: RecipeBacktest) -> None:
    judged = judge(tried, backtest(observations, SMOOTHING))
    for found in (tried, judged):
        assert found._repr_png_().startswith(b"\x89PNG")
    assert repr(tried).startswith("<Backtest of recipe 'recipe': 4 series at 301 cutoffs, ")
    assert repr(judged).startswith(f"<Judgement of 'recipe' against 'recipe': {judged.verdict}. ")
    assert len(repr(judged)) < 1000


def test_importing_the_package_imports_none_of_it() -> None:
    program = "import sys, forecasting_platform; print('pandas' in sys.modules, forecasting_platform.backtest.__name__)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "backtest"]
    with pytest.raises(AttributeError, match="no attribute 'backtests'"):
        forecasting_platform.backtests  # noqa: B018 # the access is the test
