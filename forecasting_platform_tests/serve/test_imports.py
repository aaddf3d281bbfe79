import subprocess
import sys

import pytest

from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

# What serve's own packages and mlflow-skinny do without.
BLOCKED = (
    "alembic", "apprise", "dagster", "dagster_aws", "dagster_mlflow", "dagster_postgres", "docker", "graphene",
    "great_expectations", "matplotlib", "pyarrow", "pyspark", "scipy", "sklearn", "skops", "sqlalchemy", "statsmodels",
)  # fmt: skip
PROGRAM = f"""
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {BLOCKED!r} else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
ANSWERS = """
from datetime import date
import numpy as np
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.forecasting.models.candidates.naive import FittedNaive
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES
from forecasting_platform.forecasting.models.trained.first_days import FirstDays
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from serve.http.app import create_app

model = ForecastModel(
    ("a",), date(2023, 6, 30), 1, "IE", (FittedNaive(),), np.ones((1, 1)), np.array([0.1, 0.9]),
    np.array([[[-1.0, 1.0]]]), np.full(1, np.inf), np.zeros(1), np.array([[-9.0, 9.0]]),
    np.ones((1, len(FEATURE_NAMES))),
    np.array(["2023-06-30"], dtype="datetime64[D]"), np.array([92]), np.zeros((1, len(FEATURE_NAMES), 2)),
    np.array([False]), FirstDays.default((FittedNaive(),), 1, np.array([0.1, 0.9])),
)
registry = MemoryModelRegistry()
registry.move_champion(registry.register(model, plots={}, run_tags={}), expected=None)
answer = create_app(registry=registry).test_client().post("/predict", json={"start": "2023-07-01", "end": "2023-07-01"})
assert answer.json["forecasts"][0]["y_hat"] == 1.0, answer.text
assert "mlflow" not in sys.modules, "the registry is imported when it is needed"
"""
CLIENTS = """
import forecasting_platform.adapters.mlflow.model_registry
import forecasting_platform.adapters.postgres.ledger
import forecasting_platform.adapters.postgres.table_store
"""


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM + program], check=True, timeout=PATIENCE_SECONDS)


@pytest.mark.slow
def test_the_app_answers_without_dagster_spark_and_what_trains() -> None:
    run(ANSWERS)


@pytest.mark.slow
def test_the_clients_the_app_uses_need_none_of_the_platform_packages() -> None:
    run(CLIENTS)


@pytest.mark.slow
def test_the_entry_point_imports_with_an_empty_environment() -> None:
    run("import serve.wsgi, threading; assert not [t for t in threading.enumerate() if 'poll' in t.name]")
