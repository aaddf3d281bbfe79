"""Databases of earlier releases: which are brought up, when, and what is said of one that cannot be."""

import os
import shutil
import sqlite3
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from forecasting_platform.adapters.postgres.migrations import MigrationError
from forecasting_platform.adapters.postgres.schema import HEAD_REVISION
from forecasting_platform.cli import main
from forecasting_platform.commands.embedded.migrate import migrate_platform
from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.migrations import (
    Migrated,
    installed_releases,
    is_up_to_date,
    migrate_databases,
    migrate_directory,
    record_releases,
)
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform.local.stopped_platform import stopped_platform

ROOT = Path(__file__).parents[2]


def test_a_directory_is_migrated_when_its_data_were_last_used_with_other_releases(tmp_path: Path) -> None:
    said: list[str] = []
    assert not is_up_to_date(tmp_path)
    migrate_directory(tmp_path, {}, said.append)
    assert is_up_to_date(tmp_path)
    record_releases(tmp_path, installed_releases() | {"mlflow": "1.0"})
    assert not is_up_to_date(tmp_path)


def test_nothing_to_migrate_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FORECASTING_POSTGRES_DSN", "DAGSTER_HOME", "MLFLOW_BACKEND_STORE_URI"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(PlatformStateError, match=r"holds no platform, and none of .* is set"):
        migrate_platform(tmp_path)


@pytest.mark.slow
def test_migrate_brings_up_the_schema_that_the_environment_names(postgres_dsn: str, tmp_path: Path) -> None:
    environment = {"FORECASTING_POSTGRES_DSN": postgres_dsn, "DAGSTER_HOME": None, "MLFLOW_BACKEND_STORE_URI": None}
    words = ["migrate", "--json", "--data-dir", str(tmp_path / "none")]
    for before in ("null", f'"{HEAD_REVISION}"'):
        done = CliRunner().invoke(main, words, env=environment)
        assert done.exit_code == 0, done.stderr
        assert f'"from": {before}' in done.stdout
        assert f'"to": "{HEAD_REVISION}"' in done.stdout


@pytest.mark.slow
def test_migrate_makes_the_logins_that_it_is_given_passwords_for_and_asks_aws_for_nothing(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_password = conninfo_to_dict(postgres_dsn)
    password = str(with_password.pop("password"))
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(ROOT / "deploy" / "aws" / "dagster.yaml", home)
    environment = {
        "FORECASTING_POSTGRES_DSN": make_conninfo(**with_password),
        "FORECASTING_POSTGRES_PASSWORD": password,
        "FORECASTING_APP_ROLE_PASSWORD": "of the app",
        "FORECASTING_DAGSTER_ROLE_PASSWORD": "of dagster",
        **dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION", "BUCKET", "RUN_TASK_DEFINITION"), "x"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_URL": f"postgresql+psycopg2://dagster@127.0.0.1:{with_password['port']}/dagster",
        "MLFLOW_BACKEND_STORE_URI": None,
    }
    done = CliRunner().invoke(main, ["migrate", "--data-dir", str(tmp_path / "none")], env=environment)
    assert done.exit_code == 0, done.stderr
    with psycopg.connect(make_conninfo(postgres_dsn, user="forecasting_app", password="of the app")) as connection:
        connection.execute("SELECT FROM forecasting.forecasts")
    named = make_conninfo(postgres_dsn, user="dagster", password="of dagster", dbname="dagster")
    with psycopg.connect(named) as connection:
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert owners == [("dagster",)]
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE dagster")
        connection.execute("DROP OWNED BY forecasting_app")
        connection.execute("DROP ROLE dagster, forecasting_app")


@pytest.mark.slow
def test_mlflows_own_upgrade_runs_and_one_that_fails_says_why(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    environment = {"PATH": os.environ["PATH"], "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{database}"}
    assert list(migrate_databases(environment)) == [Migrated("mlflow", None, installed_releases()["mlflow"])]
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'unknown'")
    connection.close()
    with pytest.raises(MigrationError, match=r"of mlflow failed .*Can't locate revision identified by 'unknown'"):
        list(migrate_databases(environment))


@pytest.mark.slow
def test_a_stopped_platforms_databases_are_brought_up(open_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = open_directory / "platform"
    with stopped_platform(data_dir, make=True):
        pass
    # MLflow takes a quarter of a minute to make its tables on Postgres; the test above has it.
    monkeypatch.setattr("forecasting_platform.local.migrations.MLFLOW_VARIABLE", "LEFT_OUT")
    done = migrate_platform(data_dir)
    assert [(each.part, each.before) for each in done] == [("forecasting", None), ("dagster", None)]
    assert is_up_to_date(data_dir)
    with stopped_platform(data_dir) as platform, psycopg.connect(platform.postgres.dsn("dagster")) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


@pytest.mark.slow
def test_a_running_platform_is_not_migrated_and_was_recorded_when_it_started(
    running_platform: tuple[EmbeddedPlatform, str],
) -> None:
    running, _ = running_platform
    assert is_up_to_date(running.directory.path)
    with pytest.raises(PlatformStateError, match="upgraded its databases when it started"):
        migrate_platform(running.directory.path)
