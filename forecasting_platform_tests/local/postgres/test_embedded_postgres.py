import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.postgres import embedded_postgres
from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform_tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(shared_open_directory: Path, free_ports: Callable[[int], int]) -> Iterator[EmbeddedPostgres]:
    """One server for the tests that leave it running."""
    with EmbeddedPostgres(shared_open_directory, free_ports(1)) as server:
        yield server


@pytest.fixture(scope="module")
def disturbed(shared_open_directory: Path, free_ports: Callable[[int], int]) -> Iterator[EmbeddedPostgres]:
    """One server for the tests that end it."""
    with EmbeddedPostgres(shared_open_directory / "disturbed", free_ports(1)) as server:
        yield server


@pytest.fixture
def postgres(disturbed: EmbeddedPostgres) -> EmbeddedPostgres:
    """A server that runs, whatever the tests before have done to it."""
    disturbed.start()
    return disturbed


def write_a_number(server: EmbeddedPostgres) -> None:
    server.create_database("numbers")
    with psycopg.connect(server.dsn("numbers"), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS number; CREATE TABLE number (n int)")
        connection.execute("INSERT INTO number VALUES (42)")


def read_the_number(server: EmbeddedPostgres) -> object:
    with psycopg.connect(server.dsn("numbers")) as connection:
        row = connection.execute("SELECT n FROM number").fetchone()
        assert row is not None
        return row[0]


def test_data_survive_a_stop_and_a_start(postgres: EmbeddedPostgres) -> None:
    write_a_number(postgres)
    postgres.stop()
    assert not postgres.is_running
    assert postgres.pid is None
    postgres.start()
    assert read_the_number(postgres) == 42


def test_data_survive_a_kill_of_the_server(postgres: EmbeddedPostgres) -> None:
    write_a_number(postgres)
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)
    wait_until("the end of the server", lambda: not postgres.is_running)
    postgres.start()
    assert read_the_number(postgres) == 42


def test_a_pid_file_that_names_another_living_process_does_not_block_the_start(postgres: EmbeddedPostgres) -> None:
    write_a_number(postgres)
    pid_file = postgres.directory / "postgres" / "data" / "postmaster.pid"
    content = pid_file.read_text()
    postgres.stop()
    # Our own number: alive, but no server.
    pid_file.write_text(content.replace(content.splitlines()[0], str(os.getpid()), 1))
    postgres.start()
    assert read_the_number(postgres) == 42


def test_a_second_server_on_the_same_data_is_refused(
    shared: EmbeddedPostgres, free_ports: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_postgres, "RELEASE_SECONDS", 0.3)
    with pytest.raises(PlatformStateError, match=f"in use by process {shared.pid}"):
        EmbeddedPostgres(shared.directory, free_ports(1)).start()
    assert shared.is_running


def test_a_taken_port_is_reported_with_the_servers_own_words(shared: EmbeddedPostgres, open_directory: Path) -> None:
    other = EmbeddedPostgres(open_directory / "other", shared.port)
    with pytest.raises(PlatformStateError, match=r"Postgres ended with exit code 1(?s:.*)Address already in use"):
        other.start()
    other.stop()


def test_the_server_never_runs_as_root(shared: EmbeddedPostgres) -> None:
    assert shared.pid is not None
    assert psutil.Process(shared.pid).uids().real != 0


def test_the_password_is_in_no_command_line_and_in_a_private_file(shared: EmbeddedPostgres) -> None:
    file = shared.directory / "postgres.password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    command_lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert file.read_text() not in command_lines
    assert list(shared.directory.rglob("password*")) == []


def test_a_wrong_password_is_refused(shared: EmbeddedPostgres) -> None:
    password = (shared.directory / "postgres.password").read_text()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(shared.dsn("postgres").replace(password, "guess"))


def test_a_database_is_made_once_with_settings_of_its_own(shared: EmbeddedPostgres) -> None:
    name = 'with "quotes" and %'
    for _ in range(2):
        shared.create_database(name, settings={"synchronous_commit": "off"})
    shared.create_database("strict")
    for database, expected in ((name, "off"), ("strict", "on")):
        with psycopg.connect(shared.dsn(database)) as connection:
            assert connection.execute("SHOW synchronous_commit").fetchone() == (expected,)
            assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_settings_override_the_defaults(open_directory: Path, free_ports: Callable[[int], int]) -> None:
    with (
        EmbeddedPostgres(open_directory, free_ports(1), settings={"max_connections": "17"}) as server,
        psycopg.connect(server.dsn("postgres")) as connection,
    ):
        assert connection.execute("SHOW max_connections").fetchone() == ("17",)


def test_a_crash_while_the_cluster_is_made_leaves_none(
    open_directory: Path, free_ports: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(open_directory, free_ports(1))
    monkeypatch.setattr(embedded_postgres, "_initdb", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert not (open_directory / "postgres" / "data").exists()
    assert list(open_directory.rglob("password*")) == []
    monkeypatch.undo()
    with server:
        assert server.is_running


def test_below_a_directory_that_only_its_owner_can_enter_the_server_runs_all_the_same(
    tmp_path: Path, free_ports: Callable[[int], int]
) -> None:
    tmp_path.chmod(0o700)
    with EmbeddedPostgres(tmp_path / "data", free_ports(1)) as server:
        write_a_number(server)
    with server:
        assert read_the_number(server) == 42
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    shutil.rmtree((tmp_path / "data" / "postgres").resolve())


def test_asking_for_a_dsn_before_the_first_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(PlatformStateError, match="was not started yet"):
        EmbeddedPostgres(tmp_path, 34999).dsn("forecasting")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_the_server_of_a_killed_process_is_gone_and_its_data_can_be_served_again(
    open_directory: Path, free_ports: Callable[[int], int]
) -> None:
    port = free_ports(1)
    script = (
        "import sys, time; from pathlib import Path\n"
        "from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1]), int(sys.argv[2])); server.start()\n"
        "print(server.pid, flush=True); time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(open_directory), str(port)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        first = int(process.stdout.readline())
        process.kill()
        process.wait()
    with EmbeddedPostgres(open_directory, port) as server:
        assert server.is_running
        assert not psutil.pid_exists(first) or psutil.Process(first).status() == psutil.STATUS_ZOMBIE


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt
