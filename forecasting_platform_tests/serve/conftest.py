"""A small model made by hand, a store in memory, and apps made of them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.served_model import (
    CUTOFF,
    FIRST_DAY,
    NEWEST,
    MakeApp,
    issued,
    make_model,
    make_observations,
)
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from serve.forecasts import champion
from serve.http.app import create_app
from serve.service import service_of


@pytest.fixture(scope="session")
def features() -> pd.DataFrame:
    return build_features(make_observations(), DateRange(FIRST_DAY, NEWEST), "IE")


@pytest.fixture(scope="session")
def model(features: pd.DataFrame) -> ForecastModel:
    return make_model(features)


@pytest.fixture(scope="session")
def naive_and_seasonal(features: pd.DataFrame) -> tuple[ForecastModel, ForecastModel]:
    """Two models of the same series whose forecasts differ."""
    return make_model(features, weight=1.0), make_model(features, weight=0.0)


@pytest.fixture
def registry(model: ForecastModel) -> MemoryModelRegistry:
    """Version 1 is champion."""
    registry = MemoryModelRegistry()
    registry.move_champion(registry.register(model, plots={}, run_tags={}), expected=None)
    return registry


@pytest.fixture
def store(features: pd.DataFrame, model: ForecastModel) -> MemoryTableStore:
    """Observations and features until `NEWEST`, forecasts of record issued on two days, and those of a shadow."""
    store = MemoryTableStore()
    period = DateRange(FIRST_DAY, NEWEST)
    store.record_observations(make_observations(), period, available_at=datetime(2023, 7, 1, tzinfo=UTC))
    store.replace(FEATURE_TABLE, features, period)
    for cutoff in (date(2023, 6, 20), date(2023, 6, 25)):
        store.record_forecasts(issued(model, features, cutoff))
    shadow, cutoff = make_model(features, weight=0.0), date(2023, 6, 18)
    store.record_forecasts(issued(shadow, features, cutoff).assign(model_version="2"))
    return store


@pytest.fixture
def ledger() -> MemoryLedger:
    """Two decisions about version 1 and an open alert."""
    ledger = MemoryLedger()
    decided = datetime(2023, 6, 16, 9, tzinfo=UTC)
    promoted = PromotionDecision("promote", "the first champion", "1", None, CUTOFF, decided, "promotion_sensor")
    ledger.append_decision(promoted)
    ledger.append_decision(
        replace(promoted, verdict="hold", reason="not better", decided_at=decided + timedelta(days=1))
    )
    fingerprint = "forecast_errors:forecast_bias_within_budget"
    ledger.save_alerts([Alert(f"{fingerprint}@7", fingerprint, "FIRING", "warning", "bias 3 GWh", decided, decided, 7)])
    return ledger


@pytest.fixture
def make_app(
    registry: MemoryModelRegistry, store: MemoryTableStore, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeApp]:
    """Makes apps of the fixtures' parts and stops them in the end; settings and parts may be given."""
    monkeypatch.setattr(champion, "FIRST_LOOK_SECONDS", PATIENCE_SECONDS)
    made: list[Flask] = []

    def make(settings: Settings | None = None, **parts: object) -> Flask:
        chosen = {"registry": registry, "store": store, "ledger": ledger} | parts
        made.append(create_app(settings or Settings(champion_poll_seconds=0.05), **chosen))  # type: ignore[arg-type] # a part may be a fake
        return made[-1]

    yield make
    for app in made:
        service_of(app).stop()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    # The first look, made now, so that no test waits for a thread.
    service_of(app).watch.look()
    service_of(app).watch.refresh_features()
    service_of(app).platform.look()
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
