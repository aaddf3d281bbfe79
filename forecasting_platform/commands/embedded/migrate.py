"""`migrate`: upgrades the databases of an earlier release to this one, and makes the logins of the services."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
from psycopg.conninfo import conninfo_to_dict

from forecasting_platform.adapters.postgres.roles import APP, DAGSTER, MLFLOW, RUNS, make_roles
from forecasting_platform.commands.terminal.options import data_dir_option, json_option
from forecasting_platform.commands.terminal.output import print_rows
from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.environment import forecasting_store
from forecasting_platform.local.migrations import Migrated, migrate_databases, record_releases
from forecasting_platform.local.stopped_platform import stopped_platform
from forecasting_platform.settings import Settings


@click.command(epilog="Example: forecasting-platform migrate --data-dir .platform")
@data_dir_option
@json_option
def migrate(data_dir: Path, as_json: bool) -> None:
    """Upgrade the databases of an earlier release to this one: ours, then Dagster's and MLflow's."""
    done = migrate_platform(data_dir)
    print_rows([{"database": each.part, "from": each.before, "to": each.after} for each in done], as_json=as_json)


def migrate_platform(data_dir: Path) -> list[Migrated]:
    """Upgrade the databases of a data directory; where there is none, those that the environment names.

    Raises:
        PlatformStateError: neither is there, or a platform runs in the directory.
        MigrationError: a database could not be upgraded.
        ConfigurationError: whoever connects may not make the roles.
    """
    if (data_dir / "postgres").exists():
        if DataDirectory(data_dir).supervisor() is not None:
            raise PlatformStateError(
                f"a platform runs in {data_dir}; it upgraded its databases when it started. To do it again, stop it "
                f"first: `forecasting-platform down --data-dir {data_dir}`"
            )
        with stopped_platform(data_dir) as platform:
            done = list(migrate_databases(platform.environment))
            record_releases(platform.path)
            return done
    done = list(_migrate_named_databases(Settings()))
    if not done:
        raise PlatformStateError(
            f"{data_dir} holds no platform, and none of FORECASTING_POSTGRES_DSN, DAGSTER_HOME and "
            f"MLFLOW_BACKEND_STORE_URI is set; set one, or name a directory with --data-dir"
        )
    return done


def _migrate_named_databases(settings: Settings) -> Iterator[Migrated]:
    """Make the roles that have passwords, then upgrade the databases that the environment names."""
    environment, passwords = dict(os.environ), {}
    if settings.postgres_dsn is not None:
        dsn = settings.require_postgres_dsn()
        ours = str(conninfo_to_dict(dsn)["dbname"])
        chosen = {
            DAGSTER: settings.dagster_role_password,
            MLFLOW: settings.mlflow_role_password,
            replace(RUNS, database=ours): settings.runs_role_password,
            replace(APP, database=ours): settings.app_role_password,
        }
        passwords = {role: password.get_secret_value() for role, password in chosen.items() if password}
        make_roles(dsn, passwords)
        environment |= forecasting_store(dsn)
    yield from migrate_databases(environment, {role.name: password for role, password in passwords.items()})
