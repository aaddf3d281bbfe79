"""The stores of a Dagster that somebody starts without naming any: those of a running platform, or some of its own.

`up` starts its own Dagster, and needs nothing of this. What Dagster asks for them belongs in `orchestration`.
"""

import atexit
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from forecasting_platform.adapters.postgres.roles import DAGSTER, RUNS
from forecasting_platform.errors import ConfigurationError, PlatformStateError
from forecasting_platform.local.data_directory import OWNER_VARIABLE, DataDirectory
from forecasting_platform.local.environment import (
    STORES,
    Addresses,
    blocked_ports,
    dagster_store,
    forecasting_store,
    free_ports,
    platform_environment,
)
from forecasting_platform.local.platform import DEFAULT_PORT_BASE, EmbeddedPlatform
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.settings import Settings

JOINED_VARIABLE = "EMBEDDED_PLATFORM_JOINED"
"""Set where the stores are of a platform whose daemon does all work but what is queued."""
PORT_STEP, TRIED_PORT_BASES = 10, 20


def join_or_start(settings: Settings, progress: Callable[[str], None], *, is_web_server: bool) -> Mapping[str, str]:
    """The environment that names the stores, which stay until this process ends.

    Args:
        is_web_server: whether a web server and a daemon shall run on them, of which there can be one besides `up`.

    Raises:
        PlatformStateError: they cannot be started, or another `dagster dev` uses them.
        ConfigurationError: the settings name other stores for what runs, but none for Dagster.
    """
    if settings.postgres_dsn or settings.mlflow_tracking_uri:
        named = "FORECASTING_POSTGRES_DSN" if settings.postgres_dsn else "FORECASTING_MLFLOW_TRACKING_URI"
        problem = (
            f"is not set, but {named} is; set all three of a platform elsewhere, or none to use one of this machine"
        )
        raise ConfigurationError("DAGSTER_POSTGRES_URL", problem)
    directory = DataDirectory(settings.data_dir)
    if directory.supervisor() is None:
        return _start(directory, settings, progress)
    endpoints = directory.endpoints()
    if is_web_server and "dagster" not in endpoints:
        raise PlatformStateError(f"another `dagster dev` runs on {directory.path} already; stop it, or use its page")
    progress(f"joining the platform that runs in {directory.path}")
    return _environment_of(directory, endpoints, settings)


def _environment_of(directory: DataDirectory, endpoints: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment of Dagster's processes of a running platform, without the mark by which it ends its own."""
    postgres = EmbeddedPostgres(directory.path, _port(endpoints["postgres"]))
    of_platform = directory.settings()
    described = of_platform.get("feed") or of_platform.get("feeds")
    environment = platform_environment(
        directory,
        Addresses(_port(endpoints["mlflow"]) - Addresses(0).port("mlflow")),
        feed_url="" if described else endpoints["feed"],
        live=settings.schedules_enabled,
        caller=os.environ,
        settings={"feed": "", "feeds": "", **of_platform},
    )
    del environment[OWNER_VARIABLE]
    stores = {**dagster_store(postgres.role_dsn(DAGSTER)), **forecasting_store(postgres.role_dsn(RUNS))}
    return {**environment, **stores, JOINED_VARIABLE: "true"}


def _port(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        raise PlatformStateError(f"endpoints.json names no port in {url!r}; stop the platform and start it again")
    return port


def _start(directory: DataDirectory, settings: Settings, progress: Callable[[str], None]) -> dict[str, str]:
    feed = settings.feed or settings.feeds
    if feed is None and settings.feed_url is None:
        directory.require_simulated_feed("set FORECASTING_FEED, FORECASTING_FEEDS or FORECASTING_FEED_URL to that one")
    platform = EmbeddedPlatform(
        directory.path, _port_base(), settings.feed_url, settings.schedules_enabled, feed=feed and Path(feed)
    )
    progress(f"starting Postgres, MLflow and the feed in {directory.path}")
    atexit.register(platform.stop)
    return platform.start_stores(progress)


def _port_base() -> int:
    """The usual one, or the next of which the stores' ports are free: nobody types these in."""
    bases = range(DEFAULT_PORT_BASE, DEFAULT_PORT_BASE + PORT_STEP * TRIED_PORT_BASES, PORT_STEP)
    tried = (Addresses(base) for base in bases)
    usable = (each for each in tried if free_ports(each, STORES) and not blocked_ports(each))
    return next((each.port_base for each in usable), DEFAULT_PORT_BASE)
