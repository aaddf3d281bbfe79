"""Dagster's own commands, where nothing is set, find stores or say what to do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import psutil
import pytest
import yaml
from dagster import DagsterInstance

from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.dagster_stores import JOINED_VARIABLE, join_or_start
from forecasting_platform.local.data_directory import OWNER_VARIABLE, DataDirectory
from forecasting_platform.orchestration.dagster_instance.instance import PlatformInstance
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.dagster_internals import InstanceRef

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("DAGSTER_", "FORECASTING_", "PG", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FORECASTING_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def running() -> Iterator[DataDirectory]:
    """The directory of a platform that this process pretends to be."""
    directory = DataDirectory(Settings().data_dir)
    directory.claim()
    (directory.path / "postgres.password").write_text("secret", encoding="utf-8")
    yield directory
    directory.release()


ENDPOINTS = {"mlflow": "http://127.0.0.1:7301", "postgres": "postgresql://127.0.0.1:7303/f", "feed": "http://f/feed"}


def instance_ref(command: str, home: Path) -> InstanceRef:
    """What a command of Dagster reads of the repository's `dagster.yaml`."""
    found: list[InstanceRef] = []
    words = command.split()

    @click.command()
    def run() -> None:
        found.append(InstanceRef.from_dir(str(home), config_dir=str(ROOT)))

    with ExitStack() as stack:
        context = None
        for word in words[:-1]:
            context = stack.enter_context(click.Context(click.Group(word), info_name=word, parent=context))
        run.main([], prog_name=words[-1], standalone_mode=False, parent=context)
    return found[0]


@pytest.mark.parametrize("command", ["dg check defs", "dg list defs", "dagster definitions validate"])
def test_commands_that_only_look_need_nothing(command: str, tmp_path: Path) -> None:
    with DagsterInstance.from_ref(instance_ref(command, tmp_path)) as instance:
        assert isinstance(instance, PlatformInstance)
        assert instance.get_runs_count() == 0
    assert not (tmp_path / "data").exists()


def test_a_named_database_is_used_and_no_command_line_holds_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql+psycopg2://dagster:secret@db/dagster")
    for command in ("dagster dev", "dg check defs"):
        ref = instance_ref(command, tmp_path)
        assert ref.storage_data
        stores = yaml.safe_load(ref.storage_data.config_yaml)
        assert {name: part["class_name"] for name, part in stores.items()} == {
            "run_storage": "PostgresRunStorage",
            "event_log_storage": "BulkPostgresEventLogStorage",
            "schedule_storage": "PostgresScheduleStorage",
        }
        assert {part["config_yaml"] for part in stores.values()} == {"postgres_url:\n  env: DAGSTER_POSTGRES_URL\n"}


def test_a_deployment_without_a_database_is_told_so_and_starts_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with pytest.raises(click.ClickException, match="DAGSTER_POSTGRES_URL is not set"):
        instance_ref("dagster-daemon run", tmp_path)


@pytest.mark.parametrize("name", ["FORECASTING_POSTGRES_DSN", "FORECASTING_MLFLOW_TRACKING_URI"])
def test_stores_named_in_part_are_not_mixed_with_embedded_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "postgresql://elsewhere/forecasting")
    with pytest.raises(click.ClickException, match=f"DAGSTER_POSTGRES_URL: is not set, but {name} is"):
        instance_ref("dagster asset materialize", tmp_path)


def test_a_running_platform_is_joined_by_its_logins(running: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    running.write_endpoints({**ENDPOINTS, "dagster": "http://127.0.0.1:7300", "app": "http://127.0.0.1:7302"})
    running.write_settings({"holiday_country": "GB-SCT"})
    joined = join_or_start(Settings(), lambda _line: None, is_web_server=True)
    assert joined["DAGSTER_POSTGRES_URL"].startswith("postgresql+psycopg2://dagster:")
    assert joined["FORECASTING_POSTGRES_DSN"].startswith("postgresql://forecasting_runs:")
    assert joined["FORECASTING_MLFLOW_TRACKING_URI"] == ENDPOINTS["mlflow"]
    assert joined["FORECASTING_FEED_URL"] == ENDPOINTS["feed"]
    assert joined["FORECASTING_HOLIDAY_COUNTRY"] == "GB-SCT"
    # The platform ends what bears its mark when it starts and stops.
    assert OWNER_VARIABLE not in joined


def test_beside_a_platforms_daemon_another_does_only_what_that_one_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DagsterInstance.from_ref(instance_ref("dg list defs", tmp_path)) as instance:
        alone = instance.get_required_daemon_types()
        monkeypatch.setenv(JOINED_VARIABLE, "true")
        assert instance.get_required_daemon_types() == ["QUEUED_RUN_COORDINATOR"]
        assert {"SENSOR", "BACKFILL", "QUEUED_RUN_COORDINATOR"} <= set(alone)


def test_two_daemons_never_queue_on_the_same_stores(running: DataDirectory) -> None:
    running.write_endpoints(ENDPOINTS)
    with pytest.raises(PlatformStateError, match="another `dagster dev` runs"):
        join_or_start(Settings(), lambda _line: None, is_web_server=True)
    assert JOINED_VARIABLE in join_or_start(Settings(), lambda _line: None, is_web_server=False)


def test_data_of_a_feed_of_ones_own_are_not_mixed_with_the_simulated_one() -> None:
    directory = DataDirectory(Settings().data_dir)
    directory.path.mkdir()
    (directory.path / "first_day.json").write_text('"2020-01-01"', encoding="utf-8")
    with pytest.raises(PlatformStateError, match=r"set FORECASTING_FEED, .* or name another directory"):
        join_or_start(Settings(), lambda _line: None, is_web_server=False)


USED = """
from forecasting_platform.local.dagster_stores import join_or_start
from forecasting_platform.settings import Settings
import json, psycopg, requests
def use():
    named = join_or_start(Settings(), lambda _line: None, is_web_server=False)
    psycopg.connect(named["FORECASTING_POSTGRES_DSN"]).close()
    psycopg.connect(named["DAGSTER_POSTGRES_URL"].replace("+psycopg2", "")).close()
    assert requests.get(named["FORECASTING_MLFLOW_TRACKING_URI"] + "/health").ok
    assert requests.get(named["FORECASTING_FEED_URL"]).ok
    return named
"""
TWICE = (
    USED
    + """
import subprocess, sys
own = use()
joined = json.loads(subprocess.run([sys.executable, "-c", sys.argv[1]], capture_output=True, check=True).stdout)
assert own["FORECASTING_POSTGRES_DSN"] == joined["FORECASTING_POSTGRES_DSN"]
assert "EMBEDDED_PLATFORM_JOINED" not in own and "EMBEDDED_PLATFORM_JOINED" in joined
"""
)


@pytest.mark.slow
def test_stores_of_its_own_serve_a_process_and_others_meanwhile_and_end_with_it(tmp_path: Path) -> None:
    joining = USED + "print(json.dumps(dict(use())))"
    done = subprocess.run([sys.executable, "-c", TWICE, joining], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # A process that ends meanwhile has no command line any more.
    every = psutil.process_iter(["cmdline"])
    left = [process for process in every if str(tmp_path / "data") in " ".join(process.info["cmdline"] or ())]
    assert left == []
    assert not (tmp_path / "data" / "endpoints.json").exists()
