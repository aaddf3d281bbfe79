"""The registry on a real MLflow server, which keeps its records in SQLite and its artifacts in a folder."""

import itertools
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from forecasting_platform.errors import InvalidArtifactError, UnknownVersionError
from forecasting_platform.forecasting.block_training import join_blocks
from forecasting_platform_tests.contracts.model_registry_contract import (
    NEXT,
    PERIOD,
    PNG,
    RemoteModelRegistryContract,
    forecasts,
    register,
    trained_model,
)
from forecasting_platform_tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.slow

_numbers = itertools.count(1)


def files_of(server: MlflowServer, registry: MlflowModelRegistry) -> list[Path]:
    """Every artifact of the experiment of one registry."""
    return server.files_of(experiment_id(server, registry))


def experiment_id(server: MlflowServer, registry: MlflowModelRegistry) -> str:
    experiment = MlflowClient(server.url).get_experiment_by_name(registry.name)
    assert experiment is not None
    return str(experiment.experiment_id)


@pytest.fixture
def mlflow_registry(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowModelRegistry]:
    """A registry whose model and experiment no other test has."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    yield MlflowModelRegistry(mlflow_server.url, name=f"model_{next(_numbers)}")
    assert mlflow.active_run() is None, "a run is still active"


class TestMlflowModelRegistry(RemoteModelRegistryContract):
    @pytest.fixture
    def registry(self, mlflow_registry: MlflowModelRegistry) -> MlflowModelRegistry:
        return mlflow_registry

    @pytest.fixture
    def unreachable_registry(self, silent_port: int, monkeypatch: pytest.MonkeyPatch) -> MlflowModelRegistry:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        return MlflowModelRegistry(f"http://127.0.0.1:{silent_port}")


def test_a_champion_loads_by_mlflow_alone_in_a_clean_process_to_the_same_forecasts(
    mlflow_registry: MlflowModelRegistry,
) -> None:
    mlflow_registry.move_champion(register(mlflow_registry), expected=None)
    script = (
        "import json, sys, mlflow, pandas as pd\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "frame = pd.DataFrame(json.load(sys.stdin))\n"
        "frame[['cutoff', 'ds']] = frame[['cutoff', 'ds']].apply(pd.to_datetime)\n"
        "print(json.dumps(model.predict(frame)['y_hat'].tolist()))\n"
    )
    inputs = trained_model().inputs(list(NEXT)).to_frame().astype({"cutoff": str, "ds": str})
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, f"models:/{mlflow_registry.name}@champion"],
        input=json.dumps(inputs.to_dict("records")),
        capture_output=True,
        text=True,
        check=False,
        env={
            "MLFLOW_TRACKING_URI": mlflow_registry.tracking_uri,
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "PATH": "/usr/bin:/bin",
        },
    )
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout.splitlines()[-1]) == forecasts(trained_model())["y_hat"].tolist()


def test_a_run_is_finished_and_carries_parameters_scores_tags_and_the_plot(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry
) -> None:
    version = register(mlflow_registry, **{"dagster/run_id": "abc"})
    run = MlflowClient(mlflow_server.url).get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["dagster/run_id"] == "abc"
    assert run.data.params["cutoff"] == PERIOD.end.isoformat()
    assert run.data.params["horizon"] == "15"
    corrib = trained_model().metadata["series"]["Corrib production"]
    assert run.data.metrics["Corrib production/rmse"] == corrib["scores"]["rmse"]
    assert run.data.metrics["Corrib production/coverage_80"] == corrib["coverage"]["80"]
    scores = [of["scores"]["rmse_by_bucket"]["1-3"] for of in trained_model().metadata["series"].values()]
    assert run.data.metrics["mean/rmse_1-3"] == pytest.approx(np.mean(scores))
    (plot,) = [file for file in files_of(mlflow_server, mlflow_registry) if file.suffix == ".png"]
    assert plot.read_bytes() == PNG


def test_the_model_has_its_scores_too_and_no_metric_costs_a_request_of_its_own(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(MlflowClient, "get_metric_history")
    version, client = register(mlflow_registry), MlflowClient(mlflow_server.url)
    (logged,) = client.get_run(version.run_id).outputs.model_outputs
    of_model = {metric.key: metric.value for metric in client.get_logged_model(logged.model_id).metrics}
    assert of_model == client.get_run(version.run_id).data.metrics != {}


def test_each_candidate_is_a_child_run_with_its_scores_by_step_and_its_weights(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry
) -> None:
    version, client = register(mlflow_registry), MlflowClient(mlflow_server.url)
    parent = client.get_run(version.run_id)
    children = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{version.run_id}'")
    assert {run.data.params["candidate"] for run in children} == {c.name for c in trained_model().candidates}
    assert {run.info.status for run in children} == {"FINISHED"}
    corrib = trained_model().metadata["series"]["Corrib production"]
    for run in children:
        name = run.data.params["candidate"]
        assert run.info.run_name == name
        assert run.data.metrics["Corrib production/weight"] == corrib["weights"][name]
        assert run.data.metrics["Corrib production/rmse_8-15"] == corrib["candidates"][name]["rmse_by_bucket"]["8-15"]


def test_a_version_shows_its_model_card_and_the_environment_it_was_trained_in(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry
) -> None:
    version = register(mlflow_registry)
    described = MlflowClient(mlflow_server.url).get_model_version(version.name, version.version).description
    rmse = trained_model().metadata["series"]["Corrib production"]["scores"]["rmse"]
    assert f"| Corrib production | {trained_model().metadata['series']['Corrib production']['winner']}" in described
    assert f"{rmse:.4g}" in described
    assert PERIOD.end.isoformat() in described
    kept = {file.name: file for file in files_of(mlflow_server, mlflow_registry)}
    assert kept["model_card.md"].read_text().startswith(described)
    assert json.loads(kept["environment.json"].read_text())["numpy"] == np.__version__


def test_of_many_series_the_worst_have_metrics_and_all_have_quantiles(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry
) -> None:
    copies = []
    for number in range(30):
        unique_ids = tuple(f"{number:02d} {unique_id}" for unique_id in trained_model().unique_ids)
        metadata = dict(trained_model().metadata) | {"control": {"budgets": [], "series": {}}}
        metadata["series"] = dict(zip(unique_ids, metadata["series"].values(), strict=True))
        copies.append(replace(trained_model(), unique_ids=unique_ids, metadata=metadata))
    version = mlflow_registry.register(join_blocks(copies), plots={}, run_tags={})
    assert len(mlflow_registry.load(version).unique_ids) == 120
    mase = {name: of["scores"]["mase"] for name, of in trained_model().metadata["series"].items()}
    worst = max(mase, key=lambda name: mase[name])
    metrics = MlflowClient(mlflow_server.url).get_run(version.run_id).data.metrics
    over_all = {"mean", "quantile_05", "quantile_25", "quantile_50", "quantile_75", "quantile_95"}
    assert {key.partition("/")[0] for key in metrics} == over_all | {f"{number:02d} {worst}" for number in range(10)}
    assert metrics["quantile_50/mase"] == pytest.approx(np.median(list(mase.values())))


def test_a_version_carries_a_signature_and_an_input_example(mlflow_registry: MlflowModelRegistry) -> None:
    version = register(mlflow_registry)
    information = mlflow.models.get_model_info(f"models:/{version.name}/{version.version}")
    assert information.signature is not None
    assert {"unique_id", "cutoff", "ds", "y"} <= set(information.signature.inputs.input_names())
    assert {"y_hat", "y_hat_lo_80", "y_hat_hi_95"} <= set(information.signature.outputs.input_names())
    assert information.saved_input_example_info is not None


def test_no_artifact_is_a_pickle(mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry) -> None:
    register(mlflow_registry)
    files = files_of(mlflow_server, mlflow_registry)
    assert {"parameters.npz", "model.json", "MLmodel"} <= {file.name for file in files}
    for file in files:
        assert file.suffix not in {".pkl", ".pickle", ".joblib", ".skops", ".py"}, file
        assert not file.read_bytes().startswith(b"\x80"), file
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                assert all(arrays[name].dtype != object for name in arrays.files)


@pytest.mark.parametrize("name", ["parameters.npz", "model.json"])
def test_a_changed_byte_of_a_stored_model_is_refused(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry, name: str
) -> None:
    version = register(mlflow_registry)
    (file,) = [file for file in files_of(mlflow_server, mlflow_registry) if file.name == name]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InvalidArtifactError, match=f"version 1 cannot be used: {name} is not the file that was"):
        mlflow_registry.load(version)


def test_a_version_without_its_checksum_is_refused_by_the_tag_that_is_missing(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry
) -> None:
    version = register(mlflow_registry)
    MlflowClient(mlflow_server.url).delete_model_version_tag(version.name, version.version, "artifact_sha256")
    # What was read before knows the tag; what the registry says now counts.
    for known in (version, mlflow_registry.get_version(version.version)):
        with pytest.raises(InvalidArtifactError, match=r"version 1 cannot be used: it has no tag 'artifact_sha256'"):
            mlflow_registry.load(known)


def test_a_pickle_put_in_the_place_of_the_parameters_is_not_loaded(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry, tmp_path: Path
) -> None:
    version = register(mlflow_registry)
    (file,) = [file for file in files_of(mlflow_server, mlflow_registry) if file.name == "parameters.npz"]
    file.write_bytes(pickle.dumps(_Touch(tmp_path / "ran")))
    # Before anybody looks at what is in it; test_model_artifact.py has the same with a checksum that was forged.
    with pytest.raises(InvalidArtifactError, match=r"parameters\.npz is not the file that was"):
        mlflow_registry.load(version)
    assert not (tmp_path / "ran").exists()


def test_a_version_whose_files_are_gone_is_refused(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry
) -> None:
    version = register(mlflow_registry)
    for file in files_of(mlflow_server, mlflow_registry):
        if file.name in {"parameters.npz", "model.json"}:
            file.unlink()
    with pytest.raises(InvalidArtifactError, match="version 1 cannot be used: its files cannot be read"):
        mlflow_registry.load(version)


class _Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("step", ["log_metrics", "log_dict", "register_model"])
def test_an_interrupted_registration_leaves_every_alias_where_it_was(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    mlflow_registry.move_champion(first := register(mlflow_registry), expected=None)

    def interrupt(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mlflow, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            register(mlflow_registry)
    assert mlflow_registry.version_at("champion") == first == mlflow_registry.version_at("challenger")
    runs = MlflowClient(mlflow_server.url).search_runs([experiment_id(mlflow_server, mlflow_registry)])
    assert "RUNNING" not in {run.info.status for run in runs}
    trainings = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert sorted(run.info.status for run in trainings) == ["FAILED", "FINISHED"]
    assert register(mlflow_registry) == mlflow_registry.version_at("challenger"), "the next one goes through"


def test_a_version_registered_by_something_else_is_refused_by_name(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry
) -> None:
    version = register(mlflow_registry)
    MlflowClient(mlflow_server.url).delete_model_version_tag(version.name, version.version, "cutoff")
    with pytest.raises(InvalidArtifactError, match=r"version 1 cannot be used: it has no tag 'cutoff'"):
        mlflow_registry.version_at("challenger")


def test_a_version_is_loaded_from_its_own_server_whatever_the_process_points_at(
    mlflow_registry: MlflowModelRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    version = register(mlflow_registry)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{tmp_path}/other.db")
    with monkeypatch.context() as patched:
        patched.setattr(mlflow.tracking._model_registry.utils, "_registry_uri", f"sqlite:///{tmp_path}/other.db")
        assert mlflow_registry.load(version).unique_ids == trained_model().unique_ids


@pytest.mark.parametrize("name", ["parameters.npz", "model.json", "forecast_model", "MLmodel"])
def test_a_lost_file_of_a_stored_model_is_the_versions_fault(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry, name: str
) -> None:
    version = register(mlflow_registry)
    folder = next(file for file in files_of(mlflow_server, mlflow_registry) if file.name == "MLmodel").parent
    for lost in [*folder.rglob(name)]:
        shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    if name == "MLmodel":
        shutil.rmtree(folder)
    with pytest.raises(InvalidArtifactError, match="version 1 cannot be used"):
        mlflow_registry.load(version)


def test_a_champion_that_is_deleted_takes_its_alias_along_and_another_one_follows(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry
) -> None:
    first, second = register(mlflow_registry), register(mlflow_registry)
    mlflow_registry.move_champion(first, expected=None)
    MlflowClient(mlflow_server.url).delete_model_version(mlflow_registry.name, "1")
    assert mlflow_registry.version_at("champion") is None
    for call in (lambda: mlflow_registry.get_version("1"), lambda: mlflow_registry.load(first)):
        with pytest.raises(UnknownVersionError, match="known versions are '2'"):
            call()
    mlflow_registry.move_champion(second, expected=None)
    assert mlflow_registry.version_at("champion") == second


def test_a_champion_that_the_platform_did_not_register_is_replaced(
    mlflow_server: MlflowServer, mlflow_registry: MlflowModelRegistry
) -> None:
    ours, client = register(mlflow_registry), MlflowClient(mlflow_server.url)
    foreign = str(client.create_model_version(mlflow_registry.name, "s3://nowhere/model").version)
    client.set_registered_model_alias(mlflow_registry.name, "champion", foreign)
    with pytest.raises(InvalidArtifactError, match="this platform did not register it"):
        mlflow_registry.version_at("champion")
    mlflow_registry.move_champion(ours, expected=foreign)
    assert mlflow_registry.version_at("champion") == ours


def test_an_active_run_is_used_and_left_to_who_started_it(mlflow_registry: MlflowModelRegistry) -> None:
    mlflow.set_tracking_uri(mlflow_registry.tracking_uri)
    mlflow.set_experiment(mlflow_registry.name)
    with mlflow.start_run() as run:
        version = register(mlflow_registry)
        active = mlflow.active_run()
        assert active is not None
        assert version.run_id == active.info.run_id == run.info.run_id
