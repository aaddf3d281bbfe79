"""Dagster's instance, which finds its stores where none are named, so that Dagster's own commands work at once.

`dagster.yaml` names this class. Where `DAGSTER_POSTGRES_URL` is set, the stores are there. Otherwise a command that
only looks (`dg check defs`) gets a store of the moment; `dagster dev` and commands that run something join the platform
in the data directory, or start Postgres, MLflow and the simulated feed there and stop them when they end.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml
from dagster import DagsterInstance
from dagster._core.instance import InstanceRef
from dagster._core.instance.config import is_dagster_home_set
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._serdes import ConfigurableClassData

from forecasting_platform.errors import ForecastingPlatformError
from forecasting_platform.local.environment import DAGSTER_INSTANCE
from forecasting_platform.settings import Settings

DATABASE = "DAGSTER_POSTGRES_URL"
LOOKING = frozenset({"check", "list", "validate"})
"""Words of the commands that load the definitions and run nothing."""
Defaults = Mapping[str, ConfigurableClassData | None]


class PlatformInstance(DagsterInstance):
    """`DagsterInstance` with stores in Postgres: see the module."""

    @classmethod
    def config_schema(cls) -> dict[str, Any]:
        """It has no settings of its own in `dagster.yaml`."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Defaults:
        """The parts that `dagster.yaml` does not name; called once, by the process that reads that file.

        Raises:
            click.ClickException: the stores are not named, and cannot be found or started.
        """
        if os.environ.get(DATABASE):
            return {**InstanceRef.config_defaults(base_dir), **_in_postgres()}
        command = _command()
        if LOOKING & set(command):
            return InstanceRef.config_defaults(base_dir)
        if is_dagster_home_set():
            raise click.ClickException(f"{DATABASE} is not set; give Dagster's database (postgresql+psycopg2://…)")
        home = _join_or_start(is_web_server=command[-1:] == ["dev"])
        return {**InstanceRef.config_defaults(str(home)), **_in_postgres()}

    def get_required_daemon_types(self) -> Sequence[str]:
        """Beside a platform's own daemon, one that starts what this Dagster queues, and nothing twice."""
        from forecasting_platform.local.dagster_stores import JOINED_VARIABLE

        if os.environ.get(JOINED_VARIABLE):
            return [QueuedRunCoordinatorDaemon.daemon_type()]
        return super().get_required_daemon_types()


def _command() -> list[str]:
    """The words of the command that runs, such as `dg check defs`; empty outside Dagster's command line."""
    context = click.get_current_context(silent=True)
    return context.command_path.split() if context else []


def _join_or_start(*, is_web_server: bool) -> Path:
    """Make this process and its children use the embedded stores; where Dagster keeps its files there."""
    from forecasting_platform.local.dagster_stores import join_or_start

    def progress(line: str) -> None:
        click.echo(line, err=True)

    try:
        environment = join_or_start(Settings(), progress, is_web_server=is_web_server)
    except ForecastingPlatformError as error:
        raise click.ClickException(str(error)) from error
    home = Path(environment["DAGSTER_HOME"])
    # Dagster keeps its home of the moment: this one's settings are of another Dagster.
    os.environ.update({name: value for name, value in environment.items() if name != "DAGSTER_HOME"})
    for name in os.environ.keys() - environment.keys():
        if name.startswith(("PG", "MLFLOW_")):
            del os.environ[name]
    return home


def _in_postgres() -> Defaults:
    """The stores as `up` has them. The address stays a variable: Dagster passes this on in command lines."""
    parts = {
        name: _class_data(DAGSTER_INSTANCE[name]) for name in ("run_storage", "event_log_storage", "schedule_storage")
    }
    together = {
        name: {"module_name": part.module_name, "class_name": part.class_name, "config_yaml": part.config_yaml}
        for name, part in parts.items()
    }
    composite = ("dagster._core.storage.legacy_storage", "CompositeStorage", yaml.dump(together))
    return {**parts, "storage": ConfigurableClassData(*composite)}


def _class_data(part: Any) -> ConfigurableClassData:
    return ConfigurableClassData(part["module"], part["class"], yaml.dump(part["config"]))
