"""Upgrades the databases of earlier releases to the installed ones: ours, then Dagster's and MLflow's.

`adapters.postgres.migrations` upgrades ours; the other two have programs of their own.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from forecasting_platform.adapters.postgres.migrations import MigrationError
from forecasting_platform.adapters.postgres.schema import HEAD_REVISION
from forecasting_platform.settings import SCHEMA

RELEASES_FILE = "releases.json"
"""File in the data directory: the releases that its databases were last used with."""

DAGSTER_VARIABLE, MLFLOW_VARIABLE = "DAGSTER_HOME", "MLFLOW_BACKEND_STORE_URI"


@dataclass(frozen=True, slots=True)
class Migrated:
    """One database, now of release `after`; `before` is None where it was empty or its release is not known."""

    part: str
    before: str | None
    after: str


def installed_releases() -> dict[str, str]:
    """The revision or release that each database must have."""
    return {"forecasting": HEAD_REVISION, "dagster": version("dagster"), "mlflow": version("mlflow")}


def is_up_to_date(directory: Path) -> bool:
    """Whether the databases of a data directory were last used with what is installed now."""
    try:
        used: object = json.loads((directory / RELEASES_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    return used == installed_releases()


def record_releases(directory: Path, releases: Mapping[str, str] | None = None) -> None:
    """Record the releases of a data directory's databases: by default the installed ones."""
    unfinished = directory / f".{RELEASES_FILE}"
    unfinished.write_text(json.dumps(dict(releases or installed_releases())), encoding="utf-8")
    unfinished.replace(directory / RELEASES_FILE)


def migrate_databases(environment: Mapping[str, str], passwords: Mapping[str, str] | None = None) -> Iterator[Migrated]:
    """Upgrade every database that the environment names, one after the other, ours first.

    Args:
        environment: with any of `FORECASTING_POSTGRES_DSN`, `DAGSTER_HOME` and `MLFLOW_BACKEND_STORE_URI`.
        passwords: of `dagster` and `mlflow`, where their URLs hold none.

    Raises:
        MigrationError: one could not be upgraded. Ours is then unchanged; those before it are done.
    """
    from forecasting_platform.adapters.postgres.migrations import migrate_schema

    if dsn := environment.get("FORECASTING_POSTGRES_DSN"):
        done = migrate_schema(dsn, environment.get("FORECASTING_POSTGRES_SCHEMA") or SCHEMA)
        yield Migrated("forecasting", done.before, done.after)
    for variable, part, migrate in (
        (DAGSTER_VARIABLE, "dagster", _migrate_dagster),
        (MLFLOW_VARIABLE, "mlflow", _migrate_mlflow),
    ):
        if variable in environment:
            password = (passwords or {}).get(part)
            migrate(environment if password is None else {**environment, "PGPASSWORD": password})
            yield Migrated(part, None, version(part))


def _migrate_dagster(environment: Mapping[str, str]) -> None:
    # Its command first describes the run launcher, which on AWS asks for a right that a migration does without.
    _run(
        "dagster",
        ["-c", "import dagster\nwith dagster.DagsterInstance.get() as found: found.upgrade(print)"],
        environment,
    )


def _migrate_mlflow(environment: Mapping[str, str]) -> None:
    # Its command wants the URL, and with it the password, as a word that everybody on the machine can read.
    program = f"import os, mlflow.db; mlflow.db.upgrade.callback(os.environ[{MLFLOW_VARIABLE!r}])"
    _run("mlflow", ["-c", program], environment)


def _run(part: str, words: list[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run([sys.executable, *words], env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "it printed no message").splitlines()[-1]
        raise MigrationError(f"{version(part)} of {part}", last)


Progress = Callable[[str], None]


def migrate_directory(directory: Path, environment: Mapping[str, str], progress: Progress) -> None:
    """Upgrade a data directory's databases where they were last used with other releases."""
    if is_up_to_date(directory):
        return
    for done in migrate_databases(environment):
        progress(f"the database of {done.part} fits {done.after}")
    record_releases(directory)
