"""Intervals learn from the forecasts of their own version that matured, in blocks of series."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal, NotNormalPeriod
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECASTS, HELD_OBSERVATIONS
from forecasting_platform.services.forecasts import issue
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal
from forecasting_platform_tests.support.in_process_engine import in_process

FEATURES = features_of(observations({"a": seasonal(120), "b": seasonal(120, seed=1)}))
TRAINED = END - timedelta(days=40)
EARLIER, TODAY = DateRange(TRAINED, END - timedelta(days=10)), DateRange(END, END)
MISSED = DateRange(TRAINED + timedelta(days=1), END)
STRIKE = NotNormal((NotNormalPeriod(MISSED.start, MISSED.end, "strike"),))
AT = datetime(2030, 1, 1, tzinfo=UTC)


class Lived:
    """A store and a champion whose forecasts of `EARLIER` are on record."""

    def __init__(self) -> None:
        self.store, self.registry = MemoryTableStore(), MemoryModelRegistry()
        self.store.replace(FEATURE_TABLE, FEATURES, DateRange(FEATURES["ds"].min().date(), END))
        model = train(FEATURES, TRAINED, default_recipe(15, "IE", ("naive",)), code_version="x").model
        self.registry.move_champion(self.registry.register(model, plots={}, run_tags={}), expected=None)
        self.issue(EARLIER)

    def issue(self, cutoffs: DateRange, not_normal: NotNormal = ALL_NORMAL) -> pd.DataFrame:
        return issue(self.store, in_process(self.store), self.registry, cutoffs, not_normal).record

    def observe(self, unique_id: str, y: float, available_at: datetime = AT) -> pd.DataFrame:
        days = pd.date_range(MISSED.start, MISSED.end)
        rows = pd.DataFrame({"unique_id": unique_id, "ds": days, "y": y})
        self.store.record_observations(rows, MISSED, available_at=available_at)
        return rows

    def width(self, not_normal: NotNormal = ALL_NORMAL) -> dict[str, float]:
        record = self.issue(TODAY, not_normal)
        return dict((record["y_hat_hi_80"] - record["y_hat_lo_80"]).groupby(record["unique_id"]).mean())


@pytest.fixture
def lived() -> Lived:
    return Lived()


@pytest.fixture(scope="module")
def plain() -> dict[str, float]:
    """Of a version that has not seen an actual."""
    return Lived().width()


def test_a_series_whose_days_lie_outside_gets_wider_intervals_and_no_other(
    lived: Lived, plain: dict[str, float]
) -> None:
    lived.observe("a", 1e6)
    found = lived.width()
    assert found["a"] > 1.3 * plain["a"]
    assert found["b"] == plain["b"]


def test_nothing_is_learnt_from_days_that_are_not_normal(lived: Lived, plain: dict[str, float]) -> None:
    lived.observe("a", 1e6)
    assert lived.width(STRIKE) == plain


def test_nothing_is_learnt_from_values_that_are_held_back(lived: Lived, plain: dict[str, float]) -> None:
    rows = lived.observe("a", 1e6).assign(reason="far off", lowest=0.0, highest=1.0)
    lived.store.replace(HELD_OBSERVATIONS, rows, MISSED)
    assert lived.width() == plain


def test_the_newest_version_of_a_value_teaches(lived: Lived, plain: dict[str, float]) -> None:
    lived.observe("a", 1e6)
    record = lived.store.read(FORECASTS).drop_duplicates(["unique_id", "ds"])
    hit = record[(record["unique_id"] == "a") & (record["ds"] <= pd.Timestamp(END))][["unique_id", "ds", "y_hat"]]
    revised = hit.rename(columns={"y_hat": "y"})
    period = DateRange(revised["ds"].min().date(), revised["ds"].max().date())
    lived.store.record_observations(revised, period, available_at=AT + timedelta(days=1))
    assert lived.width()["a"] < plain["a"]


def test_a_cutoff_knows_no_later_day(lived: Lived, plain: dict[str, float]) -> None:
    lived.observe("a", 1e6)
    first = DateRange(EARLIER.end + timedelta(days=1), EARLIER.end + timedelta(days=1))
    alone = Lived()
    alone.observe("a", 1e6)
    together = lived.issue(DateRange(first.start, END))
    of_first = together[together["cutoff"] == pd.Timestamp(first.start)].drop(columns="issued_at")
    pd.testing.assert_frame_equal(of_first.reset_index(drop=True), alone.issue(first).drop(columns="issued_at"))
    assert np.isfinite(plain["a"])
