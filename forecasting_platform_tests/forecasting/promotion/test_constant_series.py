"""Constant series are served and decide nothing; intermittent ones decide, and their zeros count as no excess."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from forecasting_platform.forecasting.models.issuing import issue_forecasts, match_errors
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_candidates
from forecasting_platform.forecasting.models.training.training import Training
from forecasting_platform.forecasting.monitoring.control.questions import (
    bias_report,
    coverage_report,
    naive_report,
    rmse_report,
)
from forecasting_platform.forecasting.monitoring.control.references import add_control_references, references_from
from forecasting_platform.forecasting.promotion.decision_inputs import ScoredVersion
from forecasting_platform.forecasting.promotion.evidence import Comparison, compare_recipes
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.promotion.rule import decide
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform.forecasting.series.lifetime import is_constant
from forecasting_platform_tests.forecasting.promotion.decided import CUTOFF, NOISE, evidence, judged
from forecasting_platform_tests.support.drift_reports import drift_report, earlier_years_report
from forecasting_platform_tests.support.example_series import (
    END,
    days_after,
    features_of,
    observations,
    seasonal,
    trained,
)

AT = datetime(2023, 8, 1, tzinfo=UTC)
RECIPE = Recipe(backtest_days=300, refit_days=60)
DAYS = 600
# 0.1 has no exact binary form: means of it differ from it in the last bit.
STILL = {
    "zero": np.zeros(DAYS),
    "tenth": np.full(DAYS, 0.1),
    "negative": np.full(DAYS, -3.3),
    "more": np.full(DAYS, 7.0),
}


def compared(values: dict[str, np.ndarray]) -> Comparison:
    return compare_recipes(panel_from(features_of(observations(values))), RECIPE, RECIPE)


@pytest.fixture(scope="module")
def alone() -> Comparison:
    return compared({"alive": seasonal(DAYS)})


@pytest.fixture(scope="module")
def beside() -> Comparison:
    return compared({"alive": seasonal(DAYS), **STILL})


def test_constant_series_change_no_number_of_a_promotion(alone: Comparison, beside: Comparison) -> None:
    np.testing.assert_allclose(beside.challenger.loss, alone.challenger.loss, rtol=1e-12)
    assert beside.challenger.coverage_80 == pytest.approx(alone.challenger.coverage_80)
    assert beside.challenger.within_80 == pytest.approx(alone.challenger.within_80)
    assert beside.challenger.constant == tuple(sorted(STILL))
    for name, found in beside.naive.items():
        np.testing.assert_allclose(found.loss, alone.naive[name].loss, rtol=1e-12)


def test_a_refresh_beside_four_constant_series_is_not_rejected(beside: Comparison) -> None:
    assert beside.champion is not None
    decision = decide(
        ScoredVersion("2", CUTOFF, "x", beside.challenger),
        ScoredVersion("1", CUTOFF - timedelta(days=15), "x", beside.champion),
        beside.naive,
        PromotionPolicy.packaged(),
        horizon=15,
        decided_at=datetime(2023, 7, 1, tzinfo=UTC),
        decided_by="a test",
    )
    assert decision.verdict == "refresh"
    assert decision.evidence["inputs"]["constant"] == sorted(STILL)
    assert set(decision.evidence["inputs"]["series"]) == {"alive"}


def test_where_all_series_are_constant_nothing_is_measured_and_a_refresh_goes_on() -> None:
    comparison = compared(STILL)
    assert comparison.champion is not None
    assert comparison.challenger.mean_loss == pytest.approx(0, abs=1e-12)
    assert comparison.challenger.coverage_80 is None
    decision = decide(
        ScoredVersion("2", CUTOFF, "x", comparison.challenger),
        ScoredVersion("1", CUTOFF - timedelta(days=15), "x", comparison.champion),
        comparison.naive,
        PromotionPolicy.packaged(),
        horizon=15,
        decided_at=datetime(2023, 7, 1, tzinfo=UTC),
        decided_by="a test",
    )
    assert decision.verdict == "refresh"


@pytest.fixture(scope="module")
def training() -> Training:
    return trained({"alive": seasonal(DAYS), **STILL}, RECIPE)


def test_a_constant_series_is_served_by_naive_at_its_value_and_said_to_be_constant(training: Training) -> None:
    model = training.model
    found = model.predict(model.inputs(days_after(15))).to_frame().set_index("unique_id")
    for name, y in STILL.items():
        assert (found.loc[name, ["y_hat", "y_hat_lo_95", "y_hat_hi_95"]] == y[0]).all(axis=None)
        assert model.metadata["series"][name]["constant"] is True
        assert model.metadata["series"][name]["winner"] == "naive"
    assert model.metadata["series"]["alive"]["constant"] is False


def test_no_chart_is_learnt_from_the_rounding_errors_of_a_constant_series(training: Training) -> None:
    references = references_from(add_control_references(training.model.metadata, training.results, training.panel))
    assert {name for name, found in references.items() if not found.charts} == set(STILL)
    later = END + timedelta(days=30)
    values = {"alive": seasonal(DAYS + 30), **{name: np.full(DAYS + 30, y[0]) for name, y in STILL.items()}}
    features = features_of(observations(values, later), later)
    issued = issue_forecasts(training.model, features, model_version="1", issued_at=AT)
    actuals = observations(values, later).assign(available_at=pd.Timestamp(AT))
    errors = match_errors(issued, actuals, DateRange(END + timedelta(days=1), later))
    for report in (bias_report, rmse_report, coverage_report, naive_report):
        series = report(errors, references, pages_a_year=1.0).series.set_index("unique_id")
        assert set(series.index[series["state"] == "unknown"]) == set(STILL)
        assert set(series.loc[list(STILL), "why"]) == {"constant in its model's backtest"}


def test_drift_of_a_constant_series_is_unknown_and_says_why() -> None:
    features = features_of(observations({"alive": seasonal(DAYS), **STILL}))
    for report in (drift_report, earlier_years_report):
        series = report(features, pages_a_year=1.0).series.set_index("unique_id")
        assert set(series.loc[list(STILL), "state"]) == {"unknown"}
        assert set(series.loc[list(STILL), "why"]) == {"constant in its reference"}


# ---- series that are often 0


def intermittent(share_of_zeros: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(DAYS) < share_of_zeros, 0.0, rng.gamma(2.0, 50.0, DAYS))


@pytest.mark.parametrize("share_of_zeros", [0.3, 0.97])
def test_an_intermittent_series_decides_and_its_intervals_keep_their_promise(share_of_zeros: float) -> None:
    found = compared({"sometimes": intermittent(share_of_zeros)}).challenger
    assert found.constant == ()
    assert found.coverage_80 is not None
    assert found.within_80 is not None
    assert found.within_80 <= 0.85
    assert found.coverage_80 >= 0.75


def test_a_series_that_changes_by_rare_steps_is_held_by_its_bounds_and_not_called_too_wide() -> None:
    tariff = panel_from(features_of(observations({"tariff": np.where(np.arange(DAYS) < DAYS - 100, 17.0, 12.0)})))
    found = compare_recipes(tariff, replace(RECIPE, candidates=default_candidates(("naive",))), None).challenger
    assert found.constant == ()
    assert found.coverage_80 is not None
    assert found.within_80 is not None
    assert found.coverage_80 > PromotionPolicy.packaged().max_coverage_80 > found.within_80


def test_a_continuous_series_has_the_same_coverage_with_and_without_bounds(alone: Comparison) -> None:
    assert alone.challenger.within_80 == alone.challenger.coverage_80


def test_intervals_that_hold_nearly_everything_off_their_bounds_are_still_rejected() -> None:
    wide, right = (judged(evidence(0.8 * NOISE, 0.97, within_80=within), NOISE) for within in (0.97, 0.5))
    assert (wide.verdict, right.verdict) == ("reject", "promote")


# ---- the definition


@given(
    value=st.floats(-1e300, 1e300),
    known=st.lists(st.booleans(), min_size=1, max_size=20),
)
def test_one_value_is_constant_however_often_it_is_known(value: float, known: list[bool]) -> None:
    values = np.where(known, value, np.nan)
    assert is_constant(values) == any(known)


@given(
    values=st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=20),
    factor=st.sampled_from([1.0, -1.0, 1e-3, 7.0]),
)
def test_constant_does_not_depend_on_order_or_unit(values: list[float], factor: float) -> None:
    found = np.array(values)
    assert is_constant(found) == is_constant(found[::-1])
    assert is_constant(found) == is_constant(np.append(found, np.nan))
    assume(np.abs(found).max() > 1e-200)
    assert is_constant(found) == is_constant(found * factor)


def test_a_series_that_went_still_or_woke_up_within_the_days_looked_at_is_not_constant() -> None:
    went_still = np.append(np.arange(5.0), np.zeros(50))
    assert is_constant(np.stack([went_still, went_still[::-1], np.zeros(55)])).tolist() == [False, False, True]
    assert is_constant(went_still[10:])
