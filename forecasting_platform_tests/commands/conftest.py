"""What the tests of commands share: a running platform that answers what a test says."""

import pkgutil
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import Result

from forecasting_platform import commands
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS
from forecasting_platform_tests.commands.fake_platform import ANSWERS, METADATA, FakeConnection, FakeDagster, invoke
from forecasting_platform_tests.forecasting.monitoring.control import controlled


@pytest.fixture
def dagster() -> FakeDagster:
    return FakeDagster(metadata=METADATA)


@pytest.fixture
def ledger() -> MemoryLedger:
    ledger = MemoryLedger()
    decided = datetime(2023, 7, 2, 9, tzinfo=UTC)
    for verdict in ("promote", "hold"):
        ledger.append_decision(
            PromotionDecision(
                verdict, "it's so", "3", None, date(2023, 6, 30), decided, "promotion_sensor", {"rmse": {"naive": 5.8}}
            )
        )
    return ledger


@pytest.fixture
def run(
    dagster: FakeDagster, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """Runs a command against a platform that answers what a test says."""

    def ask_app(method: str, path: str, body: object = None) -> Any:
        dagster.asked.append((method, path, body))
        if dagster.app_refusal is not None:
            raise dagster.app_refusal
        return ANSWERS[path]

    known = MemoryTableStore()
    connection = FakeConnection(
        dagster=dagster,
        dagster_url=dagster.url,
        app_url="http://127.0.0.1:3002",
        postgres_dsn="postgresql://someone:secret@127.0.0.1:1/nothing",
        ask_app=ask_app,
        table_store=lambda: nullcontext(known),
        ledger=lambda: nullcontext(ledger),
    )
    for module in pkgutil.walk_packages(commands.__path__, f"{commands.__name__}."):
        monkeypatch.setattr(f"{module.name}.connect", lambda data_dir: connection, raising=False)
    row = pd.DataFrame({"unique_id": ["a"], "ds": [pd.Timestamp("2023-07-01")], "y": [1.0]})
    known.record_observations(
        row, DateRange(date(2023, 7, 1), date(2023, 7, 1)), available_at=datetime(2023, 7, 2, tzinfo=UTC)
    )
    features = pd.DataFrame({"unique_id": ["a"], "ds": pd.to_datetime(["2023-07-01"]), "y": [0.1 + 0.2]})
    monkeypatch.setattr("forecasting_platform.commands.features.features_as_of", lambda *asked: features)
    errors = controlled.errors(30)
    known.replace(FORECAST_ERRORS, errors, DateRange(errors["ds"].min().date(), errors["ds"].max().date()))

    def run(*words: str) -> Result:
        return invoke(*words, "--data-dir", str(tmp_path))

    return run
