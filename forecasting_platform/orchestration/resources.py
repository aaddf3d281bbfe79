"""Adapters as Dagster resources, built from the settings when a run or a tick starts.

`wiring` chooses the adapters, for commands too.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_mlflow import mlflow_tracking

from forecasting_platform.feed_wiring import calendars_of, feed_of
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.observation_feed import ObservationFeed
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.ports.trainer import Trainer
from forecasting_platform.services.loading.feed_loads import FeedLoads
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import feed_loads_of, ledger_of, model_registry_of, table_store_of, trainer_of

SENSOR_FEED_SECONDS = 40.0
"""Deadline of a fetch in a sensor, which Dagster gives 60 s: the rest is for reading and comparing the table."""


@dg.resource(description="Tables of observations, features and forecasts.", required_resource_keys={"settings"})
def table_store(context: dg.InitResourceContext) -> Iterator[TableStore]:
    """The store of FORECASTING_TABLE_STORE, its schema prepared."""
    store = table_store_of(context.resources.settings)
    try:
        store.prepare()
        yield store
    finally:
        store.close()


@dg.resource(description="Trains every series.", required_resource_keys={"settings", "table_store"})
def trainer(context: dg.InitResourceContext) -> Trainer:
    """The trainer of FORECASTING_TRAINER, on the tables of the store."""
    return trainer_of(context.resources.settings, context.resources.table_store)


@dg.resource(description="Promotion decisions and alerts.", required_resource_keys={"settings"})
def ledger(context: dg.InitResourceContext) -> Iterator[Ledger]:
    """The ledger in Postgres, its schema prepared."""
    found = ledger_of(context.resources.settings)
    try:
        found.prepare()
        yield found
    finally:
        found.close()


@dg.resource(description="The feed of daily values.", required_resource_keys={"settings"})
def observation_feed(context: dg.InitResourceContext) -> ObservationFeed:
    """The feed of FORECASTING_FEED_URL, joined with that of FORECASTING_EXOGENOUS_FEED_URL."""
    settings: Settings = context.resources.settings
    if context.run is None:
        seconds = min(settings.feed_timeout_seconds, SENSOR_FEED_SECONDS)
        settings = settings.model_copy(update={"feed_timeout_seconds": seconds})
    return feed_of(settings)


@dg.resource(description="The days on which values of each series are due.", required_resource_keys={"settings"})
def calendars(context: dg.InitResourceContext) -> Calendars:
    """The calendars that the feeds' descriptions declare."""
    return calendars_of(context.resources.settings)


@dg.resource(description="How the newest load of each feed went.", required_resource_keys={"settings"})
def feed_loads(context: dg.InitResourceContext) -> Iterator[FeedLoads]:
    """The record of each feed's newest load, in the ledger."""
    found = feed_loads_of(context.resources.settings)
    try:
        yield found
    finally:
        if found.ledger is not None:
            found.ledger.close()


@dg.resource(description="Model versions and aliases in MLflow.", required_resource_keys={"settings"})
def model_registry(context: dg.InitResourceContext) -> ModelRegistry:
    """The registry at FORECASTING_MLFLOW_TRACKING_URI."""
    return model_registry_of(context.resources.settings)


def build_resources(settings: Settings) -> dict[str, Any]:
    """Every resource of the platform by its key."""

    def mlflow_config(_config: object) -> dict[str, str]:
        from forecasting_platform.adapters.mlflow.address import address_of

        uri = address_of(settings.require_mlflow_tracking_uri())
        return {"experiment_name": settings.model_name, "mlflow_tracking_uri": uri}

    return {
        "settings": dg.ResourceDefinition(lambda _context: settings, description="The platform's settings."),
        "table_store": table_store,
        "trainer": trainer,
        "ledger": ledger,
        "observation_feed": observation_feed,
        "calendars": calendars,
        "feed_loads": feed_loads,
        "model_registry": model_registry,
        "mlflow": mlflow_tracking.configured(mlflow_config, config_schema={}),
    }
