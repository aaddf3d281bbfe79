"""A backup of a data directory, and back: nothing lost, nothing half done."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import PlatformStateError
from forecasting_platform.forecasting.series.frames import OBSERVATIONS
from forecasting_platform.local import backup as backup_module
from forecasting_platform.local.backup import make_backup, read_backup, restore_backup
from forecasting_platform.local.copying import BackupError
from forecasting_platform.local.databases import DATABASES
from forecasting_platform.local.migrations import is_up_to_date
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform.local.stopped_platform import stopped_platform
from forecasting_platform_tests.contracts.ledger_contract import ALERT, DECISION

pytestmark = pytest.mark.slow


def fill(data_dir: Path) -> None:
    """Rows in each database, and files of both kinds."""
    with stopped_platform(data_dir, make=True) as platform:
        dsn = platform.postgres.dsn("forecasting")
        store, ledger = PostgresTableStore(dsn), PostgresLedger(dsn)
        store.prepare()
        ledger.prepare()
        ledger.append_decision(DECISION)
        ledger.save_alerts([ALERT])
        store.close()
        ledger.close()
        with psycopg.connect(dsn) as connection:
            connection.execute(
                "INSERT INTO forecasting.raw_observations "
                "SELECT 'a \"b\"', date '2018-01-01' + n, n / 3.0, now() FROM generate_series(1, 500) n"
            )
        for name in ("mlflow", "dagster"):
            with psycopg.connect(platform.postgres.dsn(name)) as connection:
                connection.execute("CREATE TABLE kept (text text); INSERT INTO kept VALUES ('ünï')")
    for file in ("mlflow/1/model.npz", "feed-archive/documents/ab.json", "app/champion.json"):
        (data_dir / file).parent.mkdir(parents=True)
        (data_dir / file).write_bytes(file.encode())


def state_of(data_dir: Path) -> dict[str, str]:
    """A hash of every table and file."""
    found = {
        str(path.relative_to(data_dir)): path.read_text()
        for folder in backup_module.FOLDERS
        for path in (data_dir / folder).rglob("*")
        if path.is_file()
    }
    with stopped_platform(data_dir) as platform:
        for name in DATABASES:
            with psycopg.connect(platform.postgres.dsn(name)) as connection:
                found |= {f"{name}/{table}": digest for table, digest in table_hashes(connection)}
    return found


def table_hashes(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[tuple[str, str]]:
    tables = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'forecasting') ORDER BY 2"
    ).fetchall()
    for schema, table in tables:
        query = sql.SQL("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM {} t")
        row = connection.execute(query.format(sql.Identifier(str(schema), str(table)))).fetchone()
        yield str(table), hashlib.sha256(str(row).encode()).hexdigest()


@dataclass(frozen=True)
class BackedUp:
    """A stopped platform's directory, its backup, and what both hold. Each test leaves all three as they were."""

    data_dir: Path
    path: Path
    state: dict[str, str]


@pytest.fixture(scope="module")
def backed_up(shared_open_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> BackedUp:
    data_dir, path = shared_open_directory / "backed up", tmp_path_factory.mktemp("backups") / "made"
    fill(data_dir)
    state = state_of(data_dir)
    make_backup(data_dir, path)
    return BackedUp(data_dir, path, state)


def test_what_was_destroyed_is_restored_to_the_same_hashes(backed_up: BackedUp) -> None:
    assert any(name.endswith(OBSERVATIONS.name) for name in backed_up.state)
    shutil.rmtree(backed_up.data_dir)
    restore_backup(backed_up.data_dir, backed_up.path, overwrite=False)
    assert state_of(backed_up.data_dir) == backed_up.state
    assert is_up_to_date(backed_up.data_dir)


def test_a_restore_over_data_is_refused_unless_asked_for_and_then_replaces_all_of_it(backed_up: BackedUp) -> None:
    data_dir = backed_up.data_dir
    with stopped_platform(data_dir) as platform, psycopg.connect(platform.postgres.dsn("forecasting")) as connection:
        connection.execute("DELETE FROM forecasting.raw_observations")
    (data_dir / "mlflow" / "later").write_text("a later model")
    (data_dir / "app").mkdir(exist_ok=True)
    changed = state_of(data_dir)
    with pytest.raises(PlatformStateError, match=r"holds data already.*--overwrite"):
        restore_backup(data_dir, backed_up.path, overwrite=False)
    assert state_of(data_dir) == changed
    restore_backup(data_dir, backed_up.path, overwrite=True)
    assert state_of(data_dir) == backed_up.state
    assert not (data_dir / "app").exists(), "the app would go on with what it remembers"


def test_a_restore_that_fails_leaves_what_was_there(backed_up: BackedUp, tmp_path: Path) -> None:
    harmed = shutil.copytree(backed_up.path, tmp_path / "harmed")
    dump = harmed / "forecasting.dump"
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])
    document = json.loads((harmed / "manifest.json").read_text())
    document["files"][dump.name] = hashlib.sha256(dump.read_bytes()).hexdigest()
    (harmed / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(BackupError, match="pg_restore failed"):
        restore_backup(backed_up.data_dir, harmed, overwrite=True)
    assert state_of(backed_up.data_dir) == backed_up.state


def test_a_disk_that_fails_at_the_last_step_leaves_what_was_there(
    backed_up: BackedUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == ".feed-archive.restored":
            raise OSError("the disk is full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="the disk is full"):
        restore_backup(backed_up.data_dir, backed_up.path, overwrite=True)
    monkeypatch.undo()
    assert state_of(backed_up.data_dir) == backed_up.state


def test_a_backup_holds_no_password_and_is_its_owners_only(backed_up: BackedUp) -> None:
    password = (backed_up.data_dir / "postgres.password").read_bytes()
    assert backed_up.path.stat().st_mode & 0o777 == 0o700
    assert not [name for name in backed_up.path.rglob("*") if name.is_file() and password in name.read_bytes()]


@pytest.mark.parametrize("harm", ["change", "remove", "add"])
def test_a_damaged_backup_is_refused_by_the_name_of_the_file(tmp_path: Path, harm: str) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "mlflow.dump").write_bytes(b"rows")
    digest = hashlib.sha256(b"rows").hexdigest()
    document = {"format": 1, "made_at": "", "releases": {"forecasting": "0001"}, "files": {"mlflow.dump": digest}}
    (made / "manifest.json").write_text(json.dumps(document))
    assert read_backup(made).size_bytes == 4
    victim = made / ("added" if harm == "add" else "mlflow.dump")
    victim.unlink() if harm == "remove" else victim.write_bytes(b"other")
    with pytest.raises(BackupError, match=rf"is damaged: {victim.name}\. Restore another one; nothing was changed"):
        read_backup(made)


def test_a_backup_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    document = {"format": 1, "made_at": "", "releases": {"forecasting": "9999"}, "files": {}}
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(BackupError, match=r"is of a newer release\. Restore it with the release that made it"):
        read_backup(tmp_path)


def test_a_folder_without_a_manifest_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"holds no readable manifest\.json"):
        read_backup(tmp_path)


def test_a_backup_never_overwrites_and_a_failed_one_leaves_nothing(open_directory: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="is there already"):
        make_backup(open_directory, tmp_path)
    with pytest.raises(PlatformStateError, match="holds no data"):
        make_backup(open_directory / "none", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_running_platform_is_backed_up_and_not_restored_into(
    running_platform: tuple[EmbeddedPlatform, str], tmp_path: Path
) -> None:
    running, _ = running_platform
    made = make_backup(running.directory.path, tmp_path / "made")
    assert {f"{name}.dump" for name in DATABASES} <= made.files.keys()
    with pytest.raises(PlatformStateError, match="runs in"):
        restore_backup(running.directory.path, tmp_path / "made", overwrite=True)
