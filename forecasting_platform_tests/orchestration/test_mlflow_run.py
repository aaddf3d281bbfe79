"""A training's MLflow run ends with the training, whoever asked for it."""

from types import SimpleNamespace

import dagster as dg
import pytest

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.orchestration.assets import trained_model as module


class Run:
    """MLflow, as far as a training uses it through Dagster's resource."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def set_tag(self, *_: str) -> None:
        assert not self.ended

    def end_run(self, status: str = "FINISHED") -> None:
        self.ended.append(status)


@pytest.mark.parametrize("job", ["training_job", "__ASSET_JOB"], ids=["job", "materialized by a person"])
@pytest.mark.parametrize("status", ["FINISHED", "FAILED"])
def test_it_ends_once_and_as_the_training_did(monkeypatch: pytest.MonkeyPatch, job: str, status: str) -> None:
    run = Run()
    if status == "FINISHED":
        monkeypatch.setattr(module, "train_challenger", lambda *_, **__: SimpleNamespace(remarks=[]))
        monkeypatch.setattr(module, "training_metadata", lambda _: {})
    resources = {"mlflow": run, "table_store": MemoryTableStore(), "model_registry": MemoryModelRegistry()}
    job_def = build_definitions(resources=resources).resolve_job_def(job)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job_def.execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey("trained_model")], raise_on_error=False
        )
    assert result.success == (status == "FINISHED")
    assert run.ended == [status]
