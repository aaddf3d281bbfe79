"""The app with a champion under load: what the parts of `serve` measure, started once."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import requests

from forecasting_platform.adapters.feeds.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.local.processes import ChildProcess, Program
from forecasting_platform.ports.model_registry import ModelVersion

FULL = os.environ.get("FULL", "1") != "0"


PORT_BASE = 21_500


KEY = "benchmark-key"


PERIOD = DateRange(date(2018, 1, 1), date(2023, 6, 30))


ASKED = {"start": "2023-07-01", "end": "2023-07-15", "unique_id": "Corrib production"}


ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONPATH": str(Path.cwd()),
    # The peer starts its own server by name.
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
}


HEADERS = {"Content-Type": "application/json", "X-API-Key": KEY}


@dataclass
class Bench:
    """What runs while measuring."""

    directory: Path
    stack: ExitStack
    dsn: str = ""
    mlflow_url: str = ""
    versions: list[ModelVersion] = field(default_factory=list)

    def start(self, name: str, module: list[str], port: int, path: str, **environment: str) -> ChildProcess:
        """A program of this Python that is ready when `path` answers; stopped in the end at the latest."""
        program = Program(
            name=name,
            argv=[sys.executable, "-m", *module],
            environment=os.environ | ENVIRONMENT | environment,
            log_file=self.directory / f"{name.replace(' ', '-')}.log",
            is_ready=lambda: _answers(f"http://127.0.0.1:{port}{path}"),
            deadline_seconds=240,
            directory=self.directory,
        )
        child = ChildProcess(program)
        child.start()
        child.wait_until_ready()
        return child

    def app(self, port: int, **settings: str) -> ChildProcess:
        """The app, with every part it has."""
        named = {
            "MLFLOW_TRACKING_URI": self.mlflow_url,
            "POSTGRES_DSN": self.dsn,
            "APP_PORT": str(port),
            "API_KEYS": KEY,
            "APP_RATE_LIMIT": "100000000 per minute",
        } | settings
        variables = {f"FORECASTING_{name}": value for name, value in named.items()}
        return self.start("app", ["serve"], port, "/ready", **variables)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code < 500
    except requests.RequestException:
        return False


@contextmanager
def running() -> Iterator[Bench]:
    """Postgres and MLflow with two versions of a model, whose forecasts differ; the first is champion."""
    with ExitStack() as stack:
        bench = Bench(Path(stack.enter_context(tempfile.TemporaryDirectory())), stack)
        postgres = stack.enter_context(EmbeddedPostgres(bench.directory / "postgres", PORT_BASE))
        postgres.create_database("forecasting")
        bench.dsn, bench.mlflow_url = postgres.dsn("forecasting"), f"http://127.0.0.1:{PORT_BASE + 1}"
        options = ["--workers", "1", "--artifacts-destination", str(bench.directory / "artifacts")]
        mlflow = bench.start(
            "mlflow",
            ["mlflow", "server", "--host", "127.0.0.1", "--port", str(PORT_BASE + 1), *options],
            PORT_BASE + 1,
            "/health",
            MLFLOW_BACKEND_STORE_URI=f"sqlite:///{bench.directory}/mlflow.db",
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        )
        stack.callback(mlflow.stop)
        _fill(bench)
        yield bench


def _fill(bench: Bench) -> None:
    wide = simulate_gas_supply(PERIOD).rename_axis(index="ds", columns="unique_id")
    observations = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
    recipe = Recipe()
    features = build_features(observations, PERIOD, recipe.country)
    store, ledger = PostgresTableStore(bench.dsn), PostgresLedger(bench.dsn)
    store.prepare()
    ledger.prepare()
    store.record_observations(observations, PERIOD, available_at=datetime.now(UTC))
    store.replace(FEATURE_TABLE, features, PERIOD)
    first = train(features, PERIOD.end, recipe, code_version="benchmark").model
    naive = np.tile(np.eye(len(first.candidates))[0], (len(first.unique_ids), 1))
    registry = MlflowModelRegistry(bench.mlflow_url)
    for model in (first, replace(first, weights=naive)):
        bench.versions.append(registry.register(model, plots={}, run_tags={}))
    registry.move_champion(bench.versions[0], expected=None)
    store.close()
    ledger.close()
