"""The password in the tracking URI reaches MLflow's server and nothing that is shown."""

import base64
import logging
import os

import mlflow
import pytest
from mlflow.utils.credentials import read_mlflow_creds

from forecasting_platform.adapters.mlflow.address import PASSWORD, USER, address_of
from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from forecasting_platform.errors import RegistryUnavailableError
from forecasting_platform.orchestration.resources import mlflow_config
from forecasting_platform.settings import Settings

SECRET_URI = "http://operator:s%2Fcret@127.0.0.1:9"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (USER, PASSWORD):
        # Set first, so that what the code sets is taken back.
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def test_credentials_are_handed_to_the_client_apart_from_the_address() -> None:
    assert address_of(SECRET_URI) == "http://127.0.0.1:9"
    assert (os.environ[USER], os.environ[PASSWORD]) == ("operator", "s/cret")
    found = read_mlflow_creds()
    assert (found.username, found.password) == ("operator", "s/cret")


@pytest.mark.parametrize("uri", ["http://mlflow:5000", "https://mlflow.example.org/path", "sqlite:////srv/mlflow.db"])
def test_an_address_without_credentials_is_left_alone(uri: str) -> None:
    assert address_of(uri) == uri
    assert os.environ[USER] == ""


def test_a_registry_that_does_not_answer_is_named_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    registry = MlflowModelRegistry(SECRET_URI)
    with pytest.raises(RegistryUnavailableError) as refused:
        registry.version_at("champion")
    assert "MLflow at http://127.0.0.1:9" in str(refused.value)
    chain: BaseException | None = refused.value
    while chain is not None:
        assert "cret" not in str(chain)
        chain = chain.__cause__ or chain.__context__
    assert "cret" not in caplog.text + str(vars(registry))


def test_runs_of_dagster_are_told_the_address_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTING_MLFLOW_TRACKING_URI", SECRET_URI)
    config = mlflow_config(Settings())
    assert config["mlflow_tracking_uri"] == "http://127.0.0.1:9"
    assert base64.b64encode(b"operator:s/cret").decode() not in str(config)
    assert mlflow.get_tracking_uri() != SECRET_URI
