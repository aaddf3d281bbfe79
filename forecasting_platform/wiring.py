"""The only place that chooses adapters: from settings to the adapter behind each port. Feeds are in `feed_wiring`.

Each function imports what it makes, so that only the chosen adapter's clients are imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from forecasting_platform.errors import ConfigurationError, RecipeFileError
from forecasting_platform.feed_wiring import EXOGENOUS_FEED, descriptions_of
from forecasting_platform.forecasting.monitoring.incidents import AlertPolicy
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.days.series_calendars import Calendars

if TYPE_CHECKING:
    from forecasting_platform.forecasting.models.recipes.recipe import Recipe
    from forecasting_platform.ports.alert_channels import AlertChannels
    from forecasting_platform.ports.engine import Engine
    from forecasting_platform.ports.ledger import Ledger
    from forecasting_platform.ports.model_registry import ModelRegistry
    from forecasting_platform.ports.table_store import TableStore
    from forecasting_platform.services.alerts import Alerts
    from forecasting_platform.services.loading.feed_loads import FeedLoads
    from forecasting_platform.services.promotion.promoter import Promoter
    from forecasting_platform.settings import Settings


def table_store_of(settings: Settings) -> TableStore:
    """The store that FORECASTING_TABLE_STORE names; it connects when first used.

    Raises:
        ConfigurationError: what the store needs is not set or not installed.
    """
    return STORES[settings.table_store](settings)


def app_store_of(settings: Settings) -> TableStore | None:
    """The same store for the app; None where it has none, and answers by the feature rows that its model holds.

    The app starts no Java: tables in Spark it reads through a Spark Connect server only.

    Raises:
        ConfigurationError: what the store needs is not installed.
    """
    is_out_of_reach = {"postgres": not settings.postgres_dsn, "spark": not settings.spark_remote}
    return None if is_out_of_reach.get(settings.table_store) else table_store_of(settings)


def postgres_store_of(settings: Settings) -> TableStore:
    """The store in Postgres, which keeps the prediction log whichever store keeps the tables.

    Raises:
        ConfigurationError: FORECASTING_POSTGRES_DSN is not set.
    """
    from forecasting_platform.adapters.postgres.table_store import PostgresTableStore

    return PostgresTableStore(settings.require_postgres_dsn(), schema=settings.postgres_schema)


def _spark_store(settings: Settings) -> TableStore:
    from forecasting_platform.adapters.spark.options import SparkOptions, require_pyspark

    require_pyspark()
    from forecasting_platform.adapters.spark.table_store import SparkTableStore

    return SparkTableStore(SparkOptions.of(settings), database=settings.postgres_schema)


STORES: dict[str, Callable[[Settings], TableStore]] = {"postgres": postgres_store_of, "spark": _spark_store}
"""By the value of FORECASTING_TABLE_STORE."""


def ledger_of(settings: Settings) -> Ledger:
    """The ledger of promotion decisions and alerts; it connects when first used.

    Raises:
        ConfigurationError: FORECASTING_POSTGRES_DSN is not set.
    """
    from forecasting_platform.adapters.postgres.ledger import PostgresLedger

    return PostgresLedger(settings.require_postgres_dsn(), schema=settings.postgres_schema)


def alert_channels_of(settings: Settings) -> AlertChannels:
    """The routes of FORECASTING_ALERT_URLS and FORECASTING_ALERTMANAGER_URL."""
    from forecasting_platform.adapters.alerts.routes import destinations
    from forecasting_platform.adapters.alerts.url_channels import UrlChannels

    return UrlChannels(destinations(settings), settings.heartbeat_url)


def alerts_of(ledger: Ledger, settings: Settings) -> Alerts:
    """Incidents of a ledger, and the messages about them to the routes of the settings."""
    from forecasting_platform.services.alerts import Alerts

    pending, repeat = timedelta(seconds=settings.alert_pending_seconds), timedelta(hours=settings.alert_repeat_hours)
    policy = AlertPolicy(pending=pending, repeat=repeat)
    return Alerts(ledger, alert_channels_of(settings), policy, settings.runbook_url)


def model_registry_of(settings: Settings) -> ModelRegistry:
    """The registry of model versions. Importing its client takes seconds.

    Raises:
        ConfigurationError: FORECASTING_MLFLOW_TRACKING_URI is not set.
    """
    from forecasting_platform.adapters.mlflow.model_registry import MlflowModelRegistry

    return MlflowModelRegistry(settings.require_mlflow_tracking_uri(), name=settings.model_name)


def engine_of(settings: Settings, table_store: TableStore) -> Engine:
    """The engine that FORECASTING_ENGINE names, on the store's tables.

    Raises:
        ConfigurationError: Spark is to work on tables that are not in Spark.
    """
    if settings.engine == "local":
        from forecasting_platform.adapters.local_engine import LocalEngine

        return LocalEngine(table_store, partial(table_store_of, settings))
    if settings.table_store != "spark":
        problem = "is spark, which works where the tables are: set FORECASTING_TABLE_STORE=spark too, or work locally"
        raise ConfigurationError("FORECASTING_ENGINE", problem)
    from forecasting_platform.adapters.spark.engine import SparkEngine
    from forecasting_platform.adapters.spark.table_store import SparkTableStore

    if not isinstance(table_store, SparkTableStore):
        raise TypeError(f"FORECASTING_TABLE_STORE is spark, but the store is {type(table_store).__name__}")
    return SparkEngine(table_store)


def recipe_of(
    settings: Settings, calendars: Calendars, *, text: str | None = None, names: Sequence[str] = ()
) -> Recipe:
    """How models are trained: a recipe file's text, or the file of FORECASTING_RECIPE; the default one without either.

    Args:
        calendars: the days on which values are due.
        text: of a recipe file.
        names: the candidates to be used of it; all by default.

    Raises:
        RecipeFileError: there is no such file, or something in it cannot be used; names the key.
        ConfigurationError: a name is no candidate's.
    """
    from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
    from forecasting_platform.forecasting.models.recipes.recipe_file import parse_recipe, read_recipe

    recipe = default_recipe(
        settings.horizon_days,
        settings.holiday_country,
        exogenous=exogenous_from(settings.exogenous),
        calendars=calendars,
    )
    if text:
        recipe = parse_recipe(text, recipe)
    elif settings.recipe:
        recipe = read_recipe(settings.recipe, recipe)
    return recipe.with_candidates(names) if names else recipe


def declared_not_normal(settings: Settings, warn: Callable[[str], object] | None = None) -> NotNormal:
    """The periods that FORECASTING_RECIPE declares: they count for control at once, before a model knows them.

    Args:
        warn: told of a file that cannot be used, where the rest must go on without the periods.

    Raises:
        RecipeFileError: there is no such file, or something in it cannot be used; names the key.
    """
    if settings.recipe is None:
        return ALL_NORMAL
    from forecasting_platform.forecasting.models.recipes.recipe import Recipe
    from forecasting_platform.forecasting.models.recipes.recipe_file import read_recipe

    try:
        return read_recipe(settings.recipe, Recipe()).not_normal
    except RecipeFileError as error:
        if warn is None:
            raise
        warn(f"no period counts as not normal: {error}")
        return ALL_NORMAL


def feed_loads_of(settings: Settings) -> FeedLoads:
    """The record of each feed's newest load, in the ledger; nowhere without a database.

    What is wrong with a description, each load says.
    """
    from forecasting_platform.feed_description.due_days import due_days
    from forecasting_platform.forecasting.series.days.due_days import EVERY_DAY
    from forecasting_platform.services.loading.feed_loads import FeedLoads

    try:
        described = {each.name: due_days(each) for each in descriptions_of(settings)}
    except ConfigurationError:
        described = {}
    if settings.exogenous_feed_url:
        described[EXOGENOUS_FEED] = EVERY_DAY
    ledger = ledger_of(settings) if settings.postgres_dsn else None
    return FeedLoads(ledger, described, settings.max_refused_share)


def promoter_of(
    table_store: TableStore,
    engine: Engine,
    model_registry: ModelRegistry,
    ledger: Ledger,
    not_normal: NotNormal = ALL_NORMAL,
) -> Promoter:
    """The service that changes the champion, with this release's policy.

    Args:
        not_normal: the periods that are declared by now (`declared_not_normal`).
    """
    from forecasting_platform.adapters.clean_process import fitness_of, impossible_forecasts
    from forecasting_platform.forecasting.promotion.policy import PromotionPolicy
    from forecasting_platform.services.promotion.promoter import Promoter

    return Promoter(
        store=table_store,
        engine=engine,
        registry=model_registry,
        ledger=ledger,
        policy=PromotionPolicy.packaged(),
        fitness=fitness_of,
        impossible=impossible_forecasts,
        now=lambda: datetime.now(UTC),
        not_normal=not_normal,
    )
