import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forecasting_platform.errors import ConfigurationError, PlatformStateError
from forecasting_platform.local.postgres import postgres_home
from forecasting_platform.local.postgres.postgres_home import (
    cluster_home,
    remove_orphans,
    server_account,
    server_binaries,
)
from forecasting_platform.local.processes import Account

ELSEWHERE = Account(uid=12345, gid=12345)


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for root below a directory that only root can enter."""
    monkeypatch.setattr(postgres_home, "_can", lambda *_: False)


def test_an_ordinary_user_has_the_cluster_in_the_directory_itself(tmp_path: Path) -> None:
    home = cluster_home(tmp_path / "postgres", None, tmp_path / "homes")
    assert home == (tmp_path / "postgres").resolve()
    assert home.stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "homes").exists()


def test_below_a_directory_its_account_cannot_enter_the_cluster_is_linked(tmp_path: Path, unreachable: None) -> None:
    before = tmp_path.stat().st_mode
    home = cluster_home(tmp_path / "postgres", ELSEWHERE, tmp_path / "homes")
    assert home.parent == tmp_path / "homes"
    assert (tmp_path / "postgres").readlink() == home
    assert tmp_path.stat().st_mode == before, "a user's own directory is never opened"
    assert cluster_home(tmp_path / "postgres", ELSEWHERE, tmp_path / "homes") == home


def test_a_link_to_a_lost_home_is_an_error_and_not_an_empty_database(tmp_path: Path, unreachable: None) -> None:
    shutil.rmtree(cluster_home(tmp_path / "postgres", ELSEWHERE, tmp_path / "homes"))
    with pytest.raises(PlatformStateError, match="which is gone, and the database with it"):
        cluster_home(tmp_path / "postgres", ELSEWHERE, tmp_path / "homes")


def test_homes_that_no_link_points_to_are_removed_and_others_kept(tmp_path: Path, unreachable: None) -> None:
    homes = tmp_path / "homes"
    owned, orphan, replaced = (
        cluster_home(_directory(tmp_path / name) / "postgres", ELSEWHERE, homes)
        for name in ("owned", "orphan", "replaced")
    )
    shutil.rmtree(tmp_path / "orphan")
    (tmp_path / "replaced" / "postgres").unlink()
    (tmp_path / "replaced" / "postgres").symlink_to(owned)
    assert set(remove_orphans(homes, older_than_seconds=-1.0)) == {orphan, replaced}
    assert owned.is_dir()
    assert not orphan.exists()


def test_a_home_whose_directory_may_only_be_moving_is_kept_for_an_hour(tmp_path: Path, unreachable: None) -> None:
    home = cluster_home(_directory(tmp_path / "moving") / "postgres", ELSEWHERE, tmp_path / "homes")
    shutil.rmtree(tmp_path / "moving")
    assert remove_orphans(tmp_path / "homes") == []
    long_ago = time.time() - 3601.0
    os.utime(home / "owner", (long_ago, long_ago))
    assert remove_orphans(tmp_path / "homes") == [home]


def test_platforms_that_start_at_once_remove_the_same_orphans(tmp_path: Path, unreachable: None) -> None:
    homes, orphans = tmp_path / "homes", []
    for number in range(30):
        link = _directory(tmp_path / f"gone {number}") / "postgres"
        orphans.append(cluster_home(link, ELSEWHERE, homes))
        for file in range(20):
            (orphans[-1] / f"{file:04}").touch()
        link.unlink()
    with ThreadPoolExecutor(8) as starting:
        removed = list(starting.map(lambda _: remove_orphans(homes, older_than_seconds=-1.0), range(8)))
    assert set(orphans) <= {home for homes in removed for home in homes}
    assert list(homes.iterdir()) == []


def test_a_home_that_cannot_be_made_says_what_to_do(tmp_path: Path, unreachable: None) -> None:
    (tmp_path / "homes").write_text("a file in the way")
    with pytest.raises(PlatformStateError, match="Use a data directory that every account can enter"):
        cluster_home(tmp_path / "postgres", ELSEWHERE, tmp_path / "homes")


def test_binaries_that_the_account_cannot_execute_are_copied_once(tmp_path: Path, unreachable: None) -> None:
    copy = server_binaries(ELSEWHERE, tmp_path / "homes")
    assert copy.is_relative_to(tmp_path / "homes")
    assert os.access(copy / "postgres", os.X_OK)
    assert server_binaries(ELSEWHERE, tmp_path / "homes") == copy
    assert len(list((tmp_path / "homes").iterdir())) == 1


def test_named_binaries_that_are_not_there_are_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"FORECASTING_POSTGRES_BIN: .* holds no postgres and initdb"):
        server_binaries(None)


def test_root_on_a_machine_without_an_unprivileged_account_is_told_to_make_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres_home, "UNPRIVILEGED_NAMES", ("nobody-of-this-name",))
    with pytest.raises(PlatformStateError, match="useradd --system postgres"):
        server_account()


def test_an_ordinary_user_runs_the_server_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account() is None


def _directory(path: Path) -> Path:
    path.mkdir()
    return path
