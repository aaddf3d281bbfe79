"""A promotion takes the backtest that its challenger's training has made, where nothing has changed since."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting import block_training
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.promotion.evidence import Comparison
from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, NotNormalPeriod
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.services.promotion import evidence
from forecasting_platform.services.promotion.evidence import PromotionEvidence
from forecasting_platform.services.promotion.versions import Versions
from forecasting_platform.services.training.trainer import Trainer
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal
from forecasting_platform_tests.support.in_process_engine import in_process

LENGTH = 560
DAYS = DateRange(END - timedelta(days=LENGTH - 1), END)
RECIPE = replace(default_recipe(7, "IE", ("naive", "seasonal_naive", "direct_ridge")), backtest_days=150, refit_days=30)


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    at = np.arange(LENGTH)
    values = {f"s{number}": seasonal(LENGTH, seed=number) for number in range(3)}
    values |= {"constant": np.full(LENGTH, 5.0), "new": np.where(at < LENGTH - 40, np.nan, seasonal(LENGTH, seed=7))}
    values["gappy"] = np.where(at % 9 == 0, np.nan, seasonal(LENGTH, seed=8))
    return features_of(observations(values))


@pytest.fixture(scope="module")
def model(features: pd.DataFrame) -> ForecastModel:
    return trained(features, RECIPE)


def store_of(features: pd.DataFrame) -> MemoryTableStore:
    store = MemoryTableStore()
    store.replace(FEATURE_TABLE, features, DAYS)
    return store


def trained(features: pd.DataFrame, recipe: Recipe) -> ForecastModel:
    """In blocks of two: one of them holds the constant and the first other series, one is of the new series too."""
    store = store_of(features)
    return Trainer(store, in_process(store), block_series=2).train(recipe, code_version="test").model


def compared(features: pd.DataFrame, model: ForecastModel, serving: ForecastModel | None) -> Comparison:
    versions = Versions(MemoryModelRegistry(), MemoryLedger())
    store = store_of(features)
    found = PromotionEvidence(store, in_process(store), versions, PromotionPolicy.packaged(), lambda _: 0)
    return found.compare(model, serving)


@pytest.fixture(autouse=True)
def _blocks_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    split = block_training.series_blocks
    monkeypatch.setattr(evidence, "series_blocks", lambda names: split(names, 2))


@pytest.fixture
def backtests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []

    def counted(*arguments: Any) -> Comparison:
        made.append("backtest")
        return evidence_compare(*arguments)

    evidence_compare = evidence.compare_on_stored_series
    monkeypatch.setattr(evidence, "compare_on_stored_series", counted)
    return made


@pytest.mark.parametrize("serves", [False, True], ids=["nothing serves", "its recipe serves already"])
def test_what_training_kept_is_what_a_backtest_would_give(
    features: pd.DataFrame, model: ForecastModel, backtests: list[str], serves: bool
) -> None:
    serving = model if serves else None
    found = compared(features, model, serving)
    assert backtests == []
    assert set(model.metadata["evidence"]["constant"]) == {"constant"}
    unkept = replace(model, metadata={key: of for key, of in model.metadata.items() if key != "evidence"})
    expected = compared(features, unkept, serving)
    assert backtests == ["backtest"]
    for own, other in (
        (found.challenger, expected.challenger),
        *((found.naive[name], expected.naive[name]) for name in expected.naive),
    ):
        # Series are added up in blocks: the last bits are others.
        np.testing.assert_allclose(own.loss, other.loss, rtol=1e-9)
        assert (own.cutoffs, own.constant) == (other.cutoffs, other.constant)
        assert own.rmse == pytest.approx(other.rmse, rel=1e-9)
    assert found.challenger.by_step.keys() == expected.challenger.by_step.keys()
    for steps, loss in expected.challenger.by_step.items():
        np.testing.assert_allclose(found.challenger.by_step[steps], loss, rtol=1e-9)
    assert expected.challenger.coverage_80 is not None
    assert found.challenger.coverage_80 == pytest.approx(expected.challenger.coverage_80, rel=1e-9)
    assert found.challenger.within_80 == pytest.approx(expected.challenger.within_80, rel=1e-9)
    assert (found.champion is not None) == serves
    assert found.champion is None or (found.champion.loss == found.challenger.loss).all()


def revised(features: pd.DataFrame) -> pd.DataFrame:
    return features.assign(y=features["y"].where(features["ds"] != pd.Timestamp(END), features["y"] + 1e-9))


def with_another_series(features: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([features, features[features["unique_id"] == "s0"].assign(unique_id="s9")], ignore_index=True)


@pytest.mark.parametrize("change", [revised, with_another_series])
def test_other_data_are_backtested(
    features: pd.DataFrame, model: ForecastModel, backtests: list[str], change: Any
) -> None:
    compared(change(features), model, None)
    assert backtests == ["backtest"]


def test_another_recipe_is_backtested(features: pd.DataFrame, model: ForecastModel, backtests: list[str]) -> None:
    other = trained(features, replace(RECIPE, refit_days=60))
    compared(features, model, other)
    assert backtests == ["backtest"]


def test_a_champion_of_fewer_series_has_them_backtested(
    features: pd.DataFrame, model: ForecastModel, backtests: list[str]
) -> None:
    fewer = trained(features[features["unique_id"] != "s2"], RECIPE)
    assert "s2" not in compared(features, model, fewer).challenger.rmse
    assert backtests == ["backtest"]


def test_where_periods_are_not_normal_what_is_left_out_is_counted(
    features: pd.DataFrame, model: ForecastModel, backtests: list[str]
) -> None:
    period = NotNormal((NotNormalPeriod(END - timedelta(days=30), END - timedelta(days=20), "strike"),))
    declared = trained(features, replace(RECIPE, not_normal=period))
    assert compared(features, declared, None).left_out["days"] == 11
    assert backtests == ["backtest"]


def test_series_of_which_none_decides_are_backtested(backtests: list[str]) -> None:
    flat = features_of(observations({"a": np.full(LENGTH, 5.0), "b": np.full(LENGTH, 6.0)}))
    compared(flat, trained(flat, RECIPE), None)
    assert backtests == ["backtest"]
