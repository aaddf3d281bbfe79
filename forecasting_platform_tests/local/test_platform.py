import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import requests

from forecasting_platform.adapters.postgres.roles import APP, DAGSTER, MLFLOW, ROLES, RUNS
from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.data_directory import OWNER_VARIABLE, DataDirectory
from forecasting_platform.local.environment import require_free_ports
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


def processes_of(directory: Path) -> list[str]:
    """What runs for the platform of a directory."""
    # What ends meanwhile has no command line any more.
    every = psutil.process_iter(["cmdline"])
    return [" ".join(process.info["cmdline"] or ()) for process in every if belongs_to(process, directory)]


def belongs_to(process: psutil.Process, directory: Path) -> bool:
    """All but Postgres carry the directory's mark; Postgres names its data."""
    try:
        named = str((directory / "postgres").resolve()) in " ".join(process.cmdline())
        return named or process.environ().get(OWNER_VARIABLE) == str(directory)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def test_everything_answers_where_endpoints_json_says(running_platform: tuple[EmbeddedPlatform, str]) -> None:
    running, _ = running_platform
    running.wait_until_ready()
    file = running.directory.path / "endpoints.json"
    endpoints = json.loads(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(endpoints) == {"dagster", "mlflow", "app", "postgres", "feed"}
    assert endpoints == running.endpoints == DataDirectory(running.directory.path).endpoints()
    base = running.addresses.port_base
    assert [endpoints[name].rpartition(":")[2] for name in ("dagster", "mlflow", "app")] == [
        str(base),
        str(base + 1),
        str(base + 2),
    ]
    for url in (f"{endpoints['dagster']}/server_info", f"{endpoints['mlflow']}/health", endpoints["app"]):
        assert requests.get(url, timeout=PATIENCE_SECONDS).status_code == 200
    with psycopg.connect(endpoints["postgres"]) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("forecasting",)


def test_every_part_has_a_time_after_which_it_answered(running_platform: tuple[EmbeddedPlatform, str]) -> None:
    running, _ = running_platform
    running.wait_until_ready()
    assert set(running.seconds) == {
        "Postgres",
        "MLflow",
        "Dagster's code server",
        "Dagster's web server",
        "Dagster's daemon",
        "the app",
        "the simulated feed",
    }


def test_the_app_is_told_where_everything_is(running_platform: tuple[EmbeddedPlatform, str]) -> None:
    running, _ = running_platform
    running.wait_until_ready()
    environment = requests.get(running.endpoints["app"], timeout=PATIENCE_SECONDS).json()
    told = {name: value for name, value in environment.items() if name.startswith("FORECASTING_")}
    assert told == {
        **{name: value for name, value in os.environ.items() if name.startswith("FORECASTING_")},
        "FORECASTING_POSTGRES_DSN": running.postgres.role_dsn(APP),
        "FORECASTING_MLFLOW_TRACKING_URI": running.endpoints["mlflow"],
        "FORECASTING_FEED_URL": running.endpoints["feed"],
        "FORECASTING_FEED": "",
        "FORECASTING_FEEDS": "",
        "FORECASTING_APP_HOST": "127.0.0.1",
        "FORECASTING_APP_PORT": str(running.addresses.port_base + 2),
        "FORECASTING_MODEL_CACHE_DIR": str(running.directory.path / "app"),
        "FORECASTING_FEED_ARCHIVE": str(running.directory.path / "feed-archive"),
        "FORECASTING_DATA_DOCS_DIR": str(running.directory.path / "data-docs"),
        "FORECASTING_SCHEDULES_ENABLED": "false",
    }
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert not {"PYTHONDONTWRITEBYTECODE", "PGSSLMODE"} & environment.keys()
    assert "127.0.0.1" in environment["NO_PROXY"]


def test_no_command_line_and_no_log_holds_a_password(running_platform: tuple[EmbeddedPlatform, str]) -> None:
    running, _ = running_platform
    passwords = [(running.directory.path / "postgres.password").read_text()]
    passwords += [str(urlsplit(running.postgres.role_dsn(role)).password) for role in ROLES]
    told = [subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout]
    told += [log.read_text() for log in running.directory.logs.iterdir()]
    assert [password for password in passwords for text in told if password in text] == []


def test_each_process_has_only_the_logins_of_its_work_and_none_the_owners(
    running_platform: tuple[EmbeddedPlatform, str],
) -> None:
    running, _ = running_platform
    running.wait_until_ready()
    owner = (running.directory.path / "postgres.password").read_text()
    expected = {
        "MLflow": {MLFLOW},
        "Dagster's code server": {DAGSTER, RUNS},
        "Dagster's web server": {DAGSTER, RUNS},
        "Dagster's daemon": {DAGSTER, RUNS},
        "the app": {APP},
        "the simulated feed": set(),
    }
    children = {child.program.name: child for child in running._children}
    for name, roles in expected.items():
        environment = " ".join(psutil.Process(children[name].pid).environ().values())
        assert owner not in environment, name
        found = {role for role in ROLES if str(urlsplit(running.postgres.role_dsn(role)).password) in environment}
        assert found == roles, name


@pytest.mark.parametrize("host", ["10.rebound.example", "192.168.rebound.example", "rebound.example"])
def test_mlflow_does_not_take_a_name_for_an_address(running_platform: tuple[EmbeddedPlatform, str], host: str) -> None:
    running, _ = running_platform
    running.wait_until_ready()
    url, port = f"{running.endpoints['mlflow']}/api/2.0/mlflow/experiments/get", running.addresses.port("mlflow")
    experiment = {"experiment_id": "0"}
    assert requests.get(url, params=experiment, timeout=60).status_code == 200
    foreign = requests.get(url, params=experiment, headers={"Host": f"{host}:{port}"}, timeout=60)
    assert foreign.status_code == 403


def test_only_dagsters_database_gives_up_synchronous_commits(running_platform: tuple[EmbeddedPlatform, str]) -> None:
    running, _ = running_platform
    for database, expected in (("dagster", "off"), ("mlflow", "on"), ("forecasting", "on")):
        with psycopg.connect(running.postgres.dsn(database)) as connection:
            assert connection.execute("SHOW synchronous_commit").fetchone() == (expected,)


def test_a_second_platform_in_the_same_directory_is_refused(
    running_platform: tuple[EmbeddedPlatform, str], make_platform: Callable[..., EmbeddedPlatform]
) -> None:
    running, _ = running_platform
    with (
        make_platform(running.directory.path) as second,
        pytest.raises(PlatformStateError, match=rf"a platform runs in .* already \(process {os.getpid()}\)"),
    ):
        second.start()
    running.look()
    assert DataDirectory(running.directory.path).endpoints()


def test_taken_ports_are_named_before_anything_is_started(
    running_platform: tuple[EmbeddedPlatform, str], make_platform: Callable[..., EmbeddedPlatform], tmp_path: Path
) -> None:
    running, _ = running_platform
    running.wait_until_ready()
    base = running.addresses.port_base
    with (
        make_platform(tmp_path / "other", base + 3) as other,
        pytest.raises(
            PlatformStateError, match=rf"port {base + 3} \(dagster\), {base + 4} \(mlflow\)\. .*--port-base N"
        ),
    ):
        other.start()
    assert not (tmp_path / "other" / "postgres").exists()
    assert not (tmp_path / "other" / "endpoints.json").exists()


def test_free_ports_are_accepted(free_ports: Callable[[int], int]) -> None:
    require_free_ports({free_ports(1): "dagster"})


def test_an_interrupt_in_the_middle_of_the_start_leaves_nothing_running(
    open_directory: Path, make_platform: Callable[..., EmbeddedPlatform]
) -> None:
    def interrupt(line: str) -> None:
        if line.startswith("the simulated feed"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), make_platform(open_directory) as platform:
        platform.start(interrupt)
    assert processes_of(open_directory) == []
    assert DataDirectory(open_directory).supervisor() is None
    assert not (open_directory / "endpoints.json").exists()


def test_a_process_that_dies_is_named_and_the_stop_leaves_nothing(
    open_directory: Path, make_platform: Callable[..., EmbeddedPlatform]
) -> None:
    with make_platform(open_directory) as platform:
        platform.start_services()
        processes = {each["name"]: each["pid"] for each in json.loads((open_directory / "processes.json").read_text())}
        os.kill(processes["Dagster's web server"], signal.SIGKILL)
        with pytest.raises(PlatformStateError, match="Dagster's web server ended with signal SIGKILL"):
            platform.watch()
    assert processes_of(open_directory) == []
    assert not (open_directory / "endpoints.json").exists()


def test_a_platform_whose_supervisor_was_killed_is_recovered_by_the_next(
    open_directory: Path, make_platform: Callable[..., EmbeddedPlatform], free_ports: Callable[[int], int]
) -> None:
    base = free_ports(5)
    script = (
        "import sys, time; from pathlib import Path\n"
        "from forecasting_platform.local.platform import EmbeddedPlatform\n"
        "from forecasting_platform.local.programs import Entrypoints\n"
        "stand_ins = Entrypoints('stand_ins', 'stand_ins', 'stand_ins:app')\n"
        "with EmbeddedPlatform(Path(sys.argv[1]), int(sys.argv[2]), entrypoints=stand_ins) as platform:\n"
        "    platform.start_services(); print('up', flush=True); time.sleep(600)\n"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script, str(open_directory), str(base)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    assert supervisor.stdout is not None
    with supervisor.stdout:
        assert supervisor.stdout.readline() == "up\n"
        supervisor.kill()
        supervisor.wait()
    with pytest.raises(PlatformStateError, match="no platform runs"):
        DataDirectory(open_directory).endpoints()
    with make_platform(open_directory, base) as platform:
        platform.start_services()
        assert platform.dagster.location_problem() is None
    assert processes_of(open_directory) == []
