"""What a description adds to a feed over HTTP: headers and variables of the environment, pages, files in a zip."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from forecasting_platform.adapters.feeds import http_download, public_addresses
from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.http_feed import HttpFeed
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform_tests.adapters.feeds.test_raw_document import zipped
from forecasting_platform_tests.contracts.observation_feed_contract import (
    JUNE,
    MAX_BYTES,
    MakeFeed,
    ObservationFeedContract,
    Publisher,
    SecretAddressContract,
    SimulatedDocument,
    published,
)
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from forecasting_platform_tests.support.web_servers import Answering, RecordingServer

pytestmark = pytest.mark.slow

DOCUMENT = b'[{"Date": "01/06/2018", "a": 1.5}]'


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer(lambda request: request.send(DOCUMENT)) as running:
        yield running


def feed(
    source: dict[str, Any],
    archive: DocumentArchive | None = None,
    timeout_seconds: float = PATIENCE_SECONDS,
    max_bytes: int = MAX_BYTES,
    **described: Any,
) -> HttpFeed:
    description = FeedDescription.model_validate({"source": source, "day": {"format": "dd/mm/yyyy"}, **described})
    return HttpFeed(description, timeout_seconds=timeout_seconds, max_bytes=max_bytes, archive=archive)


# --- headers and variables ---


def test_headers_are_sent_with_what_the_environment_says(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAS_KEY", "geheim")
    headers = {"Authorization": "Bearer ${GAS_KEY}", "Accept": "application/json"}
    feed({"url": f"{server.url}/feed?key=${{GAS_KEY}}", "headers": headers}).fetch(JUNE)
    assert server.asked[0].path == "/feed?key=geheim"
    assert (server.asked[0].headers["Authorization"], server.asked[0].headers["Accept"]) == (
        "Bearer geheim",
        "application/json",
    )


def test_headers_follow_a_redirect_on_their_own_server_and_to_no_other(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_addresses, "is_public", lambda _: True)
    for host, goes_along in (("127.0.0.1", True), ("localhost", False)):
        server.asked.clear()
        _redirect(server, f"http://{host}:{server.server_port}/moved")
        feed({"url": f"{server.url}/feed", "headers": {"X-Key": "geheim"}}).fetch(JUNE)
        assert ["X-Key" in asked.headers for asked in server.asked] == [True, goes_along]


def _redirect(server: RecordingServer, location: str) -> None:
    def answer(request: Answering) -> None:
        request.send(b"", 302, Location=location) if request.path == "/feed" else request.send(DOCUMENT)

    server.answer = answer


def test_a_variable_that_is_not_set_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    for url in ("https://host/${MISSING}", "https://host/?key=${EMPTY}"):
        with pytest.raises(ConfigurationError, match=r"setting (MISSING|EMPTY): is not set, and the feed 'gas' needs"):
            feed({"url": url}, name="gas")


@pytest.mark.parametrize("value", ["geheim\r\nX-Other: 1", "geheim…"], ids=["line break", "beyond Latin-1"])
def test_a_header_that_cannot_be_sent_is_told_without_its_value(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GAS_KEY", value)
    with pytest.raises(ConfigurationError, match=r"source\.headers\.X-Key of the feed 'feed': is no header") as refused:
        feed({"url": "https://host/", "headers": {"X-Key": "${GAS_KEY}"}})
    assert "geheim" not in str(refused.getrepr(chain=True, style="short", showlocals=False))


@pytest.mark.parametrize("status", [200, 403])
def test_a_server_that_repeats_a_secret_does_not_make_it_known(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    monkeypatch.setenv("GAS_KEY", "very geheim")
    server.answer = lambda request: request.send(b'{"very geheim": "is no key"}', status)
    with pytest.raises(FeedDocumentError) as refused:
        feed({"url": f"{server.url}/${{GAS_KEY}}/feed"}).fetch(JUNE)
    assert "geheim" not in str(refused.getrepr(chain=True, style="short", showlocals=False)) + caplog.text
    assert "/${GAS_KEY}/feed" in str(refused.value)


class Keyed(RecordingServer):
    """Publishes the document to who has the key."""

    def __init__(self) -> None:
        self.document, self.is_down = SimulatedDocument(), False
        super().__init__(self.give)

    def give(self, request: Answering) -> None:
        allowed = request.headers["X-Key"] == "geheim" and not self.is_down
        request.send(self.document.content, 200) if allowed else request.send(b"", 500)

    def fail(self, name: str, **parameters: Any) -> None:
        self.document.fail(name, **parameters)

    def take_down(self) -> None:
        self.is_down = True


class TestHttpFeedWithKey(ObservationFeedContract, SecretAddressContract):
    says_not_modified = False

    @pytest.fixture
    def publisher(self) -> Iterator[Keyed]:
        with Keyed() as running:
            yield running

    @pytest.fixture
    def make_feed(self, publisher: Keyed, monkeypatch: pytest.MonkeyPatch) -> MakeFeed:
        monkeypatch.setenv("GAS_KEY", "geheim")
        source = {"url": f"{publisher.url}/${{GAS_KEY}}", "headers": {"X-Key": "${GAS_KEY}"}}
        return lambda archive, timeout_seconds=PATIENCE_SECONDS: feed(source, archive, timeout_seconds)


# --- pages ---

ROWS = [{"Date": f"{day:02}/06/2018", "a": day} for day in range(1, 8)]


class Paged(RecordingServer):
    """Gives rows page by page, by number, by offset and by the URL of the next page."""

    def __init__(self, rows: Callable[[], list[Any]] = lambda: ROWS, size: int = 3) -> None:
        self.rows, self.size, self.fails_at = rows, size, 0
        super().__init__(self.give)

    def give(self, request: Answering) -> None:
        asked = parse_qs(urlsplit(request.path).query)
        offset = int(asked["offset"][0]) if "offset" in asked else self.size * (int(asked.get("page", ["1"])[0]) - 1)
        number, rows = offset // self.size + 1, self.rows()
        if number == self.fails_at:
            request.send(b"", 404)
            return
        last = -(-len(rows) // self.size)
        following = f"/feed?page={number + 1}" if number < last else None
        page = {
            "data": rows[offset : offset + self.size],
            "meta": {"last": last, "total": str(len(rows)), "next": following},
        }
        request.send(json.dumps(page).encode())


@pytest.fixture
def paged() -> Iterator[Paged]:
    with Paged() as running:
        yield running


@pytest.mark.parametrize(
    ("pages", "asked"),
    [
        ({"parameter": "page"}, ["page=1", "page=2", "page=3", "page=4"]),
        ({"parameter": "page", "last": "meta.last"}, ["page=1", "page=2", "page=3"]),
        ({"parameter": "offset", "counts": "records"}, ["offset=0", "offset=3", "offset=6", "offset=7"]),
        (
            {"parameter": "offset", "counts": "records", "last": "meta.total"},
            ["offset=0", "offset=3", "offset=6"],
        ),
        ({"next": "meta.next"}, ["key=1", "page=2", "page=3"]),
    ],
    ids=["until an empty one", "last page", "offset", "total", "next"],
)
def test_all_pages_are_one_document(paged: Paged, pages: dict[str, Any], asked: list[str]) -> None:
    document = feed({"url": f"{paged.url}/feed?key=1", "pages": pages}, records="data").fetch(JUNE)
    assert document.observations["y"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert [request.path.rpartition("?")[2].removeprefix("key=1&") for request in paged.asked] == asked


def test_a_page_that_fails_fails_them_all(paged: Paged) -> None:
    paged.fails_at = 2
    with pytest.raises(FeedDocumentError, match="it answered 404"):
        feed({"url": paged.url, "pages": {"parameter": "page"}}, records="data").fetch(JUNE)


@pytest.mark.parametrize(
    ("pages", "described", "problem"),
    [
        ({"parameter": "page", "at_most": 2}, {}, "it has more than the 2 pages of source.pages.at_most"),
        ({"parameter": "seite"}, {}, "page 2 repeats the one before: its URL does not say which page is meant"),
        ({"parameter": "page", "last": "meta.pages"}, {}, "page 1 has no number at 'meta.pages', but None"),
        ({"next": "meta.last"}, {}, "page 1 has no URL at 'meta.last', but 3"),
        ({"next": "'/feed?page=1'"}, {}, "page 3 is one that was read before|page 2 repeats"),
        ({"parameter": "page"}, {"records": "rows"}, "page 1, was refused .*an array of objects is expected at 'rows'"),
        ({"parameter": "page"}, {"error": "meta.total"}, "page 1, was refused .*the source answered with an error: 7"),
    ],
)
def test_pages_that_cannot_be_gone_through_are_refused(
    paged: Paged, pages: dict[str, Any], described: dict[str, Any], problem: str
) -> None:
    with pytest.raises(FeedDocumentError, match=problem):
        feed({"url": f"{paged.url}/feed", "pages": pages}, **{"records": "data", **described}).fetch(JUNE)


def test_a_page_that_is_no_json_is_refused(server: RecordingServer) -> None:
    server.answer = lambda request: request.send(b"Date,a\n01/06/2018,1\n", Content_Type="text/csv")
    with pytest.raises(FeedDocumentError, match="page 1 is no JSON, and only pages of JSON are read"):
        feed({"url": server.url, "pages": {"parameter": "page"}}).fetch(JUNE)


def test_all_pages_together_may_be_as_large_as_one_document(paged: Paged) -> None:
    paged.rows = lambda: [{**row, "b": "x" * 300} for row in ROWS]
    with pytest.raises(FeedDocumentError, match="may have 1,500 bytes and has more in its first 2 pages"):
        feed({"url": paged.url, "pages": {"parameter": "page"}}, max_bytes=1500, records="data").fetch(JUNE)


def test_all_pages_share_one_deadline(paged: Paged, monkeypatch: pytest.MonkeyPatch) -> None:
    get, deadlines = http_download.HttpDownload.get, []

    def noting(download: http_download.HttpDownload, *asked: Any, deadline: float | None = None) -> Any:
        deadlines.append(deadline)
        return get(download, *asked, deadline=deadline)

    monkeypatch.setattr(http_download.HttpDownload, "get", noting)
    feed({"url": paged.url, "pages": {"parameter": "page"}}, records="data").fetch(JUNE)
    assert len(deadlines) == 4
    assert len(set(deadlines)) == 1


def test_a_page_that_hangs_is_given_up_at_the_deadline(paged: Paged) -> None:
    give, second = paged.give, []

    def hang(request: Answering) -> None:
        give(request) if "page=1" in request.path else second.append(request.rfile.read(1))

    paged.answer = hang
    with pytest.raises(FeedUnavailableError, match=r"no whole answer within 0\.5 seconds"):
        feed({"url": paged.url, "pages": {"parameter": "page"}}, None, 0.5, records="data").fetch(JUNE)


def test_a_next_page_on_another_server_is_asked_for_without_headers(
    paged: Paged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_addresses, "is_public", lambda _: True)
    elsewhere = f"http://localhost:{paged.server_port}/feed?page=2"
    source = {"url": paged.url, "headers": {"X-Key": "geheim"}, "pages": {"next": f"meta.next && '{elsewhere}'"}}
    with pytest.raises(FeedDocumentError, match="page 3 is one that was read before"):
        feed(source, records="data").fetch(JUNE)
    assert ["X-Key" in asked.headers for asked in paged.asked] == [True, False]


def test_a_next_page_on_a_private_address_is_refused(paged: Paged) -> None:
    source = {"url": paged.url, "pages": {"next": "'http://169.254.169.254/latest'"}}
    with pytest.raises(FeedDocumentError, match=r"leads to 169\.254\.169\.254, a private address"):
        feed(source, records="data").fetch(JUNE)


class PagedDocument(Paged):
    """Publishes the simulated document in pages."""

    def __init__(self) -> None:
        self.document = SimulatedDocument()
        super().__init__(lambda: json.loads(self.document.content), size=50)

    def fail(self, name: str, **parameters: Any) -> None:
        self.document.fail(name, **parameters)

    def take_down(self) -> None:
        self.answer = lambda request: request.send(b"", 503)


class TestPagedFeed(ObservationFeedContract, SecretAddressContract):
    says_not_modified = False

    @pytest.fixture
    def publisher(self) -> Iterator[PagedDocument]:
        with PagedDocument() as running:
            yield running

    @pytest.fixture
    def make_feed(self, publisher: PagedDocument) -> MakeFeed:
        source = {"url": f"{publisher.url}/?key=geheim", "pages": {"next": "meta.next"}}
        return lambda archive, timeout_seconds=PATIENCE_SECONDS: feed(source, archive, timeout_seconds, records="data")

    @pytest.mark.parametrize(("fault", "problem"), [("wrong_column", "no column 'Date'"), ("swapped_dates", "of row")])
    def test_a_document_that_must_not_be_used_is_refused_and_not_kept(
        self, feed: HttpFeed, publisher: Publisher, tmp_path: Path, fault: str, problem: str
    ) -> None:
        super().test_a_document_that_must_not_be_used_is_refused_and_not_kept(feed, publisher, tmp_path, fault, problem)

    def test_a_document_that_is_too_large_is_refused(self, feed: HttpFeed, publisher: Publisher) -> None:
        feed.max_bytes = 20_000
        with pytest.raises(FeedDocumentError, match="may have 20,000 bytes and has more"):
            feed.fetch(JUNE)


# --- files in a zip ---


def test_each_of_two_files_in_one_zip_is_a_feed_with_an_answer_of_its_own(
    server: RecordingServer, tmp_path: Path
) -> None:
    archive = DocumentArchive(str(tmp_path), keep_days=30)
    packed = zipped({"a.json": DOCUMENT, "b.json": DOCUMENT.replace(b"1.5", b"2.5")})

    def answer(request: Answering) -> None:
        unchanged = request.headers["If-None-Match"] == '"1"'
        request.send(
            b"" if unchanged else packed, 304 if unchanged else 200, ETag='"1"', Content_Type="application/zip"
        )

    server.answer = answer
    for not_modified in (False, True):
        for member, value in (("a.json", 1.5), ("b.json", 2.5)):
            document = feed({"url": server.url, "member": member}, archive).fetch(JUNE)
            assert document.observations["y"].tolist() == [value]
            assert document.not_modified == not_modified


def test_the_simulated_document_in_a_zip_is_read(server: RecordingServer) -> None:
    packed = zipped({"flows.json": SimulatedDocument().content, "read-me.txt": b"x"})
    server.answer = lambda request: request.send(packed, Content_Type="application/zip")
    assert len(feed({"url": server.url, "member": "*.json"}).fetch(JUNE).observations) == len(published(JUNE))
