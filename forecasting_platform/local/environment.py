"""The configuration of a platform's processes: addresses, environment variables, Dagster's instance settings.

`programs` starts the processes.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.data_directory import OWNER_VARIABLE, DataDirectory

HOST = "127.0.0.1"
SERVICES = ("dagster", "mlflow", "app", "postgres", "feed")
"""In the order of their ports, from the port base on."""
STORES = ("mlflow", "postgres", "feed")
"""Those that a Dagster needs which somebody else starts."""
SPARK = "spark"
"""The service behind them, where tables are in Spark."""
SPARK_OF_ONE_MACHINE = {
    # To compile little and late: no query of a small machine runs long enough to repay it.
    "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.adaptive.enabled": "false",
}
"""`FORECASTING_SPARK_CONF`, where the caller gives none."""
EVENT_BATCH_SIZE = "1000"
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
class Addresses:
    """The ports of all parts on this machine, five or six, counted from a base."""

    port_base: int

    def port(self, service: str) -> int:
        """The port of one of `SERVICES`, or of `SPARK`.

        >>> Addresses(3000).port("postgres")
        3003
        """
        return self.port_base + (*SERVICES, SPARK).index(service)

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
        *("FORECASTING_POSTGRES_DSN", "FORECASTING_POSTGRES_PASSWORD", "FORECASTING_POSTGRES_SCHEMA"),
        *(f"FORECASTING_{service}_ROLE_PASSWORD" for service in ("DAGSTER", "MLFLOW", "RUNS", "APP")),
    )
    kept = {name: value for name, value in caller.items() if not name.startswith(elsewhere)}
    # Named from where the caller is: the processes are elsewhere.
    recipe = caller.get("FORECASTING_RECIPE")
    kept |= {"FORECASTING_RECIPE": str(Path(recipe).absolute())} if recipe else {}
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
    """Settings of a platform that also loads the simulated weather, and trains with it."""
    return {
        "exogenous_feed_url": f"{addresses.url('feed')}/weather",
        "exogenous": [
            {"unique_id": "Temperature", "known": "at_cutoff"},
            {"unique_id": "Temperature +{step}", "known": "in_advance"},
        ],
    }


def spark_settings(directory: DataDirectory, remote: str) -> dict[str, Any]:
    """Settings of a platform whose tables are in Spark, and whose models are trained there.

    Args:
        remote: address of its Spark Connect server.
    """
    return {
        "spark_conf": SPARK_OF_ONE_MACHINE,
        "table_store": "spark",
        "engine": "spark",
        "spark_warehouse_dir": str(directory.spark / "tables"),
        "spark_remote": remote,
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


def write_instance(dagster_home: Path) -> None:
    """Write Dagster's instance settings."""
    dagster_home.mkdir(exist_ok=True)
    (dagster_home / "dagster.yaml").write_text(json.dumps(DAGSTER_INSTANCE, indent=2), encoding="utf-8")


BLOCKED_PORTS = frozenset(
    {
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109),
        *(110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530),
        *(531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045),
        *(4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
    }
)
"""Ports to which browsers send no request (Fetch standard, "port blocking")."""


def blocked_ports(addresses: Addresses) -> dict[int, str]:
    """The ports of pages that no browser would show, with the page's service.

    >>> blocked_ports(Addresses(5999)), blocked_ports(Addresses(3000))
    ({6000: 'mlflow'}, {})
    """
    pages = {addresses.port(service): service for service in SERVICES if service != "postgres"}
    return {port: service for port, service in pages.items() if port in BLOCKED_PORTS}


def free_ports(addresses: Addresses, services: Sequence[str]) -> bool:
    """Whether nobody listens where these services would."""
    return all(_is_free(addresses.port(service)) for service in services)


def require_free_ports(ports: Mapping[int, str]) -> None:
    """Raise `PlatformStateError` naming every port of this machine that is taken, and what it is for."""
    if taken := [f"{port} ({service})" for port, service in ports.items() if not _is_free(port)]:
        raise PlatformStateError(
            f"taken on {HOST}: port {', '.join(taken)}. Stop what listens there, or give other ports: --port-base N "
            f"({len(SERVICES)} from N on are used, {len(SERVICES) + 1} with tables in Spark)."
        )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connection is only fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
