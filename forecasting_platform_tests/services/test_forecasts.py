"""The champion's forecasts are issued with those of its challenger and its predecessor beside them."""

from datetime import date, timedelta

import pytest

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import InvalidArtifactError, NoChampionError
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECASTS
from forecasting_platform.ports.model_registry import ModelVersion
from forecasting_platform.services.forecasts import issue
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal
from forecasting_platform_tests.support.in_process_engine import in_process

DAYS = 120
LAST = DateRange(END - timedelta(days=1), END)
FEATURES = features_of(observations({"a": seasonal(DAYS)}))


class Registry(MemoryModelRegistry):
    broken = ""

    def load(self, version: ModelVersion) -> ForecastModel:
        if version.version == self.broken:
            raise InvalidArtifactError(version.version, "a byte differs")
        return super().load(version)


@pytest.fixture(scope="module")
def model() -> ForecastModel:
    return train(FEATURES, END - timedelta(days=1), default_recipe(15, "IE", ("naive",)), code_version="x").model


@pytest.fixture
def store() -> MemoryTableStore:
    store = MemoryTableStore()
    store.replace(FEATURE_TABLE, FEATURES, DateRange(END - timedelta(days=DAYS - 1), END))
    return store


@pytest.fixture
def registry(model: ForecastModel) -> Registry:
    """Version 1 was champion, version 2 is, version 3 would be."""
    registry = Registry()
    for expected in (None, "1"):
        registry.move_champion(registry.register(model, plots={}, run_tags={}), expected=expected)
    registry.register(model, plots={}, run_tags={})
    return registry


def issued(store: MemoryTableStore) -> dict[str, set[date]]:
    found = store.read(FORECASTS)
    return {version: set(rows["cutoff"].dt.date) for version, rows in found.groupby("model_version")}


def test_challenger_and_previous_champion_forecast_in_the_shadow(store: MemoryTableStore, registry: Registry) -> None:
    done = issue(store, in_process(store), registry, LAST)
    assert (done.champion.version, done.shadows, done.failed) == ("2", ["1", "3"], {})
    assert set(done.record["model_version"]) == {"2"}
    assert issued(store) == {version: set(LAST) for version in "123"}


def test_a_shadow_that_cannot_forecast_is_named_and_holds_nobody_up(
    store: MemoryTableStore, registry: Registry
) -> None:
    registry.broken = "1"
    done = issue(store, in_process(store), registry, LAST)
    assert (done.shadows, list(done.failed)) == (["3"], ["1"])
    assert "a byte differs" in done.failed["1"]
    assert issued(store) == {version: set(LAST) for version in "23"}


def test_without_a_champion_nothing_is_issued(store: MemoryTableStore) -> None:
    with pytest.raises(NoChampionError):
        issue(store, in_process(store), Registry(), LAST)
    assert store.read(FORECASTS).empty
