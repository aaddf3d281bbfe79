"""A Postgres server from the program files of a wheel: no installation, no root, no container.

It listens on 127.0.0.1 with a random password and has no socket file. `postgres_home` chooses its files and account.
"""

import hmac
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from forecasting_platform.adapters.postgres.roles import ROLES, Role, make_roles
from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.postgres.postgres_home import (
    cluster_home,
    processes_in,
    server_account,
    server_binaries,
)
from forecasting_platform.local.processes import Account, ChildProcess, Program, identity

HOST = "127.0.0.1"
USER = "platform"
MAINTENANCE_DATABASE = "postgres"
RELEASE_SECONDS = 10.0
"""How long an earlier server may take to release the data."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    # A read groups its rows by series: with the usual 4 MB, those of some hundred series go to disk and back.
    "work_mem": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # One server without replicas: nothing reads a longer log.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    # Queries here are short, and parallel ones need more shared memory than a container has.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}
"""Settings of the server, for one machine that runs more than it. Writes are synced (`fsync` stays on)."""


class EmbeddedPostgres:
    """A server whose cluster is at `directory/postgres`; also a context manager.

    Beside it is `postgres.password`, readable by its owner only.

    Args:
        directory: made when it is missing; may hold spaces.
        port: of 127.0.0.1.
        settings: overrides and additions to `SETTINGS`, as `postgresql.conf` names them.
        log_file: where the server writes what it does, `postgres.log` in the directory unless given.
    """

    def __init__(
        self, directory: Path, port: int, *, settings: Mapping[str, str] | None = None, log_file: Path | None = None
    ) -> None:
        self.directory = directory.absolute()
        self.log_file = log_file or self.directory / "postgres.log"
        self.port = port
        self._settings = {**SETTINGS, **(settings or {}), "port": str(port)}
        self._process: ChildProcess | None = None

    @property
    def pid(self) -> int | None:
        """The server's process number; None when it was not started, or was stopped."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the server lives."""
        return self._process is not None and self._process.is_running

    def __enter__(self) -> "EmbeddedPostgres":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def dsn(self, database: str) -> str:
        """The connection URL of a database. It holds the password: not for logs or command lines."""
        return f"postgresql://{USER}:{self._password()}@{HOST}:{self.port}/{quote(database, safe='')}"

    def role_dsn(self, role: Role) -> str:
        """The connection URL of a service's login, to its database; as secret as `dsn`."""
        return f"postgresql://{role.name}:{self._role_password(role)}@{HOST}:{self.port}/{role.database}"

    def make_roles(self) -> None:
        """Make the services' logins and their databases, each with the rights it needs."""
        make_roles(self.dsn(MAINTENANCE_DATABASE), {role: self._role_password(role) for role in ROLES})

    def _role_password(self, role: Role) -> str:
        """Derived from the owner's, so that one secret is kept; from one role's password no other can be computed."""
        return hmac.new(self._password().encode(), role.name.encode(), "sha256").hexdigest()

    def start(self) -> None:
        """Make the cluster if there is none, start the server, and return when it answers.

        Start it from a thread that lives as long as it shall (see `ChildProcess`).

        Raises:
            PlatformStateError: the data are in use by another server, or the server does not come up.
        """
        self.launch().wait_until_ready()

    def launch(self) -> ChildProcess:
        """As `start`, but returns the process without waiting for the server to answer."""
        if self._process is not None and self._process.is_running:
            return self._process
        self.directory.mkdir(parents=True, exist_ok=True)
        account = server_account()
        binaries = server_binaries(account)
        data = cluster_home(self.directory / "postgres", account) / "data"
        if not data.exists():
            self._make_cluster(binaries, data, account)
        _release(data)
        self._process = ChildProcess(self._program(binaries, data, account))
        self._process.start()
        return self._process

    def stop(self) -> None:
        """Disconnect all clients and stop the server; safe to call twice, and before the start."""
        if self._process is not None:
            self._process.stop()

    def create_database(self, name: str, *, settings: Mapping[str, str] | None = None) -> None:
        """Make a database unless it is there, and set its own settings (such as `synchronous_commit`)."""
        with psycopg.connect(self.dsn(MAINTENANCE_DATABASE), autocommit=True) as connection:
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if there is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            for key, value in (settings or {}).items():
                statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(key), sql.Literal(value)))

    def _password(self) -> str:
        file = self.directory / "postgres.password"
        try:
            return file.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise PlatformStateError(
                f"{file} is missing: the database was not started yet, or the file was removed; then restore it"
            ) from error

    def _make_cluster(self, binaries: Path, data: Path, account: Account | None) -> None:
        """Run `initdb`. The cluster gets its name when it is whole, so a crash leaves none."""
        unfinished, password_file = data.with_name("data.unfinished"), data.with_name("password.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = secrets.token_urlsafe(32)
        _write_private(password_file, password, account)
        if account is not None:
            os.chown(unfinished, account.uid, account.gid)
        try:
            _initdb(binaries, unfinished, password_file, account)
        finally:
            password_file.unlink()
        _write_private(self.directory / "postgres.password", password, None)
        unfinished.rename(data)

    def _program(self, binaries: Path, data: Path, account: Account | None) -> Program:
        options = [word for key, value in self._settings.items() for word in ("-c", f"{key}={value}")]
        return Program(
            name="Postgres",
            argv=[str(binaries / "postgres"), "-D", str(data), *options],
            environment=_environment(),
            log_file=self.log_file,
            is_ready=self._answers,
            deadline_seconds=60.0,
            stop_signal=signal.SIGINT,  # its fast shutdown; SIGTERM would wait for every client to leave
            account=account,
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.dsn(MAINTENANCE_DATABASE), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _environment() -> dict[str, str]:
    """The environment of the server's programs: no PG* variable, no secret."""
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ} | {"LC_ALL": "C"}


def _write_private(file: Path, text: str, account: Account | None) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    if account is not None:
        os.chown(file, account.uid, account.gid)


def _initdb(binaries: Path, data: Path, password_file: Path, account: Account | None) -> None:
    done = subprocess.run(
        [
            *(str(binaries / "initdb"), "-D", str(data), "-U", USER, f"--pwfile={password_file}"),
            *("--auth-host=scram-sha-256", "--auth-local=scram-sha-256", "--encoding=UTF8", "--no-locale"),
            # Dagster connects for each event, and each time the password is hashed this often. The
            # thousands of rounds are for passwords that a person made up, not for 256 random bits.
            *("--set", "scram_iterations=1"),
        ],
        env=_environment(),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        **identity(account),
    )
    if done.returncode != 0:
        raise PlatformStateError(f"the database cannot be made in {data.parent}: {done.stderr.strip()}")


def _release(data: Path) -> None:
    """Wait until an earlier server has released the data, and remove the pid file it left.

    After a kill the server's processes need a moment to go. A pid file without any of them is stale,
    even when its number lives: another process has it by now, or nobody has reaped the dead one.
    """
    pid_file = data / "postmaster.pid"
    deadline = time.monotonic() + RELEASE_SECONDS
    while pid_file.exists() and (holders := processes_in(data)):
        if time.monotonic() > deadline:
            raise PlatformStateError(
                f"the database in {data} is in use by process {holders[0].pid}. "
                f"Stop the platform that runs it (`forecasting-platform down`), then start again."
            )
        time.sleep(0.1)
    pid_file.unlink(missing_ok=True)
