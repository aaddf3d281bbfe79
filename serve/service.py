"""The parts that requests need, built once for an app; their threads start in the process that answers."""

import threading
from dataclasses import dataclass, field
from functools import cache, partial
from typing import cast

from flask import Flask, current_app

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import app_store_of, ledger_of, model_registry_of, postgres_store_of
from serve.api_keys import ApiKeys
from serve.forecasts.champion import FEATURE_REFRESH_SECONDS, ChampionWatch
from serve.telemetry.incidents import Incidents
from serve.telemetry.metrics import Metrics
from serve.telemetry.platform_metrics import LOOK_SECONDS, PlatformMetrics
from serve.telemetry.prediction_log import PredictionLog

EXTENSION = "forecasting"
SPARK_LOOK_SECONDS = 120.0
"""Between two looks at tables in Spark, where a query takes a second of a core."""


@dataclass(slots=True)
class Service:
    """The parts of one app."""

    settings: Settings
    keys: ApiKeys
    watch: ChampionWatch
    store: TableStore | None
    ledger: Ledger | None
    log: PredictionLog
    incidents: Incidents
    platform: PlatformMetrics
    metrics: Metrics
    started: bool = False
    _starting: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start the background threads, once, in the process that answers: threads do not survive a fork."""
        with self._starting:
            if not self.started:
                self.watch.start()
                self.log.start()
                self.incidents.start()
                self.platform.start()
                self.started = True

    def stop(self) -> None:
        """Stop the background threads, the prediction log last: it writes what waits."""
        with self._starting:
            if self.started:
                self.watch.stop()
                self.incidents.stop()
                self.platform.stop()
                self.log.stop()

    def require_store(self) -> TableStore:
        """The store, or `ConfigurationError`."""
        if self.store is not None:
            return self.store
        if self.settings.table_store == "spark":
            problem = (
                "is not set: the app reads tables in Spark through a Spark Connect server only, so it has no history"
            )
            raise ConfigurationError("FORECASTING_SPARK_REMOTE", problem)
        raise ConfigurationError("FORECASTING_POSTGRES_DSN", "is not set, so the app has no history")

    def require_ledger(self) -> Ledger:
        """The ledger, or `ConfigurationError`."""
        if self.ledger is None:
            raise ConfigurationError("FORECASTING_POSTGRES_DSN", "is not set, so the app has no ledger")
        return self.ledger


def service_of(app: Flask) -> Service:
    """The parts of an app."""
    return cast("Service", app.extensions[EXTENSION])


def current_service() -> Service:
    """The parts of the app that answers the present request."""
    return service_of(current_app)


def build_service(
    settings: Settings,
    keys: ApiKeys,
    registry: ModelRegistry | None,
    store: TableStore | None,
    ledger: Ledger | None,
) -> Service:
    """Build the parts; those not given come from the settings.

    Args:
        settings: without API keys, since the parts keep the settings.
    """
    tables = store or app_store_of(settings)
    # The prediction log is in Postgres whichever store keeps the tables.
    in_postgres = store is not None or settings.table_store == "postgres"
    log_store = tables if in_postgres else postgres_store_of(settings) if settings.postgres_dsn else None
    on_spark = store is None and settings.table_store == "spark"
    watch = ChampionWatch(
        # Importing MLflow takes seconds: the first look does it in the background, while the app already answers.
        cache((lambda: registry) if registry is not None else partial(model_registry_of, settings)),
        tables,
        poll_seconds=settings.champion_poll_seconds,
        cache_dir=settings.model_cache_dir,
        model_name=settings.model_name,
        refresh_seconds=SPARK_LOOK_SECONDS if on_spark else FEATURE_REFRESH_SECONDS,
    )
    log = PredictionLog(log_store)
    chosen_ledger = ledger or (ledger_of(settings) if settings.postgres_dsn else None)
    look_seconds = SPARK_LOOK_SECONDS if on_spark else LOOK_SECONDS
    platform = PlatformMetrics(tables, chosen_ledger, look_seconds=look_seconds)
    return Service(
        settings=settings,
        keys=keys,
        watch=watch,
        store=tables,
        ledger=chosen_ledger,
        log=log,
        incidents=Incidents(chosen_ledger, watch.trouble, runbook=settings.runbook_url("champion_loads")),
        platform=platform,
        metrics=Metrics(watch, log, platform),
    )
