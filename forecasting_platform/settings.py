"""Every environment variable of the platform, once, typed. Reading them is the only thing done here.

The prefix is `FORECASTING_`. A secret has no default: what needs one says so when it is used.
"""

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from forecasting_platform.errors import ConfigurationError

REGISTERED_MODEL = "forecasting_platform"
"""Name of the registered model and of the experiment in MLflow."""


class Settings(BaseSettings):
    """The platform's settings, read from the environment when an instance is made."""

    model_config = SettingsConfigDict(env_prefix="FORECASTING_", env_ignore_empty=True, frozen=True, extra="ignore")

    postgres_dsn: SecretStr | None = Field(
        default=None, description="Postgres of the observations, forecasts, decisions and alerts (`postgresql://…`)."
    )
    table_store: Literal["postgres", "spark"] = Field(
        default="postgres", description="Which adapter keeps the tables of observations, features and forecasts."
    )
    mlflow_tracking_uri: str | None = Field(default=None, description="MLflow server of runs and registered models.")
    feed_url: str | None = Field(
        default=None, description="The feed: `http(s)://…`, `ckan+https://portal/dataset-id` or `file:///path`."
    )
    feed_date_format: str = Field(
        default="dd/mm/yyyy", description="How the feed writes a day: made of `dd`, `mm` and `yyyy`."
    )
    feed_timeout_seconds: float = Field(default=60.0, gt=0, description="Deadline of one fetch, retries included.")
    feed_max_bytes: int = Field(default=64 * 1024 * 1024, gt=0, description="Largest feed document accepted.")
    feed_archive: str | None = Field(
        default=None, description="Folder or object store URL where every loaded feed document is kept."
    )
    feed_archive_days: int = Field(
        default=400,
        ge=1,
        description="Days after which a document that is loaded no more is removed from a folder.",
    )
    first_partition_date: date = Field(default=date(2018, 1, 1), description="First day of the daily partitions.")
    horizon_days: int = Field(default=15, ge=1, le=60, description="Days a forecast covers.")
    training_interval_days: int = Field(default=15, ge=1, description="Days between two trainings.")
    training_anchor_date: date = Field(
        default=date(2018, 1, 1), description="Trainings fall on this day and each interval after it."
    )
    load_look_back_days: int = Field(default=31, ge=1, description="Days each daily load looks at again for revisions.")
    holiday_country: str = Field(default="IE", description="Country whose public holidays the features know (ISO).")
    schedules_enabled: bool = Field(default=False, description="Whether schedules run without being switched on.")
    alert_urls: SecretStr | None = Field(
        default=None, description="Apprise URLs that alerts are sent to, separated by commas or spaces."
    )
    api_keys: SecretStr | None = Field(
        default=None,
        description="Keys that the app accepts, separated by commas; plain, or `sha256:` and the key's SHA-256 in "
        "hexadecimal. Needed on a public interface.",
    )
    api_key: SecretStr | None = Field(
        default=None, description="The key that commands show to the app; by default the first plain one above."
    )
    app_host: str = Field(default="127.0.0.1", description="Interface the app listens on.")
    app_port: int = Field(default=3002, ge=1, le=65535, description="Port the app listens on.")
    app_rate_limit: str = Field(
        default="60000 per minute", description="Requests that one address may make to the app (Flask-Limiter)."
    )
    dagster_url: str | None = Field(
        default=None, description="Dagster's web server, for commands that talk to a platform that is not embedded."
    )
    app_url: str | None = Field(default=None, description="The app, for the same commands.")
    champion_poll_seconds: float = Field(
        default=1.0, gt=0, description="How often the app asks MLflow which version is champion."
    )
    model_cache_dir: Path | None = Field(
        default=None, description="Where the app keeps its last good champion for a start without MLflow."
    )

    def require_postgres_dsn(self) -> str:
        """The DSN, or `ConfigurationError` saying which variable to set."""
        if self.postgres_dsn is None:
            raise ConfigurationError("FORECASTING_POSTGRES_DSN", "is not set; give a DSN such as postgresql://host/db")
        return self.postgres_dsn.get_secret_value()

    def api_key_header(self) -> dict[str, str]:
        """The header by which a client shows its key to the app; empty where it has none."""
        accepted = self.api_keys.get_secret_value().split(",") if self.api_keys else []
        plain = [key.strip() for key in accepted if not key.strip().startswith("sha256:")]
        key = self.api_key.get_secret_value() if self.api_key else next(iter(plain), "")
        return {"X-API-Key": key} if key else {}

    def require_mlflow_tracking_uri(self) -> str:
        """The tracking URI, or `ConfigurationError` saying which variable to set."""
        if not self.mlflow_tracking_uri:
            raise ConfigurationError("FORECASTING_MLFLOW_TRACKING_URI", "is not set; give the URL of an MLflow server")
        return self.mlflow_tracking_uri

    def require_feed_url(self) -> str:
        """The feed's URL, or `ConfigurationError` saying which variable to set."""
        if not self.feed_url:
            raise ConfigurationError("FORECASTING_FEED_URL", "is not set; give the URL of the feed")
        return self.feed_url
