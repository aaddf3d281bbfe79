import gzip
import hashlib
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upath import UPath

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.raw_document import RawDocument, Validators
from forecasting_platform.errors import ArchiveUnavailableError, ConfigurationError

ADDRESS = "https://user:geheim@feed.example/data?key=geheim"
DAY_SECONDS = 24 * 3600


def raw(content: bytes = b"Date,a\n01/01/2020,1\n", etag: str | None = '"a"') -> RawDocument:
    return RawDocument(content, None, "https://feed.example/data", datetime.now(UTC), ADDRESS, Validators(etag))


@pytest.fixture(params=["folder", "file URL", "object store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    kinds = {
        "folder": str(tmp_path / "größe & co"),
        "file URL": (tmp_path / "archive").as_uri(),
        "object store": f"memory://bucket-{uuid.uuid4().hex}/feeds",
    }
    return kinds[request.param]


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_kept_document_is_recalled_by_its_address(root: str) -> None:
    archive = DocumentArchive(root, keep_days=30)
    assert archive.recall(ADDRESS, "feed") is None
    uri = archive.keep(raw())
    sha256 = hashlib.sha256(raw().content).hexdigest()
    assert uri.endswith(f"/documents/{sha256[:2]}/{sha256}.csv.gz")
    recalled = DocumentArchive(root, keep_days=30).recall(ADDRESS, "feed")
    assert recalled is not None
    assert (recalled.content, recalled.validators, recalled.source) == (raw().content, Validators('"a"'), "feed")
    assert archive.recall("https://feed.example/other", "feed") is None


def test_of_an_address_the_last_document_is_recalled(root: str) -> None:
    archive = DocumentArchive(root, keep_days=30)
    archive.keep(raw(b"Date,a\n01/01/2020,1\n", '"a"'))
    archive.keep(raw(b'[{"Date": "01/01/2020", "a": 2}]', '"b"'))
    recalled = archive.recall(ADDRESS, "feed")
    assert recalled is not None
    assert (recalled.content[:1], recalled.validators.etag) == (b"[", '"b"')


def test_the_same_document_is_kept_once(tmp_path: Path) -> None:
    archive = DocumentArchive(str(tmp_path), keep_days=30)
    assert len({archive.keep(raw(etag=etag)) for etag in ('"a"', '"b"')}) == 1
    assert len(files(tmp_path / "documents")) == len(files(tmp_path / "answers")) == 1


def test_many_writers_of_one_document_leave_it_whole_and_nothing_else(tmp_path: Path) -> None:
    archive, content = DocumentArchive(str(tmp_path), keep_days=30), os.urandom(300_000).hex().encode()
    with ThreadPoolExecutor(8) as pool:
        (uri,) = set(pool.map(lambda _: archive.keep(raw(content)), range(24)))
    (document,) = (tmp_path / "documents").glob("*/*")
    assert document.as_uri() == uri
    assert gzip.decompress(document.read_bytes()) == content


def test_who_reads_while_a_document_is_kept_again_finds_it_whole(tmp_path: Path) -> None:
    archive, kept = DocumentArchive(str(tmp_path), keep_days=30), raw(os.urandom(200_000).hex().encode())
    archive.keep(kept)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [archive.keep(kept) for _ in range(20)])
        found = []
        while not writing.done():
            found.append(archive.recall(ADDRESS, "feed"))
    assert {document.content == kept.content if document else False for document in found} == {True}


def test_a_write_that_fails_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(ArchiveUnavailableError, match=r"feed archive file://.* is unavailable: OSError: No space left"):
        DocumentArchive(str(tmp_path), keep_days=30).keep(raw())
    assert files(tmp_path) == []


def test_what_was_not_loaded_for_long_is_removed_and_what_was_stays(tmp_path: Path) -> None:
    archive = DocumentArchive(str(tmp_path), keep_days=30)
    for day in (1, 2):
        archive.keep(raw(f"Date,a\n0{day}/01/2020,1\n".encode()))
    (tmp_path / "documents" / "ab").mkdir(exist_ok=True)
    (tmp_path / "documents" / "ab" / ".left by a killed writer").touch()
    (tmp_path / "notes.txt").touch()
    long_ago = time.time() - 31 * DAY_SECONDS
    for path in files(tmp_path):
        os.utime(path, (long_ago, long_ago))
    archive.keep(raw(b"Date,a\n02/01/2020,1\n"))
    assert archive.remove_old() == 2
    left = [path.relative_to(tmp_path).parts[0] for path in files(tmp_path)]
    assert left == ["answers", "documents", "notes.txt"], "the one loaded again, and what is not ours"
    assert archive.recall(ADDRESS, "feed") is not None


def test_an_object_store_is_cleaned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"memory://bucket-{uuid.uuid4().hex}/feeds"
    archive = DocumentArchive(url, keep_days=30)
    assert archive.remove_old() == 0, "there is nothing yet"
    for day in (1, 2):
        archive.keep(raw(f"Date,a\n0{day}/01/2020,1\n".encode()))
    store = UPath(url).fs
    (UPath(url) / "documents" / "ab").mkdir(parents=True, exist_ok=True)
    (UPath(url) / "documents" / "ab" / "notes.txt").write_text("not ours")
    long_ago = datetime.now(UTC) - timedelta(days=31)
    monkeypatch.setattr(type(store), "modified", lambda _store, _path: long_ago)
    loaded_again = archive.keep(raw(b"Date,a\n02/01/2020,1\n")).rpartition("/")[2]
    answer = next((UPath(url) / "answers").iterdir()).name
    monkeypatch.setattr(
        type(store),
        "modified",
        lambda _store, path: datetime.now(UTC) if path.rpartition("/")[2] in {loaded_again, answer} else long_ago,
    )
    assert archive.remove_old() == 1
    assert archive.recall(ADDRESS, "feed") is not None
    assert (UPath(url) / "documents" / "ab" / "notes.txt").exists()


def test_an_unreadable_note_of_an_address_is_none(tmp_path: Path) -> None:
    archive = DocumentArchive(str(tmp_path), keep_days=30)
    archive.keep(raw())
    (note,) = (tmp_path / "answers").iterdir()
    for text in ("", "{}", "[]", "\x00", note.read_text().replace(".csv", "/../../x")):
        note.write_text(text)
        assert archive.recall(ADDRESS, "feed") is None


def test_an_archive_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    archive = DocumentArchive(str(tmp_path), keep_days=30)
    archive.keep(raw())
    (note,) = (tmp_path / "answers").iterdir()
    note.unlink()
    note.mkdir()
    with pytest.raises(ArchiveUnavailableError, match="IsADirectoryError"):
        archive.recall(ADDRESS, "feed")


def test_credentials_of_an_address_are_not_kept(tmp_path: Path) -> None:
    DocumentArchive(str(tmp_path), keep_days=30).keep(raw())
    assert not [path for path in files(tmp_path) if b"geheim" in path.read_bytes() or "geheim" in path.name]


@pytest.mark.parametrize("url", ["nonsense://bucket", "dropbox://folder"])
def test_a_store_that_nothing_here_speaks_with_is_a_configuration_error(url: str) -> None:
    with pytest.raises(
        ConfigurationError, match="FORECASTING_FEED_ARCHIVE: no installed package supports its protocol"
    ):
        DocumentArchive(url, keep_days=30)
