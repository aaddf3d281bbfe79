"""Estimators of scikit-learn as candidates: the contract of all, and what is theirs alone."""

import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.adapters.model_artifact import read_artifact, write_artifact
from forecasting_platform.candidate_contract import (
    END,
    VALUES,
    WIND,
    CandidateContract,
    features_of,
    forecasts_of,
    panel_of,
    seasonal,
)
from forecasting_platform.candidates import NAMED_PARTS, FittedOnnx, OnnxCandidate, Panel, Task, register_candidate
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.candidates.naive import FittedNaive, Naive
from forecasting_platform.forecasting.models.candidates.pooled.pooled_columns import (
    POOLED_NAMES,
    covariate_columns,
    pooled_matrix,
)
from forecasting_platform.forecasting.models.candidates.registry import candidate_arrays, candidates_from
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, share_weight
from forecasting_platform.forecasting.series.covariates.exogenous import (
    KnownByTargetDay,
    KnownInAdvance,
    exogenous_columns,
)
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.services.training.trainer import Trainer
from forecasting_platform_tests.support.in_process_engine import in_process


@dataclass(frozen=True, slots=True)
class FittedTrees(FittedOnnx):
    name: ClassVar[str] = "trees"


@register_candidate
@dataclass(frozen=True, slots=True)
class Trees(OnnxCandidate):
    fitted: ClassVar[type[FittedTrees]] = FittedTrees
    iterations: int = 20

    def estimator(self) -> Any:
        return HistGradientBoostingRegressor(max_iter=self.iterations, random_state=0)


@dataclass(frozen=True, slots=True)
class FittedLine(FittedOnnx):
    name: ClassVar[str] = "line"


@register_candidate
@dataclass(frozen=True, slots=True)
class Line(OnnxCandidate):
    fitted: ClassVar[type[FittedLine]] = FittedLine

    def estimator(self) -> Any:
        return make_pipeline(SimpleImputer(keep_empty_features=True), Ridge())


class TestTrees(CandidateContract):
    candidate = Trees()


class TestLine(CandidateContract):
    candidate = Line()


def fit(panel: Panel, candidate: OnnxCandidate | None = None, **task: Any) -> Any:
    return Recipe((replace(candidate or Trees(), prior_weight=1.0),), **task).fit(panel)[0]


@dataclass(frozen=True, slots=True)
class FittedNotConvertible(FittedOnnx):
    name: ClassVar[str] = "not_convertible"


@dataclass(frozen=True, slots=True)
class NotConvertible(OnnxCandidate):
    fitted: ClassVar[type[FittedNotConvertible]] = FittedNotConvertible

    def estimator(self) -> Any:
        return TransformedTargetRegressor(Ridge(), func=np.arcsinh, inverse_func=np.sinh)


def test_an_estimator_that_onnx_has_no_words_for_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"'not_convertible' cannot be stored: .*TransformedTargetRegressor"):
        fit(panel_of({"a": np.nan_to_num(VALUES["a"])}), NotConvertible())


def test_trees_learn_a_week_that_naive_does_not_know() -> None:
    values = {name: seasonal(500, seed) for seed, name in enumerate("abc")}
    panel = panel_of(values)
    fitted = fit(panel.until(panel.days[-31]))
    block = panel.block(panel.days[-31:-15], 15, "IE")
    actuals = panel.actuals(panel.days[-31:-15], 15)
    ours, naive = (np.nanmean((actuals - of.predict_block(block)) ** 2) for of in (fitted, FittedNaive()))
    assert ours < 0.5 * naive


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_a_series_in_another_unit_is_forecast_alike(factor: float) -> None:
    small, large = panel_of(VALUES), panel_of({name: factor * y for name, y in VALUES.items()})
    found = [forecasts_of(fit(panel), panel.block(panel.days[-5:], 15, "IE")) for panel in (small, large)]
    # Trees cut between neighbours, which another rounding may put on other sides.
    np.testing.assert_allclose(found[1], factor * found[0], rtol=0.05)


def test_blocks_that_are_joined_keep_a_document_each_and_one_that_nobody_uses_is_dropped() -> None:
    first, second = fit(panel_of({"a": VALUES["a"]})), fit(panel_of({"b": VALUES["b"], "c": VALUES["c"]}))
    joined = FittedTrees.join([first, second, first, first.unfitted(1)])
    assert (joined.document.tolist(), len(joined.documents)) == ([0, 1, 1, 0, -1], 2)
    some = joined.take(np.array([4, 2]))
    assert (some.document.tolist(), some.documents) == ([-1, 0], second.documents)


def test_a_covariate_of_the_day_is_used_at_its_own_step() -> None:
    declared = (WIND, KnownInAdvance("rain {step}"), KnownByTargetDay("plan", days_ahead=2))
    covariates = covariate_columns(Task(3, "IE", declared))
    # Of a plan the value of the cutoff day, and that of the day ahead as far as it is planned.
    assert covariates.tolist() == [[0, 1, 4, 5], [0, 2, 4, 6], [0, 3, 4, -1]]
    panel = panel_of({"a": VALUES["a"]}).with_exogenous(exogenous_columns(declared, 3))
    panel.features[:, :, -7:] = [7.0, 1.0, 2.0, np.nan, 10.0, 11.0, 12.0]
    block = panel.block(panel.days[-1:], 5, "IE")
    rows = [block.rows(step)[0] for step in (1, 2, 4)]
    known = [pooled_matrix(of.values, of.step, np.zeros(1), covariates, is_yearly=True) for of in rows]
    found = [of[0, len(POOLED_NAMES) :] for of in known]
    np.testing.assert_array_equal(found, [[7, 2, 10, 12], [7, np.nan, 10, np.nan], [np.nan] * 4])
    fitted = fit(panel, horizon=3, exogenous=declared)
    # A forecast that was not made is missing; a day that no plan reaches is not.
    lacks = [fitted.lacks_exogenous(of, np.zeros(1, dtype=np.int64)).item() for of in rows]
    assert lacks == [False, True, False]


def test_a_plan_of_each_series_moves_its_own_forecast() -> None:
    rng = np.random.default_rng(0)
    declared = (KnownByTargetDay("promo"),)
    plans = {name: (rng.random(500) < 0.2).astype(float) for name in "ab"}
    panel = panel_of({name: seasonal(500, seed) + 50 * plan for seed, (name, plan) in enumerate(plans.items())})
    panel = panel.with_exogenous(exogenous_columns(declared, 3))
    for series, plan in enumerate(plans.values()):
        padded = np.append(plan, np.zeros(3))
        for ahead in range(4):
            panel.features[series, :, -4 + ahead] = padded[ahead : ahead + 500]
    fitted = fit(panel, horizon=3, exogenous=declared)
    cutoffs = panel.days[-100:-3]
    moved = fitted.predict_block(panel.block(cutoffs, 3, "IE"))
    ahead = np.stack(
        [np.stack([plan[-100 + step : len(plan) - 3 + step] for step in (1, 2, 3)], 1) for plan in plans.values()]
    )
    assert 35 < moved[ahead == 1].mean() - moved[ahead == 0].mean() < 60
    # The plan is named as what moved the forecast, and a day without one owes it little.
    rows, series, cutoff = panel.block(cutoffs, 3, "IE").rows(0)
    part = fitted.parts(rows, series)[:, NAMED_PARTS.index("exogenous")]
    is_promoted = ahead[series, cutoff, 0] == 1
    assert part[is_promoted].mean() > 25
    assert abs(part[~is_promoted].mean()) < 10


def test_the_weekday_and_holidays_are_named_as_what_moves_a_forecast() -> None:
    panel = panel_of({"a": seasonal(500), "b": seasonal(500, 1)})
    rows, series, _ = panel.block(panel.days[-60:], 3, "IE").rows(0)
    parts = fit(panel, horizon=3).parts(rows, series)
    weekly, holiday = (parts[:, NAMED_PARTS.index(name)] for name in ("weekly", "holiday"))
    # The series end on a Friday, and are 15 lower on Mondays and Tuesdays: 10.7 below the week's mean, else 4.3 above.
    is_low = rows.column("target_weekday") < 2
    assert -13 < weekly[is_low].mean() < -7
    assert 3 < weekly[~is_low].mean() < 6
    assert np.abs(holiday).mean() < 1


def test_too_few_examples_are_the_naive_forecast() -> None:
    panel = panel_of({"a": seasonal(12)})
    block = panel.block(panel.days[-2:], 15, "IE")
    np.testing.assert_array_equal(fit(panel).predict_block(block), FittedNaive().predict_block(block))


def test_more_examples_than_are_wanted_are_drawn_alike_each_time() -> None:
    few = Trees(max_examples=500)
    documents = [fit(panel_of(VALUES), few).documents for _ in range(2)]
    assert documents[0] == documents[1] != fit(panel_of(VALUES)).documents


def test_what_trains_and_what_runs_a_document_is_named_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted = fit(panel_of(VALUES))
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ConfigurationError, match=r"trained with skl2onnx.*forecasting-platform\[onnx-training\]"):
        fit(panel_of(VALUES))
    monkeypatch.setattr(FittedOnnx, "needs", {"no_such_module": "forecasting-platform[onnx]"})
    with pytest.raises(ConfigurationError, match=r"needs no_such_module, .*pip install 'forecasting-platform\[onnx\]'"):
        candidates_from(candidate_arrays([fitted]), ["trees"])


def test_of_less_than_two_years_the_position_in_the_year_is_not_learned() -> None:
    short, long = panel_of(VALUES), panel_of({"a": seasonal(800)})
    rows, _, _ = short.block(short.days[-1:], 1, "IE").rows(0)
    waves = [position for position, name in enumerate(POOLED_NAMES) if name.startswith("target_yearly_")]
    for panel, is_yearly in ((short, False), (long, True)):
        fitted = fit(panel)
        assert bool(fitted.is_yearly) is is_yearly
        matrix = pooled_matrix(rows.values, rows.step, np.zeros(len(rows)), fitted.covariates, is_yearly=is_yearly)
        assert (matrix[:, waves] != 0).any() == is_yearly


def test_blocks_that_were_trained_apart_are_one_model_that_is_stored_and_read(tmp_path: Path) -> None:
    recipe = Recipe(share_weight([Naive(), Trees(prior_weight=1.0)]), backtest_days=100, refit_days=60)
    features = features_of({name: seasonal(300, seed) for seed, name in enumerate("abcde")})
    store = MemoryTableStore()
    store.replace(FEATURE_TABLE, features, DateRange(features["ds"].min().date(), END))
    model = Trainer(store, in_process(store), block_series=2).train(recipe, code_version="test").model
    days = [END + timedelta(days=step) for step in range(1, 20)]
    expected = model.predict(model.inputs(days))
    assert len(set(expected.y_hat.tolist())) > 5  # not the naive forecast of each
    write_artifact(model, tmp_path)
    read = read_artifact(tmp_path)
    np.testing.assert_array_equal(read.predict(read.inputs(days)).y_hat, expected.y_hat)
    alone = read.take(read.positions(["d"]))
    np.testing.assert_array_equal(alone.predict(alone.inputs(days)).y_hat, expected.y_hat[expected.unique_id == "d"])
    assert [len(of.candidates[1].to_arrays()["document_ends"]) for of in (read, alone)] == [3, 1]
