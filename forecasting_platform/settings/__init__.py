"""All environment variables of the platform, typed. Nothing else is done here. Those of the app are in `app`.

The prefix is `FORECASTING_`. A secret has no default: code that needs one raises an error that names it.
"""

import re
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, FiniteFloat, PrivateAttr, SecretStr, field_validator

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.settings.app import AppSettings

REGISTERED_MODEL = "forecasting_platform"
"""Name of the registered model and of the experiment in MLflow, unless FORECASTING_MODEL_NAME gives another."""


SCHEMA = "forecasting"
"""Name of the schema in Postgres, and of the database in Spark, unless FORECASTING_POSTGRES_SCHEMA gives another."""


class Settings(AppSettings):
    """The platform's settings, read from the environment when an instance is made."""

    # Not of the environment: who mounts a platform beside others gives it.
    _mounted_as: str = PrivateAttr(default="")

    postgres_dsn: SecretStr | None = Field(
        default=None, description="Postgres of the observations, forecasts, decisions and alerts (`postgresql://…`)."
    )
    postgres_schema: str = Field(
        default=SCHEMA,
        pattern=r"^[a-z][a-z0-9_]{0,62}$",
        description="Schema of the tables in Postgres, and database in Spark: one for each platform of a server.",
    )
    postgres_password: SecretStr | None = Field(
        default=None, description="Password of the user of the DSN, where the DSN holds none."
    )
    dagster_role_password: SecretStr | None = Field(
        default=None, description="Password of the role `dagster`; with it, `migrate` makes the role and its database."
    )
    mlflow_role_password: SecretStr | None = Field(
        default=None, description="Password of the role `mlflow`; with it, `migrate` makes the role and its database."
    )
    runs_role_password: SecretStr | None = Field(
        default=None, description="Password of the role `forecasting_runs`; with it, `migrate` makes the role."
    )
    app_role_password: SecretStr | None = Field(
        default=None, description="Password of the role `forecasting_app`; with it, `migrate` makes the role."
    )
    table_store: Literal["postgres", "spark"] = Field(
        default="postgres", description="Store of the tables of observations, features and forecasts."
    )
    engine: Literal["local", "spark"] = Field(
        default="local",
        description="Where blocks of series are worked on: processes of this machine, or tasks of the Spark store.",
    )
    spark_warehouse_dir: str | None = Field(
        default=None, description="Folder or URI of the Spark store's tables (`/srv/tables`, `hdfs://…`, `s3a://…`)."
    )
    spark_metastore_uri: str | None = Field(
        default=None,
        description="Hive metastore service (`thrift://host:9083`); without it, one embedded in the folder.",
    )
    spark_remote: SecretStr | None = Field(
        default=None,
        description="Spark Connect server that all processes share (`sc://host:15002/;token=…`); without it each "
        "process starts a Spark of its own.",
    )
    spark_master: str = Field(
        default="local[*,2]",
        description="Spark master of the Spark store: a cluster (`spark://…`), or this machine; the 2 allows a failed "
        "task a second attempt.",
    )
    spark_wait_seconds: float = Field(
        default=300.0, gt=0, description="How long a process waits for a core of Spark before it gives up."
    )
    spark_conf: dict[str, SecretStr] = Field(
        default={}, description="Further settings of Spark, as one JSON object of strings."
    )
    mlflow_tracking_uri: str | None = Field(
        default=None, description="MLflow server of the runs and registered models."
    )
    model_name: str = Field(
        default=REGISTERED_MODEL,
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,99}$",
        description="Name of the registered model and of the experiment in MLflow: one for each platform of a server.",
    )
    feed_url: str | None = Field(
        default=None,
        description="The feed: `http(s)://…`, `ckan+https://portal/dataset-id`, `file:///path`, `s3://bucket/key` or "
        "another URL that fsspec knows.",
    )
    feed_date_format: str = Field(
        default="dd/mm/yyyy", description="Date format of the feed, made of `dd`, `mm` and `yyyy`."
    )
    feed: Path | None = Field(
        default=None, description="Description of the feed, a YAML file; give this or the feed's URL (docs/feeds.md)."
    )
    feeds: Path | None = Field(default=None, description="Folder of the descriptions of several feeds, one file each.")
    exogenous_feed_url: str | None = Field(
        default=None,
        description="A second feed, of exogenous series such as a weather service; its failure never blocks a load.",
    )
    exogenous_feed_date_format: str = Field(default="dd/mm/yyyy", description="Date format of the second feed.")
    feed_timeout_seconds: float = Field(default=60.0, gt=0, description="Deadline of one fetch, retries included.")
    feed_max_bytes: int = Field(
        default=64 * 1024 * 1024, gt=0, description="Largest feed document that is accepted, in bytes."
    )
    max_refused_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Largest share of refused rows of a feed document, and of refused values of the requested "
        "days; above it, no features are built.",
    )
    data_dir: Path = Field(
        default=Path(".platform"),
        description="Data directory of the embedded platform, for commands and for `dagster dev` and the like.",
    )
    feed_archive: str | None = Field(
        default=None, description="Folder or object store URL where every loaded feed document is kept."
    )
    feed_archive_days: int = Field(
        default=400,
        ge=1,
        description="Days after its last load at which a kept document is deleted.",
    )
    prediction_log_days: int = Field(
        default=400, ge=1, description="Days after which the app's answers are deleted from `prediction_log`."
    )
    quarantine_days: int = Field(default=400, ge=1, description="Days after which a refused feed row is deleted.")
    alert_history_days: int = Field(
        default=400,
        ge=8,
        description="Days after which a resolved incident, its messages and an ended mute are deleted.",
    )
    run_log_days: int = Field(
        default=90, ge=1, description="Days after which the output of a run is deleted from this machine."
    )
    first_partition_date: date = Field(default=date(2018, 1, 1), description="First day of the daily partitions.")
    horizon_days: int = Field(default=15, ge=1, le=60, description="Days a forecast covers.")
    training_interval_days: int = Field(default=15, ge=1, description="Days between two trainings.")
    incident_training_days: int = Field(
        default=7,
        ge=0,
        description="Least days between two trainings for a lasting incident of bias or error; 0: no such trainings.",
    )
    training_anchor_date: date = Field(
        default=date(2018, 1, 1), description="Day of a training; the others follow by whole intervals."
    )
    load_look_back_days: int = Field(
        default=31, ge=1, description="Days that each daily load fetches again, for revisions."
    )
    retry_wait_seconds: float = Field(
        default=30.0,
        ge=0,
        description="Seconds before the first retry of a scheduled load that a service did not answer; before the "
        "second, four times as many.",
    )
    data_docs_dir: Path | None = Field(
        default=None, description="Folder for the Data Docs page of each load; without it, none is written."
    )
    holiday_country: str = Field(
        default="IE",
        description="ISO code of the country, or a part of one such as `GB-SCT`, whose public holidays are features.",
    )
    recipe: Path | None = Field(
        default=None,
        description="How models are trained: a TOML file in place of the default recipe (docs/reference/recipe.md).",
    )
    exogenous: list[dict[str, Any]] = Field(
        default=[],
        description="Exogenous series, which forecasts use and which are not forecast, as a JSON array of "
        "objects: `unique_id`, `known` (`at_cutoff`, `in_advance` or `by_target_day`) and others (docs/exogenous.md).",
    )
    lower_bounds: dict[str, FiniteFloat] = Field(
        default={},
        description="Lower bound of the forecasts per series, as JSON; 0 by default where the series was never "
        "negative.",
    )
    accepted_values: dict[str, list[str]] = Field(
        default={},
        description="Days whose values are correct although they look wrong, so that they are not held back: "
        "JSON, per series a list of `YYYY-MM-DD` or `YYYY-MM-DD..YYYY-MM-DD`.",
    )
    schedules_enabled: bool = Field(default=False, description="Start schedules switched on.")
    alert_urls: SecretStr | None = Field(
        default=None,
        description="Apprise URLs that receive alerts, separated by commas or spaces; `error+data=URL` receives "
        "some of them only.",
    )
    alertmanager_url: str | None = Field(
        default=None, description="Prometheus Alertmanager that receives alerts as well (API v2)."
    )
    heartbeat_url: SecretStr | None = Field(
        default=None,
        description="URL that each run of the alert sensor calls, of a service that pages when the calls stop.",
    )
    alert_pending_seconds: float = Field(
        default=30.0,
        ge=0,
        description="Seconds that an incident lasts before its first message; one that fails again is sent at once.",
    )
    alert_repeat_hours: float = Field(
        default=24.0, gt=0, description="Hours between two reminders of an incident that nobody has acknowledged."
    )
    false_pages_a_year: dict[str, float] = Field(
        default={},
        description="False pages a year that all series together may cause, per check, as JSON; `default` for the "
        "others (1).",
    )
    owners: dict[str, str] = Field(
        default={},
        description="Owner per asset, as JSON, who is named in its incidents: `team:name` or a mail address; `default` "
        "for the others.",
    )
    git_url: str | None = Field(
        default=None, description="Repository of this code, such as `https://github.com/you/it`, to which assets link."
    )
    git_revision: str = Field(default="main", description="Branch, tag or commit of that repository.")
    git_platform: Literal["github", "gitlab"] | None = Field(
        default=None, description="How that repository links to a line, where its URL does not show it."
    )
    runbooks_url: str = Field(
        default="docs/runbooks", description="URL or path of the runbooks, for the links in checks and messages."
    )

    @field_validator("owners")
    @classmethod
    def _are_owners(cls, owners: dict[str, str]) -> dict[str, str]:
        for asset, owner in owners.items():
            if not re.fullmatch(r"team:[A-Za-z0-9_.-]+|[^@\s]+@[^@\s]+\.[^@\s]+", owner):
                raise ValueError(f"the owner of {asset} is {owner!r}; write team:name, or a mail address")
        return owners

    @property
    def mounted_as(self) -> str:
        """Name of a platform that is mounted beside others; empty for the only one."""
        return self._mounted_as

    def runbook_url(self, name: str) -> str:
        """The page of a check, or of another kind of incident; the checks of several feeds share one.

        >>> Settings(runbooks_url="https://host/runbooks/").runbook_url("forecasts_beat_naive")
        'https://host/runbooks/forecasts_beat_naive.md'
        """
        return f"{self.runbooks_url.rstrip('/')}/{name.partition('__')[0]}.md"

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

    def require_mlflow_tracking_uri(self) -> str:
        """The tracking URI, or `ConfigurationError` saying which variable to set."""
        if not self.mlflow_tracking_uri:
            raise ConfigurationError("FORECASTING_MLFLOW_TRACKING_URI", "is not set; give the URL of an MLflow server")
        return self.mlflow_tracking_uri

    def false_pages_of(self, check_name: str) -> float:
        """How many false pages a year all series together may send by this check."""
        return self.false_pages_a_year.get(check_name, self.false_pages_a_year.get("default", 1.0))

    def require_feed_url(self) -> str:
        """The feed's URL, or `ConfigurationError` saying which variable to set."""
        if not self.feed_url:
            problem = "is not set; give the URL of the feed, or its description in FORECASTING_FEED"
            raise ConfigurationError("FORECASTING_FEED_URL", problem)
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
