"""The programs of a platform besides Postgres: command line, environment, and how each shows that it is ready.

When they start and stop is `platform`'s.
"""

import json
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from forecasting_platform.adapters.postgres.roles import APP, DAGSTER, MLFLOW, RUNS, Role
from forecasting_platform.errors import UnavailableError
from forecasting_platform.local.dagster_api import DagsterApi
from forecasting_platform.local.data_directory import OWNER_VARIABLE, DataDirectory
from forecasting_platform.local.processes import Program

HOST = "127.0.0.1"
SERVICES = ("dagster", "mlflow", "app", "postgres", "feed")
"""In the order of their ports, from the port base on."""
METASTORE = "metastore"
"""The service behind them, where tables are in Spark."""
SPARK_OF_ONE_MACHINE = {
    # To compile little and late: no query of a small machine runs long enough to repay it.
    "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.adaptive.enabled": "false",
}
"""`FORECASTING_SPARK_CONF`, where the caller gives none."""
EVENT_BATCH_SIZE = "1000"
PROBE_SECONDS = 2.0
ADJUSTED_DAGSTER = "forecasting_platform.orchestration.dagster_instance"

DAGSTER_INSTANCE = {
    **{
        f"{part}_storage": {
            "module": module,
            "class": name,
            "config": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}},
        }
        for part, module, name in (
            ("run", "dagster_postgres.run_storage", "PostgresRunStorage"),
            (
                "event_log",
                f"{ADJUSTED_DAGSTER}.event_storage",
                "BulkPostgresEventLogStorage",
            ),
            ("schedule", "dagster_postgres.schedule_storage", "PostgresScheduleStorage"),
        )
    },
    "run_launcher": {
        "module": f"{ADJUSTED_DAGSTER}.run_launcher",
        "class": "WatchedRunLauncher",
    },
    # It launches a run at once, where the queued one looks every few seconds. Nothing here needs that
    # one's limits: writes are idempotent and fenced.
    "run_coordinator": {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"},
    # A run whose worker is gone, or never came, fails this soon, and is retried.
    "run_monitoring": {
        "enabled": True,
        "poll_interval_seconds": 15,
        "start_timeout_seconds": 120,
        "max_runtime_seconds": 6 * 3600,
    },
    "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False},
    # What the adapters log, such as a feed that is asked again, is shown in the run's own log.
    "python_logs": {"managed_python_loggers": ["forecasting_platform"], "python_log_level": "INFO"},
    "retention": {
        "schedule": {"purge_after_days": 90},
        "sensor": {"purge_after_days": {"skipped": 1, "failure": 30, "success": -1}},
    },
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
}
"""`dagster.yaml`. Logs of runs and artifacts go below `DAGSTER_HOME` by themselves."""


@dataclass(frozen=True, slots=True)
class Entrypoints:
    """What is served; tests put stand-ins here.

    Attributes:
        app: a module that serves when it is run, where `FORECASTING_APP_PORT` says.
    """

    definitions: str = "forecasting_platform.definitions"
    app: str = "serve"
    feed: str = "forecasting_platform.adapters.feeds.simulated_feed:create_app()"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything listens: five ports of this machine, or six, counted from a base."""

    port_base: int

    def port(self, service: str) -> int:
        """The port of one of `SERVICES`, or of `METASTORE`.

        >>> Addresses(3000).port("postgres")
        3003
        """
        return self.port_base + (*SERVICES, METASTORE).index(service)

    def url(self, service: str) -> str:
        """The URL of one of `SERVICES`.

        >>> Addresses(3000).url("mlflow")
        'http://127.0.0.1:3001'
        """
        return f"http://{HOST}:{self.port(service)}"


def platform_environment(
    directory: DataDirectory,
    addresses: Addresses,
    *,
    feed_url: str,
    live: bool,
    caller: Mapping[str, str],
    settings: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """The environment of every process of the platform: the caller's, without what would lead it elsewhere.

    Databases are not in it: each process is told those that it uses.

    Args:
        settings: further fields of `Settings`, JSON-ready.
    """
    elsewhere = (
        *("PG", "MLFLOW_", "DAGSTER_", "PYTHONDONTWRITEBYTECODE"),
        *("FORECASTING_POSTGRES_DSN", "FORECASTING_POSTGRES_PASSWORD"),
        *(f"FORECASTING_{service}_ROLE_PASSWORD" for service in ("DAGSTER", "MLFLOW", "RUNS", "APP")),
    )
    kept = {name: value for name, value in caller.items() if not name.startswith(elsewhere)}
    return kept | {
        "PYTHONUNBUFFERED": "1",
        OWNER_VARIABLE: str(directory.path),
        # Servers of this machine are not reached through a proxy.
        **{name: ",".join(filter(None, [caller.get(name), HOST, "localhost"])) for name in ("NO_PROXY", "no_proxy")},
        "DAGSTER_HOME": str(directory.path / "dagster"),
        "DAGSTER_EVENT_BATCH_SIZE": EVENT_BATCH_SIZE,
        "MLFLOW_TRACKING_URI": addresses.url("mlflow"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "FORECASTING_MLFLOW_TRACKING_URI": addresses.url("mlflow"),
        "FORECASTING_FEED_URL": feed_url,
        "FORECASTING_FEED_ARCHIVE": caller.get("FORECASTING_FEED_ARCHIVE", str(directory.path / "feed-archive")),
        "FORECASTING_APP_HOST": HOST,
        "FORECASTING_APP_PORT": str(addresses.port("app")),
        "FORECASTING_MODEL_CACHE_DIR": str(directory.path / "app"),
        "FORECASTING_DATA_DOCS_DIR": str(directory.path / "data-docs"),
        "FORECASTING_SCHEDULES_ENABLED": "true" if live else "false",
        **{
            f"FORECASTING_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in (settings or {}).items()
        },
    }


def weather_settings(addresses: Addresses) -> dict[str, Any]:
    """Settings of a platform that loads the simulated weather beside its feed, and trains with it."""
    return {
        "exogenous_feed_url": f"{addresses.url('feed')}/weather",
        "exogenous": [
            {"unique_id": "Temperature", "known": "at_cutoff"},
            {"unique_id": "Temperature +{step}", "known": "in_advance"},
        ],
    }


def spark_settings(directory: DataDirectory, addresses: Addresses) -> dict[str, Any]:
    """Settings of a platform whose tables are in Spark, and whose models are trained there."""
    return {
        "spark_conf": SPARK_OF_ONE_MACHINE,
        "table_store": "spark",
        "trainer": "spark",
        "spark_warehouse_dir": str(directory.spark / "tables"),
        "spark_metastore_uri": f"thrift://{HOST}:{addresses.port(METASTORE)}",
    }


def dagster_store(database_url: str) -> dict[str, str]:
    """The environment that names Dagster's database."""
    return {"DAGSTER_POSTGRES_URL": _with_driver(database_url)}


def mlflow_store(database_url: str) -> dict[str, str]:
    """The environment that names MLflow's database."""
    return {"MLFLOW_BACKEND_STORE_URI": _with_driver(database_url)}


def forecasting_store(database_url: str) -> dict[str, str]:
    """The environment that names our own database."""
    return {"FORECASTING_POSTGRES_DSN": database_url}


def _with_driver(database_url: str) -> str:
    # SQLAlchemy's default differs between releases.
    return database_url.replace("postgresql://", "postgresql+psycopg2://")


def mlflow_hosts(names: str) -> str:
    """MLflow's option `--allowed-hosts` for this machine's names and those of `FORECASTING_ALLOWED_HOSTS`.

    By default MLflow takes any name that begins like a private address, such as 10.somebody.example.

    >>> mlflow_hosts("mlflow.example.org, 10.1.2.3:3001")
    '127.0.0.1:*,localhost:*,mlflow.example.org,mlflow.example.org:*,10.1.2.3:3001'
    """
    hosts = [f"{HOST}:*", "localhost:*"]
    for name in filter(None, (name.strip() for name in names.split(","))):
        hosts += [name] if ":" in name else [name, f"{name}:*"]
    return ",".join(hosts)


def write_instance(dagster_home: Path) -> None:
    """Write Dagster's instance settings."""
    dagster_home.mkdir(exist_ok=True)
    (dagster_home / "dagster.yaml").write_text(json.dumps(DAGSTER_INSTANCE, indent=2), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Programs:
    """Makes the programs of one platform.

    Attributes:
        environment: see `platform_environment`.
        dsn: of a role.
        code_socket: where Dagster's code server listens; a file, since nobody else needs it.
    """

    directory: DataDirectory
    addresses: Addresses
    environment: Mapping[str, str]
    dsn: Callable[[Role], str]
    entrypoints: Entrypoints
    code_socket: Path

    def mlflow(self) -> Program:
        """The MLflow server, which keeps artifacts below the data directory and hands them out itself."""
        settings = {**mlflow_store(self.dsn(MLFLOW)), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        hosts = mlflow_hosts(self.environment.get("FORECASTING_ALLOWED_HOSTS", ""))
        options = ["--workers", "1", "--artifacts-destination", str(self.directory.path / "mlflow")]
        options += ["--allowed-hosts", hosts]
        return self._program(
            "MLflow",
            ["mlflow", "server", "--host", HOST, "--port", str(self.addresses.port("mlflow")), *options],
            lambda: _answers(f"{self.addresses.url('mlflow')}/health"),
            settings,
        )

    def metastore(self) -> Program:
        """The Hive metastore, which says to every process where Spark's tables are."""
        port = self.addresses.port(METASTORE)
        options = ["--port", str(port), "--directory", str(self.directory.spark / "metastore")]
        return self._program(
            "the Hive metastore",
            ["forecasting_platform.adapters.spark.hive_metastore", *options],
            lambda: _listens(port),
        )

    def code_server(self) -> Program:
        """Dagster's code server, which holds the definitions and starts runs for all of Dagster."""
        options = ["--socket", str(self.code_socket), "--module-name", self.entrypoints.definitions]
        return self._program(
            "Dagster's code server",
            [
                f"{ADJUSTED_DAGSTER}.code_server",
                *options,
                "--empty-working-directory",
                "--use-python-environment-entry-point",
            ],
            self.code_socket.exists,
            self._stores_of_dagster,
        )

    def web_server(self, api: DagsterApi) -> Program:
        """Dagster's web server; ready when it knows the definitions."""
        options = ["--host", HOST, "--port", str(self.addresses.port("dagster"))]
        return self._program(
            "Dagster's web server",
            [
                f"{ADJUSTED_DAGSTER}.webserver",
                *options,
                "--workspace",
                str(self._workspace),
            ],
            lambda: _knows_definitions(api),
            self._stores_of_dagster,
        )

    def daemon(self, api: DagsterApi) -> Program:
        """Dagster's daemon: backfills, schedules, sensors."""
        return self._program(
            "Dagster's daemon",
            [f"{ADJUSTED_DAGSTER}.daemon", "run", "--workspace", str(self._workspace)],
            lambda: _daemons_are_healthy(api),
            self._stores_of_dagster,
        )

    def app(self) -> Program:
        """The app that answers `/predict`; ready when it lives, which may be before there is a champion."""
        url = f"{self.addresses.url('app')}/health"
        return self._program("the app", [self.entrypoints.app], lambda: _answers(url), forecasting_store(self.dsn(APP)))

    def feed(self) -> Program:
        """The simulated feed."""
        bind = f"{HOST}:{self.addresses.port('feed')}"
        return self._program(
            "the simulated feed",
            [
                "gunicorn",
                "--workers",
                "1",
                "--threads",
                "4",
                "--no-control-socket",
                "--bind",
                bind,
                self.entrypoints.feed,
            ],
            lambda: _answers(f"{self.addresses.url('feed')}/"),
        )

    def write_dagster_home(self) -> None:
        """Write Dagster's instance settings and the workspace that names our one code server."""
        server = {"socket": str(self.code_socket), "location_name": self.entrypoints.definitions}
        self._workspace.parent.mkdir(exist_ok=True)
        # JSON is YAML.
        self._workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}, indent=2), encoding="utf-8")
        write_instance(self._workspace.parent)

    @property
    def _stores_of_dagster(self) -> dict[str, str]:
        return {**dagster_store(self.dsn(DAGSTER)), **forecasting_store(self.dsn(RUNS))}

    @property
    def _workspace(self) -> Path:
        return self.directory.path / "dagster" / "workspace.yaml"

    def _program(
        self,
        name: str,
        module: list[str],
        is_ready: Callable[[], bool],
        settings: Mapping[str, str] | None = None,
    ) -> Program:
        file_name = "-".join(name.replace("'s", "").replace("the ", "").lower().split())
        return Program(
            name=name,
            argv=[sys.executable, "-m", *module],
            environment={**self.environment, **(settings or {})},
            log_file=self.directory.logs / f"{file_name}.log",
            is_ready=is_ready,
            directory=self.directory.path,
        )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(PROBE_SECONDS)
        return probe.connect_ex((HOST, port)) == 0


def _answers(url: str) -> bool:
    """Whether something that is not broken answers there; a path it does not know is an answer too."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, timeout=PROBE_SECONDS).status_code < 500
    except requests.RequestException:
        return False


def _knows_definitions(api: DagsterApi) -> bool:
    try:
        problem = api.location_problem()
        if problem is None:
            return True
        # It looked before the code server was there, and looks again only when told.
        if "is loading" not in problem:
            api.reload_location()
    except UnavailableError:
        return False
    return False


def _daemons_are_healthy(api: DagsterApi) -> bool:
    try:
        return not api.unhealthy_daemons()
    except UnavailableError:
        return False
