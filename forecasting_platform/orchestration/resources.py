"""Adapters as Dagster resources, built from the settings when a run or a tick starts.

`wiring` chooses the adapters, for commands too.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster_mlflow.resources import MlFlow

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.feed_wiring import calendars_of, feed_of
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.ports.engine import Engine
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.observation_feed import ObservationFeed
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.loading.feed_loads import FeedLoads
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import engine_of, feed_loads_of, ledger_of, model_registry_of, table_store_of

SENSOR_FEED_SECONDS = 40.0
"""Deadline of a fetch in a sensor, which Dagster gives 60 s: the rest is for reading and comparing the table."""


class TableStoreResource(dg.ConfigurableResource[TableStore]):
    """Tables of observations, features and forecasts: the store of FORECASTING_TABLE_STORE, its schema prepared."""

    settings: dg.ResourceDependency[Settings]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[TableStore, None, None]:
        """Connect, and disconnect."""
        store = table_store_of(self.settings)
        try:
            store.prepare()
            yield store
        finally:
            store.close()


class EngineResource(dg.ConfigurableResource[Engine]):
    """Works on blocks of series: the engine of FORECASTING_ENGINE, on the tables of the store."""

    settings: dg.ResourceDependency[Settings]
    table_store: dg.ResourceDependency[TableStore]

    def create_resource(self, context: dg.InitResourceContext) -> Engine:
        """Choose it."""
        return engine_of(self.settings, self.table_store)


class LedgerResource(dg.ConfigurableResource[Ledger]):
    """Promotion decisions and alerts: the ledger in Postgres, its schema prepared."""

    settings: dg.ResourceDependency[Settings]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Ledger, None, None]:
        """Connect, and disconnect."""
        found = ledger_of(self.settings)
        try:
            found.prepare()
            yield found
        finally:
            found.close()


class FeedResource(dg.ConfigurableResource[ObservationFeed]):
    """The feed of daily values that the settings name, joined with that of exogenous series."""

    settings: dg.ResourceDependency[Settings]

    def create_resource(self, context: dg.InitResourceContext) -> ObservationFeed:
        """Choose it, with a shorter deadline in a sensor."""
        settings = self.settings
        if context.run is None:
            seconds = min(settings.feed_timeout_seconds, SENSOR_FEED_SECONDS)
            settings = settings.model_copy(update={"feed_timeout_seconds": seconds})
        return feed_of(settings)


class CalendarsResource(dg.ConfigurableResource[Calendars]):
    """The days on which values of each series are due, as the feeds' descriptions declare."""

    settings: dg.ResourceDependency[Settings]

    def create_resource(self, context: dg.InitResourceContext) -> Calendars:
        """Read them."""
        return calendars_of(self.settings)


class FeedLoadsResource(dg.ConfigurableResource[FeedLoads]):
    """How the newest load of each feed went, in the ledger."""

    settings: dg.ResourceDependency[Settings]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[FeedLoads, None, None]:
        """Connect, and disconnect."""
        found = feed_loads_of(self.settings)
        try:
            yield found
        finally:
            if found.ledger is not None:
                found.ledger.close()


class RegistryResource(dg.ConfigurableResource[ModelRegistry]):
    """Model versions and aliases in MLflow: the registry at FORECASTING_MLFLOW_TRACKING_URI."""

    settings: dg.ResourceDependency[Settings]

    def create_resource(self, context: dg.InitResourceContext) -> ModelRegistry:
        """Choose it."""
        return model_registry_of(self.settings)


class MlflowRunResource(dg.ConfigurableResource[Any]):
    """An MLflow run of the training's run, in the experiment that is called as the registered model."""

    settings: dg.ResourceDependency[Settings]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Any, None, None]:
        """Start it, or take up that of the same run.

        Raises:
            ConfigurationError: the run trains another platform's model too.
        """
        start: Any = MlFlow
        run = start(context.replace_config(mlflow_config(self.settings)))
        if run.active_run().info.experiment_id != run.experiment.experiment_id:
            problem = "is to be trained in one run with another platform's; materialize each in a run of its own"
            raise ConfigurationError(self.settings.model_name, problem)
        yield run
        run.cleanup_on_error()


def mlflow_config(settings: Settings) -> dict[str, str]:
    """The configuration of MLflow for Dagster: the server's address is without credentials."""
    from forecasting_platform.adapters.mlflow.address import address_of

    uri = address_of(settings.require_mlflow_tracking_uri())
    return {"experiment_name": settings.model_name, "mlflow_tracking_uri": uri}


def build_resources(settings: object, replaced: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Every resource of the platform by its key.

    Args:
        settings: a platform's, or a resource that gives them.
        replaced: resources in the place of those of the same key.
    """
    given = settings
    if isinstance(settings, Settings):
        given = dg.ResourceDefinition(lambda _context: settings, description="The platform's settings.")
    found = {"settings": given, **(replaced or {})}
    of_settings: dict[str, Any] = {"settings": found["settings"]}
    found.setdefault("table_store", TableStoreResource(**of_settings))
    return {
        "engine": EngineResource(**of_settings, table_store=found["table_store"]),
        "ledger": LedgerResource(**of_settings),
        "observation_feed": FeedResource(**of_settings),
        "calendars": CalendarsResource(**of_settings),
        "feed_loads": FeedLoadsResource(**of_settings),
        "model_registry": RegistryResource(**of_settings),
        "mlflow": MlflowRunResource(**of_settings),
        **found,
    }
