"""Copies of folders that others write to."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from forecasting_platform.local import copying
from forecasting_platform.local.copying import BackupError, copy_folder

Meanwhile = Callable[[Callable[[Path], object]], None]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "data" / "feed-archive"
    (found / "documents" / "ab").mkdir(parents=True)
    for name in ("a", "b", "c"):
        (found / "documents" / "ab" / name).write_bytes(name.encode() * 100)
    return found


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Does something to a file each time one was copied."""
    copy = shutil.copy2

    def install(change: Callable[[Path], object]) -> None:
        def copying_and_more(source: str | Path, target: str | Path, **options: bool) -> object:
            done = copy(source, target, **options)
            change(Path(source))
            return done

        monkeypatch.setattr(shutil, "copy2", copying_and_more)

    return install


def test_a_copy_beside_a_load_that_archives_holds_what_was_there_and_stayed(
    folder: Path, tmp_path: Path, meanwhile: Meanwhile
) -> None:
    def archive(_copied: Path) -> None:
        (folder / "documents" / "ab" / "c").unlink(missing_ok=True)
        (folder / "documents" / "ab" / ".being-written").write_bytes(b"half")
        (folder / "documents" / "ab" / "d").write_bytes(b"new")

    (folder / "documents" / "ab" / ".left").write_bytes(b"half")
    meanwhile(archive)
    copy_folder(folder, tmp_path / "copy")
    assert contents(tmp_path / "copy") == {"documents/ab/a": b"a" * 100, "documents/ab/b": b"b" * 100}


def test_a_file_that_changes_while_it_is_copied_is_copied_again_as_a_whole(
    folder: Path, tmp_path: Path, meanwhile: Meanwhile
) -> None:
    changes = iter([b"later", b"latest"])

    def change(copied: Path) -> None:
        if copied.name == "a" and (content := next(changes, None)):
            copied.write_bytes(content)

    meanwhile(change)
    copy_folder(folder, tmp_path / "copy")
    assert contents(tmp_path / "copy")["documents/ab/a"] == b"latest"


def test_a_file_that_never_stands_still_is_named(folder: Path, tmp_path: Path, meanwhile: Meanwhile) -> None:
    meanwhile(lambda copied: copied.write_bytes(os.urandom(8)))
    with pytest.raises(BackupError, match=r"differs from .*/a after 5 attempts\. Try again"):
        copy_folder(folder, tmp_path / "copy")


def test_a_folder_that_goes_is_left_out_and_one_that_cannot_be_read_is_not(tmp_path: Path) -> None:
    copy_folder(tmp_path / "gone", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    with pytest.raises(PermissionError):
        copying._raise_unless_gone(PermissionError("not yours"))
