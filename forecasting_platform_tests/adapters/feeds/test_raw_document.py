"""What is packed is unpacked within the limit, and it is never guessed which file of a zip is meant."""

import io
import tracemalloc
import zipfile

import pytest

from forecasting_platform.adapters.feeds.raw_document import unpacked
from forecasting_platform.errors import FeedDocumentError

CSV = b"Date,a\n01/06/2018,1\n"


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_only_file_of_a_zip_is_the_document(method: int) -> None:
    assert unpacked(zipped({"a.csv": CSV}, method), "feed", 10_000) == CSV


def test_folders_and_what_a_mac_adds_are_no_files() -> None:
    files = {"data/": b"", "data/a.csv": CSV, "__MACOSX/data/._a.csv": b"x", "data/.DS_Store": b"x"}
    assert unpacked(zipped(files), "feed", 10_000) == CSV


@pytest.mark.parametrize("member", ["data/a.csv", "a.csv", "a.*", "data/*.csv"])
def test_of_several_files_the_named_one_is_the_document(member: str) -> None:
    assert unpacked(zipped({"data/a.csv": CSV, "read-me.txt": b"x"}), "feed", 10_000, member) == CSV


@pytest.mark.parametrize(
    ("files", "member", "problem"),
    [
        (
            {"a.csv": CSV, "b.csv": CSV},
            None,
            r"it is a zip of 'a\.csv', 'b\.csv'\. Name the one meant in source\.member",
        ),
        ({"a.csv": CSV, "b.csv": CSV}, "*.csv", r"it is a zip of 'a\.csv', 'b\.csv', 2 of them called '\*\.csv'"),
        ({"a.csv": CSV}, "c.csv", r"it is a zip of 'a\.csv', none of them called 'c\.csv'"),
        ({}, None, "it is a zip of no file"),
    ],
)
def test_a_zip_of_which_no_one_file_is_meant_says_what_it_holds(
    files: dict[str, bytes], member: str | None, problem: str
) -> None:
    with pytest.raises(FeedDocumentError, match=problem):
        unpacked(zipped(files), "feed", 10_000, member)


def test_a_small_zip_of_a_huge_file_is_not_unpacked() -> None:
    bomb = zipped({"a.csv": b" " * 50_000_000})
    tracemalloc.start()
    with pytest.raises(FeedDocumentError, match="may have 200,000 bytes and has more"):
        unpacked(bomb, "feed", 200_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 5_000_000


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_unpacks_without_a_limit_is_refused(method: int) -> None:
    with pytest.raises(FeedDocumentError, match=r"'a\.csv' in its zip is compressed in another way than Deflate"):
        unpacked(zipped({"a.csv": CSV}, method), "feed", 10_000)


def test_an_encrypted_file_is_refused() -> None:
    content = bytearray(zipped({"a.csv": CSV}))
    # Bit 0 of the flags of the file, and of its entry in the directory.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(FeedDocumentError, match=r"'a\.csv' in its zip is encrypted\. Have it published without"):
        unpacked(bytes(content), "feed", 10_000)


def test_a_zip_of_a_great_many_files_is_refused_before_they_are_listed() -> None:
    with pytest.raises(FeedDocumentError, match="zip of more than 10,000 files"):
        unpacked(b"PK\x03\x04" + b"PK\x01\x02" * 10_001, "feed", 100_000)


@pytest.mark.parametrize("cut", [10, 60, -4])
def test_a_zip_that_was_cut_is_refused(cut: int) -> None:
    with pytest.raises(FeedDocumentError, match="broken zip"):
        unpacked(zipped({"a.csv": CSV})[:cut], "feed", 10_000)


def test_a_damaged_file_is_refused() -> None:
    content = bytearray(zipped({"a.csv": CSV * 20}))
    content[45] ^= 0xFF
    with pytest.raises(FeedDocumentError, match="broken zip"):
        unpacked(bytes(content), "feed", 10_000)


@pytest.mark.parametrize("mark", ["[Content_Types].xml", "META-INF/manifest.xml"])
def test_a_workbook_is_a_document_itself(mark: str) -> None:
    workbook = zipped({mark: b"x", "xl/workbook.xml": b"x"})
    assert unpacked(workbook, "feed", 10_000) == workbook
    assert unpacked(zipped({"flows.xlsx": workbook}), "feed", 10_000) == workbook
