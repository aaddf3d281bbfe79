"""A promotion whose process is killed after any of its writes: the next tick leaves MLflow and the ledger agreed."""

import subprocess
import sys
from datetime import timedelta

import pandas as pd
import pytest

from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.promotion.decisions import first_break
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.services.promotion.promoter import PROMOTION_SENSOR
from forecasting_platform.services.promotion.versions import MOVED_BY
from forecasting_platform_tests.kill.promote import WRITES, promoter
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal
from forecasting_platform_tests.support.mlflow_server import MlflowServer
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return features_of(observations({"a": seasonal(700)}))


@pytest.fixture(scope="module")
def models(features: pd.DataFrame) -> list[ForecastModel]:
    """A naive recipe and a better one."""
    cutoff = features["ds"].max().date() - timedelta(days=30)
    recipes = (default_recipe(15, "IE", (name,)) for name in ("naive", "seasonal_naive"))
    return [train(features, cutoff, recipe, code_version="x").model for recipe in recipes]


@pytest.mark.parametrize("write", range(1, len(WRITES) + 1))
def test_a_promotion_killed_after_any_write_is_finished_at_the_next_tick(
    features: pd.DataFrame, models: list[ForecastModel], prepared_dsn: str, mlflow_server: MlflowServer, write: int
) -> None:
    registry = MlflowModelRegistry(mlflow_server.url, name=f"killed_{write}")
    ledger, store = PostgresLedger(prepared_dsn), PostgresTableStore(prepared_dsn)
    store.replace(FEATURE_TABLE, features, DateRange(features["ds"].min().date(), features["ds"].max().date()))
    here = promoter(prepared_dsn, mlflow_server.url, registry.name)
    registry.register(models[0], plots={}, run_tags={})
    here.evaluate(PROMOTION_SENSOR)
    registry.register(models[1], plots={}, run_tags={})

    module = ["-m", "forecasting_platform_tests.kill.promote"]
    killed = subprocess.run(
        [sys.executable, *module, prepared_dsn, mlflow_server.url, registry.name, str(write)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    serving = registry.version_at("champion")
    assert serving is not None
    assert serving.version == ("1" if write < 3 else "2"), "an alias never names what was not decided"
    owed = here.versions.owed()
    assert (owed is None) == (write == len(WRITES))
    if owed is not None:
        here.evaluate(PROMOTION_SENSOR)

    champion = registry.version_at("champion")
    decisions = ledger.decisions()
    assert champion is not None
    assert [decision.verdict for decision in decisions] == ["promote", "promote"]
    assert first_break(decisions) is None
    assert champion.version == decisions[0].challenger_version == "2"
    assert champion.tags[MOVED_BY] == champion.tags["decision_id"] == str(decisions[0].decision_id)
    assert champion.tags["decision_hash"] == decisions[0].entry_hash
    assert registry.load(champion).unique_ids == ("a",)
    assert here.versions.owed() is None
    ledger.close()
    store.close()
