"""`rollback_job` as a person starts it in Dagster: with a reason it rolls back, without one it says what is missing."""

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.errors import ReasonMissingError
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal

pytestmark = pytest.mark.slow


@pytest.fixture
def registry() -> MemoryModelRegistry:
    """Version 2 serves, version 1 did before."""
    made = MemoryModelRegistry()
    features = features_of(observations({"a": seasonal(400)}))
    model = train(features, features["ds"].max().date(), default_recipe(15, "IE", ("naive",)), code_version="x").model
    before = None
    for _ in range(2):
        version = made.register(model, plots={}, run_tags={})
        made.move_champion(version, expected=before)
        before = version.version
    return made


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(
    instance: dg.DagsterInstance, registry: MemoryModelRegistry, ledger: MemoryLedger, config: Mapping[str, Any] | None
) -> dg.ExecuteInProcessResult:
    resources = {
        "observation_feed": SimpleNamespace(),
        "table_store": MemoryTableStore(),
        "model_registry": registry,
        "ledger": ledger,
        "settings": Settings(),
        "mlflow": SimpleNamespace(),
    }
    job = build_definitions(resources=resources).resolve_job_def("rollback_job")
    ops = {"ops": {"champion_model": {"config": config}}} if config else None
    return job.execute_in_process(instance=instance, run_config=ops)


def test_the_previous_champion_serves_again_and_the_ledger_says_why(
    instance: dg.DagsterInstance, registry: MemoryModelRegistry, ledger: MemoryLedger
) -> None:
    run(instance, registry, ledger, {"action": "rollback", "reason": "too low since Monday"})
    champion = registry.version_at("champion")
    assert champion is not None
    assert champion.version == "1"
    (decision,) = ledger.decisions()
    assert (decision.verdict, decision.reason) == ("rollback", "too low since Monday")


def test_started_as_it_is_it_asks_for_a_reason_and_nothing_moves(
    instance: dg.DagsterInstance, registry: MemoryModelRegistry, ledger: MemoryLedger
) -> None:
    with pytest.raises(ReasonMissingError):
        run(instance, registry, ledger, None)
    champion = registry.version_at("champion")
    assert champion is not None
    assert champion.version == "2"
    assert ledger.decisions() == []
