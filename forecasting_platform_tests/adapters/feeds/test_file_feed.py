import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.file_feed import FileFeed
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform_tests.contracts.observation_feed_contract import (
    JUNE,
    MAX_BYTES,
    MakeFeed,
    ObservationFeedContract,
    SimulatedDocument,
    published,
)


class Export:
    """Writes the document to a file again and again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document = SimulatedDocument()
        path.write_bytes(self.document.content)

    def fail(self, name: str, **parameters: Any) -> None:
        self.document.fail(name, **parameters)
        self.path.write_bytes(self.document.content)

    def take_down(self) -> None:
        self.path.unlink()


class TestFileFeed(ObservationFeedContract):
    says_not_modified = False

    @pytest.fixture
    def publisher(self, tmp_path: Path) -> Export:
        return Export(tmp_path / "größe & co.json")

    @pytest.fixture
    def make_feed(self, publisher: Export) -> MakeFeed:
        return lambda archive, _=0.0: feed(publisher.path, archive)


def feed(path: Path, archive: DocumentArchive | None = None) -> FileFeed:
    return FileFeed(
        FeedDescription.of_default_shape(path.as_uri()), timeout_seconds=60, max_bytes=MAX_BYTES, archive=archive
    )


@pytest.fixture
def content() -> bytes:
    return SimulatedDocument().content


@pytest.mark.parametrize("name", ["feed.json.gz", "feed.gz", "feed"])
def test_a_compressed_file_is_unpacked_whatever_its_name(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(content))
    document = feed(tmp_path / name).fetch(JUNE)
    pd.testing.assert_frame_equal(document.observations, published(JUNE))
    assert document.size_bytes == len(content)


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "feed.json.gz").write_bytes(gzip.compress(b" " * 50_000_000))
    tracemalloc.start()
    with pytest.raises(FeedDocumentError, match="may have 200,000 bytes and has more"):
        feed(tmp_path / "feed.json.gz").fetch(JUNE)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 5_000_000


@pytest.mark.parametrize("cut", [5, 12, -4], ids=["in its header", "in its data", "in its checksum"])
def test_a_file_that_was_cut_is_refused(tmp_path: Path, content: bytes, cut: int) -> None:
    (tmp_path / "feed.json.gz").write_bytes(gzip.compress(content)[:cut])
    with pytest.raises(FeedDocumentError, match="broken gzip"):
        feed(tmp_path / "feed.json.gz").fetch(JUNE)


def test_a_name_says_what_a_file_holds(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("[a]x,Date\n1,01/06/2018\n", encoding="utf-8")
    assert feed(tmp_path / "feed.csv").fetch(JUNE).observations["y"].tolist() == [1.0]


def test_a_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(FeedUnavailableError, match="Is a directory"):
        feed(tmp_path).fetch(JUNE)


@pytest.mark.parametrize("url", ["file:", "file://", "file:feed.json", "file://server/feed.json", "/data/feed.json"])
def test_what_is_no_file_of_this_machine_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is no file of this machine"):
        FileFeed(FeedDescription.of_default_shape(url), timeout_seconds=60, max_bytes=1)
