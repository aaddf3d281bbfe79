"""Backs up a data directory's databases and files into one folder with checksums, and restores them.

A backup contains a dump of each database (`pg_dump`, custom format), the tables that are in Spark, the artifacts of
models, the kept feed documents and Data Docs, and `manifest.json` with the SHA-256 of each file; it contains no logs
and no cache of the app. The folder gets its name when it is complete. A restore first checks the whole backup, then
restores next to the present data, and finally swaps the two, so that a failure at any step leaves the data unchanged.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from forecasting_platform.adapters.postgres.schema import REVISIONS
from forecasting_platform.errors import PlatformStateError
from forecasting_platform.local.copying import BackupError, copy_folder, sha256_of
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.databases import DATABASES
from forecasting_platform.local.migrations import installed_releases, record_releases
from forecasting_platform.local.postgres.embedded_postgres import MAINTENANCE_DATABASE
from forecasting_platform.local.postgres.postgres_home import server_binaries
from forecasting_platform.local.spark_copies import copy_tables
from forecasting_platform.local.stopped_platform import stopped_platform

COPIED = ("mlflow", "feed-archive", "data-docs")
FOLDERS = (*COPIED, "spark")
APP_MEMORY = "app"
"""The app's last good champion: after a restore its number may be another version's."""
MANIFEST = "manifest.json"
FORMAT = 1

Dsn = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.

    Attributes:
        path: the folder.
        made_at: when it was begun.
        releases: what its databases fitted.
        files: SHA-256 of each file, by its path in the folder.
    """

    path: Path
    made_at: str
    releases: dict[str, str]
    files: dict[str, str]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum((self.path / name).stat().st_size for name in self.files)


def make_backup(data_dir: Path, to: Path) -> Backup:
    """Write a backup of a data directory, whether its platform runs or not.

    While it runs, each database is dumped as of one moment: MLflow's first, then ours, so that a promotion in
    between is a decision whose alias has not moved, which the platform completes by itself. The files are copied last,
    so that all that the dumps refer to are among them; what is added meanwhile may be missing.

    Raises:
        BackupError: `to` is there already, or a dump failed; nothing is left of it.
        StoreUnavailableError: the tables are in Spark, which does not answer.
        PlatformStateError: there are no data.
    """
    if to.exists():
        raise BackupError(to, "is there already", "Name a new folder with --to.")
    directory = DataDirectory(data_dir)
    is_running = directory.supervisor() is not None
    unfinished = to.with_name(f".{to.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    try:
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        with _databases(data_dir) as dsn:
            for name in DATABASES:
                _run("pg_dump", ["--format=custom", f"--file={unfinished / name}.dump"], dsn(name), unfinished)
            if directory.spark.exists():
                copy_tables(directory, unfinished / directory.spark.name, is_running=is_running)
            for folder in COPIED:
                if (data_dir / folder).is_dir():
                    copy_folder(data_dir / folder, unfinished / folder)
        document = {"format": FORMAT, "made_at": made_at, "releases": installed_releases(), "files": _sums(unfinished)}
        (unfinished / MANIFEST).write_text(json.dumps(document, indent=1), encoding="utf-8")
        unfinished.rename(to)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return read_backup(to)


def read_backup(path: Path) -> Backup:
    """A backup, every file of it checked.

    Raises:
        BackupError: it is no backup, of a newer release, or a file is missing, added or changed.
    """
    try:
        document = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        found = Backup(path, document["made_at"], document["releases"], document["files"])
    except (OSError, ValueError, KeyError) as error:
        raise BackupError(path, f"holds no readable {MANIFEST}", "Name a folder that `backup` wrote.") from error
    if document["format"] != FORMAT or found.releases["forecasting"] not in REVISIONS:
        raise BackupError(path, "is of a newer release", "Restore it with the release that made it.")
    there = _sums(path)
    if changed := sorted(name for name in there.keys() | found.files if there.get(name) != found.files.get(name)):
        raise BackupError(path, f"is damaged: {', '.join(changed[:5])}", "Restore another one; nothing was changed.")
    return found


def restore_backup(data_dir: Path, source: Path, *, overwrite: bool) -> Backup:
    """Put a backup in the place of a data directory's databases and files; no platform may run there.

    Raises:
        BackupError: the backup is not sound, or could not be restored; the data are as they were.
        PlatformStateError: there are data and `overwrite` was not asked for, or a platform runs there.
    """
    backup = read_backup(source)
    if (data_dir / "postgres").exists() and not overwrite:
        raise PlatformStateError(f"{data_dir} holds data already; name another --data-dir, or give --overwrite")
    with stopped_platform(data_dir, make=True) as platform:
        try:
            for name in DATABASES:
                _restore_beside(platform.postgres.dsn, name, source)
            for folder in FOLDERS:
                restored = _beside(platform.path / folder)
                shutil.rmtree(restored, ignore_errors=True)
                if (source / folder).is_dir():
                    shutil.copytree(source / folder, restored)
            with psycopg.connect(platform.postgres.dsn(MAINTENANCE_DATABASE), autocommit=True) as connection:
                _take_the_place(connection, platform.path)
            shutil.rmtree(platform.path / APP_MEMORY, ignore_errors=True)
            record_releases(platform.path, backup.releases)
        finally:
            _remove_beside(platform.postgres.dsn, platform.path)
    return backup


@contextlib.contextmanager
def _databases(data_dir: Path) -> Iterator[Dsn]:
    directory = DataDirectory(data_dir)
    if directory.supervisor() is None:
        with stopped_platform(data_dir) as platform:
            yield platform.postgres.dsn
        return
    running = directory.endpoints()["postgres"]
    yield lambda name: running.rpartition("/")[0] + f"/{name}"


def _run(program: str, words: list[str], dsn: str, subject: Path) -> None:
    """Run one of Postgres' programs on a database; its password is in no command line."""
    parts = conninfo_to_dict(dsn)
    server = {f"PG{name.upper()}": str(parts[key]) for name, key in _PLACE.items()}
    done = subprocess.run(
        [str(server_binaries(None) / program), "--no-password", *words],
        env={**os.environ, **server}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        problem = (done.stderr.strip() or "it printed no message").splitlines()[0]
        raise BackupError(subject, f"{program} failed: {problem}", "The data that were there are unchanged.")


_PARAMETERS = ("host", "port", "user", "password", "dbname")
_PLACE = dict(zip(("host", "port", "user", "password", "database"), _PARAMETERS, strict=True))


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder but the manifest itself."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


# --- what is restored stands beside what is there, until all of it does ---


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.restored")


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def _restore_beside(dsn: Dsn, name: str, source: Path) -> None:
    with psycopg.connect(dsn(MAINTENANCE_DATABASE), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(f"{name}_restored")))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"{name}_restored")))
        for key, value in DATABASES[name].items():
            statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
            names = sql.Identifier(f"{name}_restored"), sql.Identifier(key)
            connection.execute(statement.format(*names, sql.Literal(value)))
    words = ["--exit-on-error", "--single-transaction", "--no-owner", f"--dbname={name}_restored"]
    _run("pg_restore", [*words, str(source / f"{name}.dump")], dsn(f"{name}_restored"), source)


def _take_the_place(connection: psycopg.Connection[tuple[object, ...]], path: Path) -> None:
    with contextlib.ExitStack() as undo:
        # Folders are moved within the databases' transaction: whichever fails, both are as they were.
        with connection.transaction():
            for name in DATABASES:
                for old, new in ((name, f"{name}_replaced"), (f"{name}_restored", name)):
                    statement = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                    connection.execute(statement.format(sql.Identifier(old), sql.Identifier(new)))
            for folder in FOLDERS:
                _swap(path / folder, undo)
        undo.pop_all()


def _swap(folder: Path, undo: contextlib.ExitStack) -> None:
    """Move what was restored to its place, and what was there aside."""
    for old, new in ((folder, _aside(folder)), (_beside(folder), folder)):
        if old.exists():
            old.rename(new)
            undo.callback(new.rename, old)


def _remove_beside(dsn: Dsn, path: Path) -> None:
    with psycopg.connect(dsn(MAINTENANCE_DATABASE), autocommit=True) as connection:
        for name in DATABASES:
            for left in (f"{name}_restored", f"{name}_replaced"):
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(left)))
    for folder in FOLDERS:
        shutil.rmtree(_beside(path / folder), ignore_errors=True)
        shutil.rmtree(_aside(path / folder), ignore_errors=True)
