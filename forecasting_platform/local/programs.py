"""The programs of a platform besides Postgres: the command line of each, and when it is ready.

`environment` configures them; `platform` starts and stops them.
"""

import json
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from forecasting_platform.adapters.postgres.roles import APP, DAGSTER, MLFLOW, RUNS, Role
from forecasting_platform.errors import UnavailableError
from forecasting_platform.local.dagster.api import DagsterApi
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.environment import (
    ADJUSTED_DAGSTER,
    HOST,
    SPARK,
    Addresses,
    dagster_store,
    forecasting_store,
    mlflow_store,
    write_instance,
)
from forecasting_platform.local.processes import Program

PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Entrypoints:
    """The programs that serve; tests replace them.

    Attributes:
        app: a module that serves when it is run, where `FORECASTING_APP_PORT` says.
    """

    definitions: str = "forecasting_platform.definitions"
    app: str = "serve"
    feed: str = "forecasting_platform.adapters.feeds.simulated_feed:create_app()"


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

    def spark(self) -> Program:
        """The Spark Connect server, which all other processes share."""
        return self._program(
            "Spark",
            ["forecasting_platform.adapters.spark.connect_server", "--directory", str(self.directory.spark)],
            lambda: _listens(self.addresses.port(SPARK)),
        )

    def code_server(self) -> Program:
        """Dagster's code server, which loads the definitions and starts runs."""
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
        """Dagster's web server; ready when it has loaded the definitions."""
        options = ["--host", HOST, "--port", str(self.addresses.port("dagster"))]
        return self._program(
            "Dagster's web server",
            [f"{ADJUSTED_DAGSTER}.webserver", *options, "--workspace", str(self._workspace)],
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
        """The app that answers `/predict`; ready when it is alive, which may be before there is a champion."""
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
    def dagster_environment(self) -> dict[str, str]:
        """The environment of Dagster's processes."""
        return {**self.environment, **self._stores_of_dagster}

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
    """Whether the URL answers without a server error; an unknown path is an answer too."""
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
