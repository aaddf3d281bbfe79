"""The app under attack: a process of its own beside a Postgres of its own, with many series of simulated data.

No MLflow: the app begins with the copy of its champion on disk, as it does while MLflow is away.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import requests

from benchmarks.local_server import free_ports, open_directory
from benchmarks.speed import DAYS, END, RECIPE, simulated
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.local.processes import ChildProcess, Program
from forecasting_platform.ports.model_registry import ModelVersion
from serve.forecasts.last_good import save_copy

FULL = os.environ.get("FULL", "1") != "0"
SERIES = 1_000 if FULL else 50
ISSUED_DAYS = 60
DECISIONS, INCIDENTS = 1_000, 20_000
KEY = "benchmark-key"
VERSION = ModelVersion("forecasting_platform", "1", "0" * 32, END, datetime.now(UTC), {})


@dataclass(frozen=True, slots=True)
class Attacked:
    """The app and its Postgres."""

    url: str
    port: int
    app_pid: int
    postgres_pid: int
    series: tuple[str, ...]


@contextmanager
def attacked_app() -> Iterator[Attacked]:
    """The app on data of `SERIES` series over two years, with forecasts of two versions, decisions and incidents."""
    with open_directory() as directory:
        ports = free_ports(2)
        with EmbeddedPostgres(directory / "postgres", ports) as postgres:
            postgres.create_database("forecasting")
            model = _fill(postgres.dsn("forecasting"))
            save_copy(VERSION, model, directory / "champion")
            app = _app(directory, postgres.dsn("forecasting"), ports + 1)
            try:
                app.start()
                app.wait_until_ready()
                url = f"http://127.0.0.1:{ports + 1}"
                yield Attacked(url, ports + 1, app.pid or 0, postgres.pid or 0, model.unique_ids)
            finally:
                app.stop()


def _app(directory: Path, dsn: str, port: int) -> ChildProcess:
    settings = {
        "POSTGRES_DSN": dsn,
        # Nobody listens there.
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "CHAMPION_POLL_SECONDS": "3600",
        "MODEL_CACHE_DIR": str(directory / "champion"),
        "APP_PORT": str(port),
        "API_KEYS": KEY,
        "APP_RATE_LIMIT": "100000000 per minute",
    }
    return ChildProcess(
        Program(
            name="app",
            argv=[sys.executable, "-m", "serve"],
            environment=os.environ | {f"FORECASTING_{name}": value for name, value in settings.items()},
            log_file=directory / "app.log",
            is_ready=lambda: _is_ready(port),
            deadline_seconds=240,
            directory=Path.cwd(),
        )
    )


def _is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _fill(dsn: str) -> ForecastModel:
    store, ledger = PostgresTableStore(dsn), PostgresLedger(dsn)
    store.prepare()
    ledger.prepare()
    period = DateRange(END - timedelta(days=DAYS - 1), END)
    observations = simulated(SERIES, 0)
    features = build_features(observations, period, RECIPE.country)
    store.record_observations(observations, period, available_at=datetime.now(UTC))
    store.replace(FEATURE_TABLE, features, period)
    model = train(features, END, RECIPE, code_version="benchmark").model
    for version in ("1", "2"):
        _issue(store, model, features, version)
    _remember(ledger)
    store.close()
    ledger.close()
    return model


def _issue(store: PostgresTableStore, model: ForecastModel, features: pd.DataFrame, version: str) -> None:
    first = END - timedelta(days=ISSUED_DAYS - 1)
    for cutoff in DateRange(first, END):
        known = model.with_features(features[features["ds"] == pd.Timestamp(cutoff)])
        days = list(DateRange(cutoff + timedelta(days=1), cutoff + timedelta(days=model.horizon)))
        issued = known.predict(known.inputs(days)).to_frame()
        rows = issued.assign(model_version=version, issued_at=pd.Timestamp(cutoff, tz="UTC"))
        store.record_forecasts(rows)


def _remember(ledger: PostgresLedger) -> None:
    """Years of decisions, each with evidence of 100 kB, and of incidents."""
    began = datetime(2023, 1, 1, tzinfo=UTC)
    evidence = {"inputs": {"losses": [0.123456789] * 9_000}}
    decision = PromotionDecision("hold", "not better", "1", None, date(2023, 1, 1), began, "benchmark", evidence)
    for number in range(DECISIONS if FULL else 50):
        ledger.append_decision(replace(decision, decided_at=began + timedelta(hours=number)))
    incidents = INCIDENTS if FULL else 200
    ledger.save_alerts(
        [
            Alert(f"benchmark:{n}@1", f"benchmark:{n}", "FIRING", "warning", "bias 3 GWh", began, began, n)
            for n in range(incidents)
        ]
    )
