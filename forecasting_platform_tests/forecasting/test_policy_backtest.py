"""The policy backtest: no look ahead, rules that differ, control that pages when something changed."""

import itertools
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.models.issuing import issue_forecasts
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.policy_backtest.cycles import (
    FIRST_TRAINING_DAYS,
    Cycle,
    recipes_of,
    run_cycle,
    training_days,
)
from forecasting_platform.forecasting.policy_backtest.policies import DEFAULT_POLICY, Outcome, Policy, policies
from forecasting_platform.forecasting.policy_backtest.simulation import simulate_policies
from forecasting_platform.forecasting.policy_backtest.summary import summarize
from forecasting_platform.forecasting.promotion.evidence import compare_recipes
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal

RECIPES = recipes_of(Recipe(backtest_days=240, refit_days=60))
LENGTH = FIRST_TRAINING_DAYS + 100
SHIFTED_DAYS = 45
EVERY = 30
GRID = [Policy(EVERY, rule, budget) for rule in ("evidence", "any gain", "always", "never") for budget in (1.0, 4.0)]  # type: ignore[arg-type]


def history(values: np.ndarray) -> pd.DataFrame:
    return features_of(observations({"s": values}))


def cycles_of(features: pd.DataFrame, every: tuple[int, ...] = (EVERY,)) -> list[Cycle]:
    days = DateRange(features["ds"].min().date(), END)
    return [run_cycle(features, day, RECIPES) for day in training_days(list(days), every)]


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return history(seasonal(LENGTH))


@pytest.fixture(scope="module")
def cycles(features: pd.DataFrame) -> list[Cycle]:
    return cycles_of(features)


@pytest.fixture(scope="module")
def outcomes(features: pd.DataFrame, cycles: list[Cycle]) -> dict[Policy, Outcome]:
    return {found.policy: found for found in simulate_policies(features, cycles, GRID)}


@pytest.fixture(scope="module")
def shifted() -> dict[Policy, Outcome]:
    """The same history, whose last days stand 500 higher."""
    changed = seasonal(LENGTH)
    changed[-SHIFTED_DAYS:] += 500
    features = history(changed)
    return {found.policy: found for found in simulate_policies(features, cycles_of(features), GRID)}


pytestmark = pytest.mark.slow


def test_every_policy_is_scored_on_the_same_cutoffs_and_actuals(outcomes: dict[Policy, Outcome]) -> None:
    known = [np.isfinite(found.errors) for found in outcomes.values()]
    assert known[0].shape == (1, LENGTH - FIRST_TRAINING_DAYS, 15)
    assert all((each == known[0]).all() for each in known)


def test_rules_move_the_champion_as_they_say(outcomes: dict[Policy, Outcome], cycles: list[Cycle]) -> None:
    moves = {policy.rule: found.moves for policy, found in outcomes.items()}
    assert (moves["always"], moves["never"]) == (len(cycles) - 1, 0)
    assert 0 <= moves["evidence"] <= moves["always"]


def test_forecasts_are_those_the_platform_would_have_issued(
    features: pd.DataFrame, cycles: list[Cycle], outcomes: dict[Policy, Outcome]
) -> None:
    model = cycles[0].fits[0].model
    rows = features[features["ds"].between(pd.Timestamp(model.cutoff), pd.Timestamp(model.cutoff) + timedelta(days=3))]
    issued = issue_forecasts(model, rows, model_version="1", issued_at=pd.Timestamp("2023-07-01", tz="UTC"))
    actuals = features.set_index("ds")["y"].reindex(issued["ds"]).to_numpy()
    simulated = outcomes[Policy(EVERY, "never")].errors[0, :4].ravel()
    np.testing.assert_allclose(simulated, issued["y_hat"].to_numpy() - actuals, rtol=1e-12)


def test_no_later_day_changes_what_was_decided_or_forecast_before(
    outcomes: dict[Policy, Outcome], shifted: dict[Policy, Outcome]
) -> None:
    before = LENGTH - FIRST_TRAINING_DAYS - SHIFTED_DAYS - 15
    for policy, found in outcomes.items():
        assert (shifted[policy].errors[:, :before] == found.errors[:, :before]).all()


def test_a_lasting_change_opens_an_incident_that_a_quiet_history_does_not(
    outcomes: dict[Policy, Outcome], shifted: dict[Policy, Outcome]
) -> None:
    assert shifted[Policy(EVERY, "never")].pages > outcomes[Policy(EVERY, "never")].pages


def test_a_lasting_page_trains_a_champion_that_knows_the_change_sooner(features: pd.DataFrame) -> None:
    changed = seasonal(LENGTH)
    changed[-SHIFTED_DAYS:] += 500
    shifted_on, every = END - timedelta(days=SHIFTED_DAYS - 1), 91
    clock, loop = Policy(every, "always"), Policy(every, "always", incident_days=7)
    champions: list[list[date]] = []
    for rows in (features, history(changed)):
        trained: list[date] = []

        def train_on(day: date, rows: pd.DataFrame = rows, trained: list[date] = trained) -> Cycle:
            trained.append(day)
            return run_cycle(rows, day, RECIPES)

        by_clock, by_loop = simulate_policies(rows, cycles_of(rows, (every,)), [clock, loop], train_on)
        assert all(later - earlier >= timedelta(days=7) for earlier, later in itertools.pairwise(trained))
        assert by_loop.trainings == by_clock.trainings + len(trained)
        champions.append([*by_loop.champions])
    quiet, knowing = champions
    assert [day for day in knowing if day < shifted_on] == [day for day in quiet if day < shifted_on], "no look ahead"
    by_loop_known, by_clock_known = (
        next(day for day in days if day >= shifted_on) for days in (knowing, by_clock.champions)
    )
    assert shifted_on < by_loop_known < by_clock_known


def test_a_larger_budget_pages_no_less_often_and_forecasts_the_same(outcomes: dict[Policy, Outcome]) -> None:
    for rule in ("evidence", "always"):
        strict, loose = outcomes[Policy(EVERY, rule, 1.0)], outcomes[Policy(EVERY, rule, 4.0)]  # type: ignore[arg-type]
        assert strict.pages <= loose.pages
        assert strict.rmse == loose.rmse


def test_the_comparison_is_the_one_that_a_promotion_makes(features: pd.DataFrame, cycles: list[Cycle]) -> None:
    known = panel_from(features[features["ds"] <= pd.Timestamp(cycles[-1].day)])
    asked = compare_recipes(known, *RECIPES)
    assert asked.champion is not None
    assert cycles[-1].comparison.champion is not None
    assert (asked.challenger.loss == cycles[-1].comparison.challenger.loss).all()
    assert (asked.champion.loss == cycles[-1].comparison.champion.loss).all()


@pytest.fixture
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several stretches to draw from, in a history this short."""
    monkeypatch.setattr("forecasting_platform.forecasting.policy_backtest.summary.BLOCK_DAYS", 15)


@pytest.mark.usefixtures("short_blocks")
def test_a_summary_puts_the_lowest_rmse_first_and_the_default_at_one(outcomes: dict[Policy, Outcome]) -> None:
    table = summarize(list(outcomes.values()), Policy(EVERY))
    assert table["rmse"].is_monotonic_increasing
    default = table[(table["rule"] == "evidence") & (table["pages_a_year"] == 1.0)]
    assert default[["rmse_to_default", "lo", "hi"]].to_numpy().tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.usefixtures("short_blocks")
def test_a_better_policy_is_told_from_chance(outcomes: dict[Policy, Outcome]) -> None:
    base = outcomes[Policy(EVERY)]
    half = replace(base, policy=Policy(7), errors=base.errors / 2)
    table = summarize([base, half], Policy(EVERY)).set_index("train_every_days")
    assert table.loc[7, "rmse_to_default"] == pytest.approx(0.5)
    assert table.loc[7, "hi"] < 1


def test_training_days_are_shared_between_intervals_and_begin_together() -> None:
    days = list(DateRange(date(2018, 1, 1), date(2021, 12, 31)))
    both = training_days(days, [7, 15])
    first = days[FIRST_TRAINING_DAYS - 1]
    assert both[0] == first
    assert set(both) == set(training_days(days, [7])) | set(training_days(days, [15]))
    assert max(both) < days[-1]


def test_a_history_too_short_to_train_on_is_refused() -> None:
    with pytest.raises(InsufficientHistoryError, match=f"needs {FIRST_TRAINING_DAYS + 1} days"):
        training_days(list(DateRange(date(2022, 1, 1), date(2022, 12, 31))), [15])


def test_the_grid_has_each_policy_once() -> None:
    grid = policies()
    assert len(set(grid)) == len(grid) >= 12
    assert DEFAULT_POLICY in grid
