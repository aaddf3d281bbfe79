"""The docs' example of a package with a candidate: installed, tested, trained, promoted, loaded, served, taken back."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from forecasting_platform.errors import InvalidArtifactError
from forecasting_platform.forecasting.models.candidates import registry
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.models.recipes.recipe_file import read_recipe
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.ports.model_registry import ModelVersion
from forecasting_platform.services.training.trained_model import train_challenger
from forecasting_platform.services.training.trainer import Trainer
from forecasting_platform.wiring import promoter_of
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal
from forecasting_platform_tests.support.in_process_engine import in_process
from forecasting_platform_tests.support.mlflow_server import MlflowServer
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "boosted-trees"
NOT_IN_THE_APP = ("dagster", "onnx", "scipy", "skl2onnx", "sklearn", "threadpoolctl")
FORECAST = f"""
import json, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {NOT_IN_THE_APP!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Without())
from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from serve.http.app import create_app

client = create_app(registry=MlflowModelRegistry(sys.argv[1], name=sys.argv[2])).test_client()
days = {{"start": "2023-07-01", "end": "2023-07-15"}}
answer = client.post("/predict", json=days).json
rows = client.post("/simulate", json=days).json
again = client.post("/predict", json=rows).json
assert again["forecasts"] == answer["forecasts"]
print(json.dumps({{"version": answer["model"]["version"], "forecasts": answer["forecasts"], "inputs": rows["inputs"]}}))
"""
BY_MLFLOW = """
import json, sys, mlflow, pandas as pd
frame = pd.DataFrame(json.load(sys.stdin))
frame[["cutoff", "ds"]] = frame[["cutoff", "ds"]].apply(pd.to_datetime)
print(json.dumps(mlflow.pyfunc.load_model(f"models:/{sys.argv[2]}@champion").predict(frame)["y_hat"].tolist()))
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example, installed from its folder into an empty one, without a network, and on everybody's path."""
    target = tmp_path / "site-packages"
    copy = tmp_path / "boosted-trees"
    copy.mkdir()
    for file in ("boosted_trees.py", "pyproject.toml"):
        (copy / file).write_text((EXAMPLE / file).read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation",
         "--python", sys.executable, "--target", str(target), str(copy)],
        check=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    monkeypatch.syspath_prepend(str(target))
    monkeypatch.setenv("PYTHONPATH", f"{target}{os.pathsep}{ROOT}")
    _forget()
    yield target
    sys.modules.pop("boosted_trees", None)
    _forget()


def _forget() -> None:
    registry._from_outside.cache_clear()
    registry._load.cache_clear()


def in_a_clean_process(program: str, server: MlflowServer, name: str, given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, server.url, name],
        input=given, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
        env=os.environ | {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_the_example_goes_the_whole_way(
    installed: Path, mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "own_candidate"
    store, models, ledger = MemoryTableStore(), MlflowModelRegistry(mlflow_server.url, name=name), MemoryLedger()
    features = features_of(observations({"a": seasonal(900), "b": seasonal(900, 1)}))
    store.replace(FEATURE_TABLE, features, DateRange(features["ds"].min().date(), END))
    promoter = promoter_of(store, in_process(store), models, ledger)

    def train(recipe_file: str | None) -> ModelVersion:
        recipe = default_recipe(15, "IE", ("seasonal_naive",))
        if recipe_file:
            recipe = read_recipe(EXAMPLE / recipe_file, recipe)
        options = {"code_version": "test", "lower_bounds": {}, "run_tags": {}}
        return train_challenger(Trainer(store, in_process(store)), models, recipe, **options).version  # type: ignore[arg-type] # one dictionary of them

    first = train(None)
    assert promoter.evaluate("a test").verdict == "promote"
    challenger = train("trees.toml")
    decision = promoter.evaluate("a test")
    assert (decision.verdict, decision.challenger_version) == ("promote", challenger.version), decision.reason

    served = json.loads(in_a_clean_process(FORECAST, mlflow_server, name))
    assert served["version"] == challenger.version
    y_hat = [row["y_hat"] for row in served["forecasts"]]
    model = models.load(challenger)
    days = [END + timedelta(days=step) for step in range(1, 16)]
    assert model.predict(model.inputs(days)).y_hat.tolist() == y_hat
    assert json.loads(in_a_clean_process(BY_MLFLOW, mlflow_server, name, json.dumps(served["inputs"]))) == y_hat
    weights = pd.DataFrame(dict(model.metadata["series"])).loc["weights"]
    assert all(of["boosted_trees"] > 0.5 for of in weights)

    promoter.roll_back(None, "a drill", "a test")
    assert json.loads(in_a_clean_process(FORECAST, mlflow_server, name))["version"] == first.version

    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(installed)])
    _forget()
    with pytest.raises(InvalidArtifactError, match=r"candidate 'boosted_trees' of boosted-trees 1.0: .* is no"):
        models.load(challenger)


@pytest.mark.slow
def test_the_examples_one_line_of_a_test_runs_the_contract(installed: Path) -> None:
    # The whole of it runs on trees of the same kind in test_onnx.py.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(EXAMPLE),
         str(EXAMPLE / "test_boosted_trees.py"), "-k", "found_by_its_name or same_bits or pickle"],
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS * 5,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "3 passed" in done.stdout


def test_the_docs_show_the_example_as_it_is_in_at_most_30_lines() -> None:
    page = (ROOT / "docs" / "your-own-candidate.md").read_text(encoding="utf-8")
    shown = re.findall(r"```(?:python|toml)\n(.*?)```", page, flags=re.DOTALL)
    code = (EXAMPLE / "boosted_trees.py").read_text(encoding="utf-8")
    assert code in shown
    assert len(code.splitlines()) <= 30
    assert (EXAMPLE / "trees.toml").read_text(encoding="utf-8") in shown
    assert any(part.strip() in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8") for part in shown)
