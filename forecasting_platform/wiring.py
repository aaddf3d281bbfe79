"""The only place that chooses adapters: from settings to the adapter behind each port.

Each function imports what it makes, so that only the chosen adapter's clients are imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from forecasting_platform.errors import ConfigurationError, RecipeFileError
from forecasting_platform.forecasting.monitoring.incidents import AlertPolicy
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.repetitions import first_repeated

if TYPE_CHECKING:
    from forecasting_platform.adapters.feeds.described_feed import DescribedFeed
    from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
    from forecasting_platform.feed_description.description import FeedDescription
    from forecasting_platform.forecasting.models.recipes.recipe import Recipe
    from forecasting_platform.ports.alert_channels import AlertChannels
    from forecasting_platform.ports.ledger import Ledger
    from forecasting_platform.ports.model_registry import ModelRegistry
    from forecasting_platform.ports.observation_feed import ObservationFeed
    from forecasting_platform.ports.table_store import TableStore
    from forecasting_platform.ports.trainer import Trainer
    from forecasting_platform.services.alerts import Alerts
    from forecasting_platform.services.loading.feed_loads import FeedLoads
    from forecasting_platform.services.promotion.promoter import Promoter
    from forecasting_platform.settings import Settings


def table_store_of(settings: Settings) -> TableStore:
    """The store that FORECASTING_TABLE_STORE names; it connects when first used.

    Raises:
        ConfigurationError: what the store needs is not set or not installed.
    """
    return _spark_store(settings) if settings.table_store == "spark" else postgres_store_of(settings)


def postgres_store_of(settings: Settings) -> TableStore:
    """The store in Postgres, which keeps the prediction log whichever store keeps the tables.

    Raises:
        ConfigurationError: FORECASTING_POSTGRES_DSN is not set.
    """
    from forecasting_platform.adapters.postgres.table_store import PostgresTableStore

    return PostgresTableStore(settings.require_postgres_dsn(), schema=settings.postgres_schema)


def _spark_store(settings: Settings) -> TableStore:
    from forecasting_platform.adapters.spark.session import SparkOptions, require_pyspark

    require_pyspark()
    from forecasting_platform.adapters.spark.table_store import SparkTableStore

    return SparkTableStore(
        SparkOptions(
            warehouse=settings.require_spark_warehouse_dir(),
            metastore_uri=settings.spark_metastore_uri,
            master=settings.spark_master,
            conf={name: value.get_secret_value() for name, value in settings.spark_conf.items()},
        ),
        database=settings.postgres_schema,
    )


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


def trainer_of(settings: Settings, table_store: TableStore) -> Trainer:
    """The trainer that FORECASTING_TRAINER names, on the store's `feature_table`.

    Raises:
        ConfigurationError: Spark is to train on tables that are not in Spark.
    """
    if settings.trainer == "local":
        from forecasting_platform.services.training.local_trainer import LocalTrainer

        return LocalTrainer(table_store)
    if settings.table_store != "spark":
        problem = "is spark, which trains where the tables are: set FORECASTING_TABLE_STORE=spark too, or train locally"
        raise ConfigurationError("FORECASTING_TRAINER", problem)
    from forecasting_platform.adapters.spark.table_store import SparkTableStore
    from forecasting_platform.adapters.spark.trainer import SparkTrainer

    if not isinstance(table_store, SparkTableStore):
        raise TypeError(f"FORECASTING_TABLE_STORE is spark, but the store is {type(table_store).__name__}")
    return SparkTrainer(table_store)


def feed_of(settings: Settings) -> ObservationFeed:
    """The feed that the settings name, or all of them as one, with the feed of exogenous series where they name one.

    Raises:
        ConfigurationError: no feed is named, one cannot be meant, two are called alike, or the second feed has no
            declared series.
    """
    from forecasting_platform.adapters.feeds.several_feeds import NamedFeed, SeveralFeeds

    feeds = [NamedFeed(each.name, described_feed(each, settings)) for each in descriptions_of(settings)]
    if settings.exogenous_feed_url:
        declared = exogenous_from(settings.exogenous)
        if not declared:
            problem = "is set, and FORECASTING_EXOGENOUS declares no series; declare those that it has"
            raise ConfigurationError("FORECASTING_EXOGENOUS_FEED_URL", problem)
        feeds.append(NamedFeed(EXOGENOUS_FEED, _exogenous_feed(settings), declared))
    if len(feeds) == 1:
        return feeds[0].feed
    return SeveralFeeds(
        feeds, timeout_seconds=settings.feed_timeout_seconds, max_refused_share=settings.max_refused_share
    )


def names_of_several_feeds(settings: Settings) -> tuple[str, ...]:
    """What the feeds are called where several are described; empty where one is, or where a description is wrong.

    What is wrong, each load says.
    """
    try:
        names = tuple(each.name for each in descriptions_of(settings))
    except ConfigurationError:
        return ()
    if len(names) < 2:
        return ()
    return (*names, EXOGENOUS_FEED) if settings.exogenous_feed_url else names


def descriptions_of(settings: Settings) -> tuple[FeedDescription, ...]:
    """The descriptions of FORECASTING_FEED_URL, FORECASTING_FEED and FORECASTING_FEEDS, of as many as are set.

    Raises:
        ConfigurationError: none is set, one is wrong, or two feeds are called alike.
    """
    from forecasting_platform.feed_description.file import read_description, read_descriptions

    found: list[FeedDescription] = []
    if settings.feed_url or not (settings.feed or settings.feeds):
        found.append(_default_shape(settings.require_feed_url(), settings.feed_date_format))
    if settings.feed:
        found.append(read_description(settings.feed))
    if settings.feeds:
        found += read_descriptions(settings.feeds)
    exogenous = [EXOGENOUS_FEED] if settings.exogenous_feed_url else []
    if twice := first_repeated([each.name for each in found] + exogenous):
        raise ConfigurationError("FORECASTING_FEEDS", f"two feeds are called {twice!r}; give one another name")
    return tuple(found)


EXOGENOUS_FEED = "exogenous"
"""What the feed of FORECASTING_EXOGENOUS_FEED_URL is called."""


def with_covariates(settings: Settings) -> Settings:
    """The settings, with the covariates that the feeds' descriptions declare among the exogenous series.

    A description that is wrong adds none: each load says what is wrong with it.
    """
    if not (settings.feed or settings.feeds):
        return settings
    try:
        declared = [found.document() for each in descriptions_of(settings) for found in each.covariates]
    except ConfigurationError:
        return settings
    return settings.model_copy(update={"exogenous": [*settings.exogenous, *declared]})


def feed_at(url: str, settings: Settings) -> ObservationFeed:
    """The feed of the default shape at a URL, with the limits and the archive of the settings.

    Raises:
        ConfigurationError: the URL is none of a feed, or a setting cannot be used.
    """
    description = _default_shape(url, settings.feed_date_format)
    return described_feed(description, settings.model_copy(update={"feed_url": url}))


def _exogenous_feed(settings: Settings) -> ObservationFeed:
    url, date_format = str(settings.exogenous_feed_url), settings.exogenous_feed_date_format
    try:
        return feed_at(url, settings.model_copy(update={"feed_date_format": date_format}))
    except ConfigurationError as error:
        raise ConfigurationError(error.setting.replace("_FEED_", "_EXOGENOUS_FEED_"), error.problem) from error


def _default_shape(url: str, date_format: str) -> FeedDescription:
    from pydantic import ValidationError

    from forecasting_platform.feed_description.description import FeedDescription

    try:
        return FeedDescription.of_default_shape(url, date_format)
    except ValidationError as error:
        place, message = error.errors()[0]["loc"], error.errors()[0]["msg"].removeprefix("Value error, ")
        named = "FORECASTING_FEED_URL" if "url" in place else "FORECASTING_FEED_DATE_FORMAT"
        raise ConfigurationError(named, message) from error


def described_feed(description: FeedDescription, settings: Settings) -> DescribedFeed:
    """The feed that a description is of, with the limits and the archive of the settings.

    `http(s)://…` is an `HttpFeed`, `ckan+http(s)://portal/dataset-id` a `CkanFeed`, `file:///path` a `FileFeed`, any
    other URL that fsspec knows an `FsspecFeed`.

    Raises:
        ConfigurationError: the URL is none of these, or a setting cannot be used.
    """
    try:
        return _adapter(description, settings)
    except ConfigurationError as error:
        if error.setting != "source.url":
            raise
        is_of_setting = description.source.url == settings.feed_url
        named = "FORECASTING_FEED_URL" if is_of_setting else f"source.url of the feed {description.name!r}"
        raise ConfigurationError(named, error.problem) from error


def _adapter(description: FeedDescription, settings: Settings) -> DescribedFeed:
    from forecasting_platform.feed_description.variables import FilledSource

    limits: _Limits = {
        "timeout_seconds": settings.feed_timeout_seconds,
        "max_bytes": settings.feed_max_bytes,
        "archive": archive_of(settings),
    }
    match FilledSource.of(description, os.environ).url.partition("://")[0].lower():
        case "http" | "https":
            from forecasting_platform.adapters.feeds.http_feed import HttpFeed

            return HttpFeed(description, **limits)
        case "ckan+http" | "ckan+https":
            from forecasting_platform.adapters.feeds.ckan_feed import CkanFeed

            return CkanFeed(description, **limits)
        case "file":
            from forecasting_platform.adapters.feeds.file_feed import FileFeed

            return FileFeed(description, **limits)
    from forecasting_platform.adapters.feeds.fsspec_feed import FsspecFeed

    return FsspecFeed(description, **limits)


class _Limits(TypedDict):
    """What every feed is made with."""

    timeout_seconds: float
    max_bytes: int
    archive: DocumentArchive | None


def calendars_of(settings: Settings) -> Calendars:
    """The days on which values of each series are due: every day where no feed is described.

    Raises:
        ConfigurationError: a description is wrong, or feeds with different calendars cannot be told apart.
    """
    if not (settings.feed or settings.feeds):
        return DAILY
    from forecasting_platform.feed_description.due_days import due_days_of

    return due_days_of(descriptions_of(settings))


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


def archive_of(settings: Settings) -> DocumentArchive | None:
    """The archive of loaded documents, None where FORECASTING_FEED_ARCHIVE is not set."""
    if not settings.feed_archive:
        return None
    from forecasting_platform.adapters.feeds.document_archive import DocumentArchive

    return DocumentArchive(settings.feed_archive, keep_days=settings.feed_archive_days)


def promoter_of(
    table_store: TableStore, model_registry: ModelRegistry, ledger: Ledger, not_normal: NotNormal = ALL_NORMAL
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
        registry=model_registry,
        ledger=ledger,
        policy=PromotionPolicy.packaged(),
        fitness=fitness_of,
        impossible=impossible_forecasts,
        now=lambda: datetime.now(UTC),
        not_normal=not_normal,
    )
