"""Every environment variable of the platform, once, typed. Reading them is the only thing done here.

The prefix is `FORECASTING_`. A secret has no default: what needs one says so when it is used.
"""

from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, FiniteFloat, SecretStr
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
    postgres_password: SecretStr | None = Field(
        default=None, description="Password of the user of the DSN, where the DSN holds none."
    )
    dagster_role_password: SecretStr | None = Field(
        default=None, description="For `migrate`: makes the role `dagster` and its database, with this password."
    )
    mlflow_role_password: SecretStr | None = Field(
        default=None, description="For `migrate`: makes the role `mlflow` and its database, with this password."
    )
    runs_role_password: SecretStr | None = Field(
        default=None, description="For `migrate`: makes the role `forecasting_runs`, with this password."
    )
    app_role_password: SecretStr | None = Field(
        default=None, description="For `migrate`: makes the role `forecasting_app`, with this password."
    )
    table_store: Literal["postgres", "spark"] = Field(
        default="postgres", description="Which adapter keeps the tables of observations, features and forecasts."
    )
    trainer: Literal["local", "spark"] = Field(
        default="local", description="Where models are trained: in the run's process, or as tasks of the Spark store."
    )
    spark_warehouse_dir: str | None = Field(
        default=None, description="Folder or URI of the Spark store's tables (`/srv/tables`, `hdfs://…`, `s3a://…`)."
    )
    spark_metastore_uri: str | None = Field(
        default=None, description="Hive metastore service (`thrift://host:9083`); none: one embedded in the folder."
    )
    spark_master: str = Field(default="local[*]", description="Spark master that the Spark store runs on.")
    spark_conf: dict[str, SecretStr] = Field(
        default={}, description="Further settings of Spark, as one JSON object of texts."
    )
    mlflow_tracking_uri: str | None = Field(default=None, description="MLflow server of runs and registered models.")
    feed_url: str | None = Field(
        default=None, description="The feed: `http(s)://…`, `ckan+https://portal/dataset-id` or `file:///path`."
    )
    feed_date_format: str = Field(
        default="dd/mm/yyyy", description="How the feed writes a day: made of `dd`, `mm` and `yyyy`."
    )
    exogenous_feed_url: str | None = Field(
        default=None,
        description="A second feed, of exogenous series, such as a weather service; that it fails holds up no load.",
    )
    exogenous_feed_date_format: str = Field(default="dd/mm/yyyy", description="How the second feed writes a day.")
    feed_timeout_seconds: float = Field(default=60.0, gt=0, description="Deadline of one fetch, retries included.")
    feed_max_bytes: int = Field(default=64 * 1024 * 1024, gt=0, description="Largest feed document accepted.")
    max_refused_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of a feed document's rows, or of its values of the days asked for, that may be refused; "
        "where more is, features wait.",
    )
    feed_archive: str | None = Field(
        default=None, description="Folder or object store URL where every loaded feed document is kept."
    )
    feed_archive_days: int = Field(
        default=400,
        ge=1,
        description="Days after which a kept document that is loaded no more is deleted.",
    )
    prediction_log_days: int = Field(
        default=400, ge=1, description="Days after which what the app answered is deleted from `prediction_log`."
    )
    quarantine_days: int = Field(default=400, ge=1, description="Days after which a refused feed row is deleted.")
    alert_history_days: int = Field(
        default=400, ge=8, description="Days after which an incident that is over, its messages and a mute are deleted."
    )
    run_log_days: int = Field(
        default=90, ge=1, description="Days after which what a run wrote to its output is deleted from this machine."
    )
    first_partition_date: date = Field(default=date(2018, 1, 1), description="First day of the daily partitions.")
    horizon_days: int = Field(default=15, ge=1, le=60, description="Days a forecast covers.")
    training_interval_days: int = Field(default=15, ge=1, description="Days between two trainings.")
    training_anchor_date: date = Field(
        default=date(2018, 1, 1), description="Trainings fall on this day and each interval after it."
    )
    load_look_back_days: int = Field(default=31, ge=1, description="Days each daily load looks at again for revisions.")
    retry_wait_seconds: float = Field(
        default=30.0,
        ge=0,
        description="Seconds until a scheduled load asks a part again that did not answer; then four times that.",
    )
    data_docs_dir: Path | None = Field(
        default=None, description="Where each load's Data Docs page is written; none is without it."
    )
    holiday_country: str = Field(default="IE", description="Country whose public holidays the features know (ISO).")
    exogenous: list[dict[str, Any]] = Field(
        default=[],
        description="Series that are not forecast but regressed on, as a JSON array of objects: `unique_id`, `known` "
        "(`at_cutoff` or `in_advance`), `delay_days` (0).",
    )
    lower_bounds: dict[str, FiniteFloat] = Field(
        default={},
        description="Below which no forecast of a series lies, as JSON by series; 0 where it was never negative.",
    )
    accepted_values: dict[str, list[str]] = Field(
        default={},
        description="Days whose values are right though they look wrong, and are not held back: as JSON, by series a "
        "list of `YYYY-MM-DD` or `YYYY-MM-DD..YYYY-MM-DD`.",
    )
    schedules_enabled: bool = Field(default=False, description="Whether schedules run without being switched on.")
    alert_urls: SecretStr | None = Field(
        default=None,
        description="Apprise URLs that alerts are sent to, separated by commas or spaces; `error+data=URL` for some.",
    )
    alertmanager_url: str | None = Field(
        default=None, description="Prometheus Alertmanager that alerts are posted to as well (API v2)."
    )
    heartbeat_url: SecretStr | None = Field(
        default=None, description="URL called at each look for alerts, for a service that pages when it is not."
    )
    alert_pending_seconds: float = Field(
        default=30.0, ge=0, description="How long an incident lasts, or fails again, before anybody is told."
    )
    alert_repeat_hours: float = Field(
        default=24.0, gt=0, description="Hours between two reminders of an incident nobody acknowledged."
    )
    false_pages_a_year: dict[str, float] = Field(
        default={},
        description="False pages a series may send in a year, by check, as JSON; `default` for the others (1).",
    )
    runbooks_url: str = Field(
        default="docs/runbooks", description="Where checks and messages say their runbooks are: a URL or path."
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
    allowed_hosts: str | None = Field(
        default=None,
        description="Names under which the app and Dagster's web server are reached, separated by commas, beside "
        "`localhost`, `127.0.0.1` and `[::1]`; requests for any other Host are refused.",
    )
    app_rate_limit: str = Field(
        default="60000 per minute", description="Requests that one address may make to the app."
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

    def runbook_url(self, name: str) -> str:
        """The page of a check, or of another kind of incident.

        >>> Settings(runbooks_url="https://host/runbooks/").runbook_url("forecasts_beat_naive")
        'https://host/runbooks/forecasts_beat_naive.md'
        """
        return f"{self.runbooks_url.rstrip('/')}/{name}.md"

    def require_postgres_dsn(self) -> str:
        """The DSN, or `ConfigurationError` saying which variable to set."""
        if self.postgres_dsn is None:
            raise ConfigurationError("FORECASTING_POSTGRES_DSN", "is not set; give a DSN such as postgresql://host/db")
        dsn = self.postgres_dsn.get_secret_value()
        return dsn if self.postgres_password is None else _with_password(dsn, self.postgres_password.get_secret_value())

    def require_spark_warehouse_dir(self) -> str:
        """Where the Spark store's tables are, or `ConfigurationError` saying which variable to set."""
        if not self.spark_warehouse_dir:
            raise ConfigurationError("FORECASTING_SPARK_WAREHOUSE_DIR", "is not set; give a folder or a URI of one")
        return self.spark_warehouse_dir

    def api_key_header(self) -> dict[str, str]:
        """The header by which a client shows its key to the app; empty where it has none."""
        accepted = self.api_keys.get_secret_value().split(",") if self.api_keys else []
        plain = [key.strip() for key in accepted if not key.strip().startswith("sha256:")]
        key = self.api_key.get_secret_value() if self.api_key else next(iter(plain), "")
        return {"X-API-Key": key} if key else {}

    def without_keys(self) -> Self:
        """The same, without the app's keys: for what lives as long as the app, which holds their hashes only."""
        return self.model_copy(update={"api_keys": None, "api_key": None})

    def require_mlflow_tracking_uri(self) -> str:
        """The tracking URI, or `ConfigurationError` saying which variable to set."""
        if not self.mlflow_tracking_uri:
            raise ConfigurationError("FORECASTING_MLFLOW_TRACKING_URI", "is not set; give the URL of an MLflow server")
        return self.mlflow_tracking_uri

    def false_pages_of(self, check_name: str) -> float:
        """How many false pages a year a series may send by this check."""
        return self.false_pages_a_year.get(check_name, self.false_pages_a_year.get("default", 1.0))

    def require_feed_url(self) -> str:
        """The feed's URL, or `ConfigurationError` saying which variable to set."""
        if not self.feed_url:
            raise ConfigurationError("FORECASTING_FEED_URL", "is not set; give the URL of the feed")
        return self.feed_url


def _with_password(dsn: str, password: str) -> str:
    """The DSN with a password, unless it has one: then two services of a process can have one each."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        return dsn if conninfo_to_dict(dsn).get("password") else make_conninfo(dsn, password=password)
    except ProgrammingError:
        # Not chained: the driver's message repeats the DSN.
        raise ConfigurationError("FORECASTING_POSTGRES_DSN", "is no DSN such as postgresql://host/db") from None
