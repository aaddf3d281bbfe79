"""`migrate`: databases of an earlier release, brought up to this one."""

import os
from pathlib import Path

from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.migrations import Migrated, migrate_databases, record_releases
from forecasting_platform.local.stopped_platform import stopped_platform


def migrate_platform(data_dir: Path) -> list[Migrated]:
    """Bring up the databases of a data directory; where there is none, those that the environment names.

    Raises:
        PlatformStateError: neither is there, or a platform runs in the directory.
        MigrationError: a database could not be brought up.
    """
    if (data_dir / "postgres").exists():
        _require_stopped(data_dir)
        with stopped_platform(data_dir) as platform:
            done = list(migrate_databases(platform.environment))
            record_releases(platform.path)
            return done
    done = list(migrate_databases(os.environ))
    if not done:
        raise PlatformStateError(
            f"{data_dir} holds no platform, and none of FORECASTING_POSTGRES_DSN, DAGSTER_HOME and "
            f"MLFLOW_BACKEND_STORE_URI is set; name what to bring up"
        )
    return done


def _require_stopped(data_dir: Path) -> None:
    if DataDirectory(data_dir).supervisor() is not None:
        raise PlatformStateError(
            f"a platform runs in {data_dir}, brought up when it started. To do it again, stop that platform first: "
            f"`forecasting-platform down --data-dir {data_dir}`"
        )
