"""The feed in a store: fsspec's memory, and S3 as a local server of AWS's API has it."""

import threading
from collections.abc import Iterator
from typing import Any

import boto3
import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from moto.server import ThreadedMotoServer

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.fsspec_feed import FsspecFeed
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform_tests.contracts.observation_feed_contract import (
    JUNE,
    MAX_BYTES,
    MakeFeed,
    ObservationFeedContract,
    SimulatedDocument,
)
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS


def feed(url: str, archive: DocumentArchive | None = None, timeout_seconds: float = PATIENCE_SECONDS) -> FsspecFeed:
    description = FeedDescription.of_default_shape(url)
    return FsspecFeed(description, timeout_seconds=timeout_seconds, max_bytes=MAX_BYTES, archive=archive)


class Store:
    """Publishes the document in fsspec's memory."""

    URL = "memory://published/flows & co.json"

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch, self.document = monkeypatch, SimulatedDocument()
        self._write()

    def fail(self, name: str, **parameters: Any) -> None:
        self.document.fail(name, **parameters)
        self._write()

    def take_down(self) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise ConnectionResetError("reset by peer")

        self.monkeypatch.setattr(MemoryFileSystem, "_open", refuse)

    def _write(self) -> None:
        with fsspec.open(self.URL, "wb") as file:
            file.write(self.document.content)


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/published", recursive=True)


@pytest.mark.usefixtures("memory")
class TestFsspecFeed(ObservationFeedContract):
    says_not_modified = False

    @pytest.fixture
    def publisher(self, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> Store:
        return Store(monkeypatch)

    @pytest.fixture
    def make_feed(self, publisher: Store) -> MakeFeed:
        return lambda archive, timeout_seconds=PATIENCE_SECONDS: feed(publisher.URL, archive, timeout_seconds)


@pytest.mark.parametrize("url", ["memory://published/none.json", "memory://published"])
def test_what_is_not_there_is_refused_and_not_asked_for_again(memory: MemoryFileSystem, url: str) -> None:
    memory.pipe("/published/other.json", b"[]")
    with pytest.raises(FeedDocumentError, match=r"its store answered FileNotFoundError.*Check the feed's URL"):
        feed(url).fetch(JUNE)


def test_a_store_that_hangs_is_given_up_at_the_deadline(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/published/a.json", b"[]")
    let_go = threading.Event()
    monkeypatch.setattr(MemoryFileSystem, "_open", lambda *_, **__: let_go.wait(PATIENCE_SECONDS))
    with pytest.raises(FeedUnavailableError, match=r"no whole answer within 0\.1 seconds"):
        feed("memory://published/a.json", timeout_seconds=0.1).fetch(JUNE)
    let_go.set()


@pytest.mark.parametrize("url", ["memory:/a", "s3://", "gopher://host/a", "nonsense"])
def test_what_no_store_is_asked_for_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"source\.url: is no feed; give http"):
        feed(url)


def test_a_store_whose_package_is_not_installed_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_protocol: str) -> None:
        raise ImportError("Install adlfs to access Azure")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(ConfigurationError, match="needs a package that is not installed: Install adlfs"):
        feed("abfs://box/a.csv")


# --- S3 ---


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The endpoint of a local server of AWS's API, with a bucket that has the document."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="eu-west-1", aws_access_key_id="me", aws_secret_access_key="geheim"
    )
    client.create_bucket(Bucket="flows", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.put_object(Bucket="flows", Key="daily/flows.json", Body=SimulatedDocument().content)
    client.put_object(Bucket="flows", Key="daily/huge.json", Body=b" " * (MAX_BYTES + 1))
    yield endpoint.removeprefix("http://")
    server.stop()


def at(endpoint: str, key: str) -> str:
    return f"s3://me:geheim@{key}?scheme=http&endpoint_override={endpoint}&region=eu-west-1"


@pytest.mark.slow
def test_an_object_of_s3_is_a_feed(s3: str) -> None:
    found = feed(at(s3, "flows/daily/flows.json"))
    assert len(found.fetch(JUNE).observations) == 120
    assert found.source == "s3://flows/daily/flows.json"


@pytest.mark.slow
@pytest.mark.parametrize("key", ["flows/none.json", "nowhere/flows.json"])
def test_an_object_or_bucket_that_is_not_there_is_refused(s3: str, key: str) -> None:
    with pytest.raises(FeedDocumentError, match="its store answered FileNotFoundError") as refused:
        feed(at(s3, key)).fetch(JUNE)
    assert "geheim" not in str(refused.getrepr(chain=True, style="short", showlocals=False))


@pytest.mark.slow
def test_an_object_that_is_too_large_is_refused(s3: str) -> None:
    with pytest.raises(FeedDocumentError, match="may have 200,000 bytes and has more"):
        feed(at(s3, "flows/daily/huge.json")).fetch(JUNE)


@pytest.mark.slow
def test_a_store_that_is_not_there_is_unavailable(silent_port: int) -> None:
    with pytest.raises(FeedUnavailableError, match=r"s3://flows/a\.json is unavailable"):
        feed(at(f"127.0.0.1:{silent_port}", "flows/a.json"), timeout_seconds=1).fetch(JUNE)
