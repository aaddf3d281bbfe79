"""Databases of earlier releases of Dagster and MLflow, filled by these releases, then brought up by `migrate`.

`make bench NAME=upgrade`: each pair of releases gets an environment of its own and empty databases, writes runs,
materialized days, a check, model versions, aliases and metrics (`upgrade_data`), and the installed releases must find
all of it after `migrate`, and write more.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import mlflow
import psycopg

from benchmarks import upgrade_data
from benchmarks.environments import python_with
from benchmarks.local_server import free_ports, open_directory
from benchmarks.results_file import Aim, report
from forecasting_platform.local.environment import write_instance
from forecasting_platform.local.migrations import migrate_databases
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres

RELEASES = (("1.8.13", "2.19.0"), ("1.10.21", "2.22.5"), ("1.12.22", "3.5.1"))
"""Of Dagster and MLflow: some of the last two years."""
DATABASES = ("dagster", "mlflow", "forecasting")
OLD_INSTANCE = {
    "storage": {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}},
    "telemetry": {"enabled": False},
}


def old_python(dagster: str, mlflow_release: str) -> Path:
    """The interpreter of an environment with these releases, made if it is not there."""
    wanted = [
        f"dagster=={dagster}",
        "dagster-postgres",
        f"mlflow=={mlflow_release}",
        "setuptools<81",
        "sqlalchemy==2.0.40",
    ]
    return python_with(f"dagster-{dagster}-mlflow-{mlflow_release}", wanted)


def filled(python: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """What the earlier releases wrote."""
    script = str(Path(upgrade_data.__file__))
    done = subprocess.run(
        [python, "-W", "ignore", script], env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"the earlier releases wrote nothing: {done.stderr.strip().splitlines()[-5:]}")
    written: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return written


def differences(written: dict[str, Any], environment: Mapping[str, str]) -> Iterator[str]:
    """What the installed releases do not find, or cannot do, after the migration."""
    os.environ.update(environment)
    with dg.DagsterInstance.get() as instance:
        if sorted(instance.get_materialized_partitions(dg.AssetKey("raw_observations"))) != written["dagster"]["days"]:
            yield "materialized days"
        if {run.run_id: run.status.value for run in instance.get_runs()} != written["dagster"]["runs"]:
            yield "runs"
        check = dg.AssetCheckKey(dg.AssetKey("raw_observations"), "is_checked")
        found = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])
        if check not in found or found[check].status.value != "FAILED":
            yield "the check's result"
        assets = [upgrade_data.raw_observations, upgrade_data.is_checked]
        if not dg.materialize(assets, instance=instance, tags=upgrade_data.PARTITION_OF_RANGE).success:
            yield "a run after it"
    mlflow.set_tracking_uri(environment["MLFLOW_TRACKING_URI"])
    client, told = mlflow.MlflowClient(), written["mlflow"]
    for alias in ("champion", "previous"):
        version = client.get_model_version_by_alias(upgrade_data.MODEL, alias)
        if str(version.version) != told[alias] or version.tags["cutoff"] != "2023-06-30":
            yield f"alias {alias}"
        if client.get_run(version.run_id).data.metrics != {"rmse": told["rmse"][told[alias]]}:
            yield f"metrics of {alias}"
    with mlflow.start_run() as run:
        mlflow.log_metric("rmse", 1.0)
    client.create_model_version(upgrade_data.MODEL, source=f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
    client.set_registered_model_alias(upgrade_data.MODEL, "champion", "3")
    if client.get_model_version_by_alias(upgrade_data.MODEL, "champion").run_id != run.info.run_id:
        yield "a version after it"


def revision(dsn: str) -> str:
    """Of a database's schema, as Alembic notes it."""
    with psycopg.connect(dsn) as connection:
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("none",)
    return str(found)


def upgraded(dagster: str, mlflow_release: str) -> dict[str, Any]:
    """One pair of releases, from empty databases to the installed releases at work on them."""
    python = old_python(dagster, mlflow_release)
    with open_directory() as directory:
        postgres = EmbeddedPostgres(directory, free_ports(1), log_file=directory / "postgres.log")
        with postgres:
            for name in DATABASES:
                postgres.create_database(name)
            home = directory / "dagster"
            home.mkdir()
            (home / "dagster.yaml").write_text(json.dumps(OLD_INSTANCE), encoding="utf-8")
            store = postgres.dsn("mlflow").replace("postgresql://", "postgresql+psycopg2://")
            environment = {
                "PATH": os.environ["PATH"],
                "HOME": str(directory),
                "DAGSTER_HOME": str(home),
                "DAGSTER_POSTGRES_URL": postgres.dsn("dagster").replace("postgresql://", "postgresql+psycopg2://"),
                "MLFLOW_TRACKING_URI": store,
                "MLFLOW_BACKEND_STORE_URI": store,
                "FORECASTING_POSTGRES_DSN": postgres.dsn("forecasting"),
            }
            written = filled(python, environment)
            before = {name: revision(postgres.dsn(name)) for name in ("dagster", "mlflow")}
            # The instance of the platform, with its own event storage.
            write_instance(home)
            list(migrate_databases(environment))
            return {
                "Dagster": dagster,
                "MLflow": mlflow_release,
                **{f"{name}'s revision": f"{was} -> {revision(postgres.dsn(name))}" for name, was in before.items()},
                "days": len(written["dagster"]["days"]),
                "lost": ", ".join(differences(written, environment)) or "nothing",
            }


def main() -> None:
    """Run and report."""
    rows = [upgraded(*pair) for pair in RELEASES]
    lost = sum(row["lost"] != "nothing" for row in rows)
    report("upgrade", rows, [Aim("pairs of earlier releases of which something is lost", lost, "== 0", lost == 0)])


if __name__ == "__main__":
    main()
