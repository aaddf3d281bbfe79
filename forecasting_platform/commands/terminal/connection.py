"""Where a command finds the platform: the embedded one of a data directory, or the one the settings name."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from pydantic import SecretStr

from forecasting_platform.errors import (
    ConfigurationError,
    ForecastingPlatformError,
    PlatformStateError,
    UnavailableError,
)
from forecasting_platform.feed_wiring import with_covariates
from forecasting_platform.local.app_request import ask_app, problem_of
from forecasting_platform.local.dagster.api import DagsterApi
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.redaction import shown
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import ledger_of, table_store_of

TIMEOUT_SECONDS = 30


class AppRefusedError(ForecastingPlatformError):
    """The app answered with a problem; its detail is the message."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The addresses of one platform.

    Attributes:
        further_settings: fields of `Settings` that its processes were given.
    """

    dagster_url: str
    app_url: str
    postgres_dsn: str
    further_settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """Those of its processes, as far as a command needs them; else those of the environment."""
        return with_covariates(Settings(postgres_dsn=SecretStr(self.postgres_dsn), **self.further_settings))

    @property
    def dagster(self) -> DagsterApi:
        """A client of its Dagster."""
        return DagsterApi(self.dagster_url)

    @contextmanager
    def table_store(self) -> Iterator[TableStore]:
        """Its table store, closed afterwards."""
        store = table_store_of(self.settings)
        try:
            store.prepare()
            yield store
        finally:
            store.close()

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Its ledger, closed afterwards."""
        ledger = ledger_of(self.settings)
        try:
            ledger.prepare()
            yield ledger
        finally:
            ledger.close()

    def ask_app(self, method: str, path: str, body: object = None) -> Any:
        """The app's JSON answer.

        Raises:
            AppRefusedError: it answered with a problem.
            UnavailableError: it did not answer.
        """
        try:
            headers = self.settings.api_key_header()
            response = ask_app(self.app_url, method, path, body, headers=headers, timeout_seconds=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise UnavailableError(f"the app at {shown(self.app_url)}", type(error).__name__) from error
        if not response.ok or response.is_redirect:
            raise AppRefusedError(problem_of(response))
        return response.json()


def connect(data_dir: Path) -> Connection:
    """The platform of a data directory; where none runs there, the one that the settings name.

    Raises:
        PlatformStateError: neither is there, or only the stores of `dagster dev` are.
        ConfigurationError: none runs there, and the settings name a part of one only; says what is missing.
    """
    directory = DataDirectory(data_dir)
    try:
        found = directory.endpoints()
    except PlatformStateError as error:
        settings = Settings()
        if settings.dagster_url and settings.app_url and settings.postgres_dsn:
            return Connection(settings.dagster_url, settings.app_url, settings.require_postgres_dsn())
        if settings.dagster_url or settings.app_url:
            named = {
                "FORECASTING_DAGSTER_URL": settings.dagster_url,
                "FORECASTING_APP_URL": settings.app_url,
                "FORECASTING_POSTGRES_DSN": settings.postgres_dsn,
            }
            problem = f"is not set; a command needs {', '.join(named)} of a platform elsewhere"
            missing = next(name for name, value in named.items() if not value)
            raise ConfigurationError(missing, f"{problem} ({error})") from error
        raise
    if "dagster" not in found:
        raise PlatformStateError(
            f"only `dagster dev`, or another command of Dagster, runs on {directory.path}, without the app. "
            "Stop it and start the platform with `forecasting-platform up`."
        )
    registry = {"mlflow_tracking_uri": found["mlflow"]} if "mlflow" in found else {}
    return Connection(found["dagster"], found["app"], found["postgres"], registry | directory.settings())
