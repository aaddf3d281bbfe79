"""The feed's client against a real server on this machine."""

import gzip
import itertools
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request

from forecasting_platform.adapters.feeds import http_download, public_addresses
from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.http_feed import HttpFeed
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform_tests.contracts.observation_feed_contract import (
    MAX_BYTES,
    MakeFeed,
    ObservationFeedContract,
    SecretAddressContract,
    SimulatedDocument,
)
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from forecasting_platform_tests.support.web_servers import Answering, RecordingServer, served

pytestmark = pytest.mark.slow

DAY = DateRange(date(2020, 1, 1), date(2020, 1, 1))
DOCUMENT = b'[{"Date": "01/01/2020", "a": 1.5}]'
MEGABYTE = b" " * 1_000_000

Answer = Callable[[Answering], None]


class Server(RecordingServer):
    """Publishes the document until a test says otherwise."""

    def __init__(self) -> None:
        super().__init__(send)

    @property
    def url(self) -> str:
        return f"{super().url}/feed"


def send(request: Answering, body: bytes = DOCUMENT, status: int = 200, **headers: str) -> None:
    request.send(body, status, **headers)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def feed(
    url: str,
    *,
    timeout_seconds: float = PATIENCE_SECONDS,
    max_bytes: int = 1_000_000,
    archive: DocumentArchive | None = None,
) -> HttpFeed:
    return HttpFeed(
        FeedDescription.of_default_shape(url), timeout_seconds=timeout_seconds, max_bytes=max_bytes, archive=archive
    )


class Site:
    """Publishes the document on a server that knows when it was changed, and nothing else of it."""

    def __init__(self) -> None:
        self.document = SimulatedDocument()
        self.changed_at = datetime(2018, 7, 1, tzinfo=UTC)
        self.is_down = False
        self.base = ""
        self.app = Flask("site")
        self.app.get("/feed")(self.feed)

    def feed(self) -> Response:
        if self.is_down:
            return Response(status=500)
        response = Response(self.document.content)
        response.last_modified = self.changed_at
        response.make_conditional(request)
        return response

    def fail(self, name: str, **parameters: Any) -> None:
        self.document.fail(name, **parameters)
        self.changed_at += timedelta(seconds=1)

    def take_down(self) -> None:
        self.is_down = True


class TestHttpFeed(ObservationFeedContract, SecretAddressContract):
    @pytest.fixture
    def publisher(self) -> Iterator[Site]:
        site = Site()
        with served(site.app) as base:
            site.base = base
            yield site

    @pytest.fixture
    def make_feed(self, publisher: Site) -> MakeFeed:
        url = f"{publisher.base}/feed?key=geheim"
        return lambda archive, timeout_seconds=PATIENCE_SECONDS: feed(
            url, timeout_seconds=timeout_seconds, max_bytes=MAX_BYTES, archive=archive
        )


@pytest.fixture
def three_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch that fails at its third attempt has failed, long before its deadline, and the attempts do not wait."""
    monkeypatch.setattr(http_download, "_pauses", lambda: iter([0.0, 0.0, float("inf")]))


def answers(*statuses: int) -> Answer:
    """One status after the other, the last one for ever."""
    left = itertools.chain(statuses, itertools.repeat(statuses[-1]))
    return lambda request: send(request, status=next(left))


def redirect(location: str, status: int = 302) -> Answer:
    def answer(request: Answering) -> None:
        if request.path == "/feed":
            send(request, b"", status=status, Location=location)
        else:
            send(request)

    return answer


def test_a_document_is_fetched_and_parsed(server: Server) -> None:
    document = feed(server.url).fetch(DAY)
    assert document.observations["y"].tolist() == [1.5]
    assert document.source == server.url
    assert document.fetched_at.tzinfo is not None


def test_a_compressed_document_is_measured_after_decompression(server: Server) -> None:
    server.answer = lambda request: send(request, gzip.compress(DOCUMENT), Content_Encoding="gzip")
    assert feed(server.url).fetch(DAY).size_bytes == len(DOCUMENT)


def test_the_days_go_where_the_url_asks_for_them(server: Server) -> None:
    feed(f"{server.url}?from={{start}}&to={{end}}").fetch(DateRange(date(2020, 1, 1), date(2020, 1, 31)))
    feed(f"{server.url}?key=x").fetch(DAY)
    assert [asked.path for asked in server.asked] == ["/feed?from=2020-01-01&to=2020-01-31", "/feed?key=x"]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_error_is_overcome(server: Server, status: int) -> None:
    server.answer = answers(status, 200)
    assert len(feed(server.url).fetch(DAY).observations) == 1


@pytest.mark.usefixtures("three_attempts")
def test_a_lasting_server_error_is_unavailable(server: Server) -> None:
    server.answer = answers(503)
    with pytest.raises(FeedUnavailableError, match="it answered 503 Service Unavailable"):
        feed(server.url).fetch(DAY)
    assert len(server.asked) == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_wants_us_to_wait_past_the_deadline_is_unavailable(server: Server, form: str) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    server.answer = lambda request: send(request, status=429, Retry_After="3600" if form == "seconds" else later)
    with pytest.raises(FeedUnavailableError, match="it answered 429"):
        feed(server.url).fetch(DAY)
    assert len(server.asked) == 1, "nobody waits for what comes too late"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204, 304])
def test_an_answer_that_waiting_does_not_mend_is_refused(server: Server, status: int) -> None:
    server.answer = answers(status)
    with pytest.raises(FeedDocumentError, match=rf"it answered {status} .* Check the feed's URL"):
        feed(server.url).fetch(DAY)
    assert len(server.asked) == 1


@pytest.mark.usefixtures("three_attempts")
def test_a_feed_that_is_down_is_unavailable(silent_port: int) -> None:
    with pytest.raises(FeedUnavailableError, match="Connection refused"):
        feed(f"http://127.0.0.1:{silent_port}/feed").fetch(DAY)


@pytest.mark.usefixtures("three_attempts")
def test_an_unknown_host_is_unavailable() -> None:
    with pytest.raises(
        FeedUnavailableError, match=r"http://no-such-host\.invalid/feed is unavailable: NameResolutionError"
    ):
        feed("http://no-such-host.invalid/feed").fetch(DAY)


def test_a_web_page_is_refused(server: Server) -> None:
    server.answer = lambda request: send(request, b"<html>Maintenance</html>", Content_Type="text/html")
    with pytest.raises(FeedDocumentError, match=r"web page or XML \(content type text/html\)"):
        feed(server.url).fetch(DAY)


@pytest.mark.usefixtures("three_attempts")
def test_a_connection_lost_in_the_middle_is_unavailable(server: Server) -> None:
    server.answer = lambda request: send(request, DOCUMENT, Content_Length="1000")
    with pytest.raises(FeedUnavailableError, match="IncompleteRead"):
        feed(server.url).fetch(DAY)
    assert len(server.asked) == 3


@pytest.mark.usefixtures("three_attempts")
def test_broken_compression_is_unavailable(server: Server) -> None:
    server.answer = lambda request: send(request, b"no gzip", Content_Encoding="gzip")
    with pytest.raises(FeedUnavailableError, match="failed to decode"):
        feed(server.url).fetch(DAY)
    assert len(server.asked) == 3


def test_a_server_is_given_the_time_it_asks_for(server: Server) -> None:
    left = iter([lambda request: send(request, status=503, Retry_After="1")])
    server.answer = lambda request: next(left, send)(request)
    started = time.monotonic()
    assert len(feed(server.url).fetch(DAY).observations) == 1
    assert time.monotonic() - started >= 1
    assert len(server.asked) == 2


def test_a_time_to_wait_that_cannot_be_read_is_none(server: Server) -> None:
    left = iter([lambda request: send(request, status=503, Retry_After="soon")])
    server.answer = lambda request: next(left, send)(request)
    assert len(feed(server.url).fetch(DAY).observations) == 1


def test_a_long_download_tells_how_far_it_is(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http_download, "_PROGRESS_SECONDS", 0.0)
    caplog.set_level("INFO")
    server.answer = lambda request: send(request, DOCUMENT + b" " * 200_000)
    feed(server.url).fetch(DAY)
    assert f"{server.url}: 65536 bytes so far" in caplog.text


# --- conditional requests ---


@pytest.fixture
def archive(tmp_path: Path) -> DocumentArchive:
    return DocumentArchive(str(tmp_path), keep_days=30)


LONG_AGO = "Mon, 01 Jan 2018 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "asked_with"),
    [
        ({"ETag": '"a"', "Last_Modified": LONG_AGO}, {"If-None-Match": '"a"'}),
        ({"ETag": 'W/"a"'}, {"If-None-Match": 'W/"a"'}),
        ({"Last_Modified": LONG_AGO}, {"If-Modified-Since": LONG_AGO}),
        ({"Last_Modified": "yesterday"}, {}),
        ({}, {}),
    ],
    ids=["strong", "weak", "time", "no time", "neither"],
)
def test_a_server_is_asked_by_what_it_gave(
    server: Server, archive: DocumentArchive, headers: dict[str, str], asked_with: dict[str, str]
) -> None:
    server.answer = lambda request: send(request, **headers)
    for _ in range(2):
        assert len(feed(server.url, archive=archive).fetch(DAY).observations) == 1
    assert _conditions(server) == [{}, asked_with]


def test_a_document_changed_in_the_second_it_was_sent_is_asked_for_whole(
    server: Server, archive: DocumentArchive
) -> None:
    # Its server may have changed it once more in that second, and would say that nothing has changed since.
    server.answer = lambda request: send(request, Last_Modified=format_datetime(datetime.now(UTC), usegmt=True))
    for _ in range(2):
        feed(server.url, archive=archive).fetch(DAY)
    assert _conditions(server) == [{}, {}]


def _conditions(server: Server) -> list[dict[str, str]]:
    return [{name: value for name, value in asked.headers.items() if name.startswith("If-")} for asked in server.asked]


def test_not_modified_is_an_answer_only_to_who_has_the_document(server: Server, archive: DocumentArchive) -> None:
    server.answer = answers(304)
    with pytest.raises(FeedDocumentError, match="it answered 304"):
        feed(server.url, archive=archive).fetch(DAY)


def test_a_kept_document_is_only_taken_for_the_address_it_came_from(server: Server, archive: DocumentArchive) -> None:
    server.answer = lambda request: send(request, ETag='"a"')
    for key in ("1", "2", "1"):
        feed(f"{server.url}?key={key}", archive=archive).fetch(DAY)
    assert _conditions(server) == [{}, {}, {"If-None-Match": '"a"'}]


def test_a_gzip_file_is_unpacked_within_the_limit(server: Server) -> None:
    server.answer = lambda request: send(request, gzip.compress(DOCUMENT), Content_Type="application/gzip")
    assert feed(server.url).fetch(DAY).size_bytes == len(DOCUMENT)
    server.answer = lambda request: send(request, gzip.compress(b" " * 50_000_000))
    with pytest.raises(FeedDocumentError, match="may have 1,000,000 bytes and has more"):
        feed(server.url).fetch(DAY)


# --- size ---


def test_a_document_announced_too_large_is_not_read(server: Server) -> None:
    def announce(request: Answering) -> None:
        send(request, MEGABYTE, Content_Length=str(400 * len(MEGABYTE)))
        for _ in range(399):
            request.wfile.write(MEGABYTE)

    server.answer = announce
    with pytest.raises(FeedDocumentError, match="may have 1,000,000 bytes and has 400,000,000 bytes"):
        feed(server.url).fetch(DAY)
    assert server.cut_off.wait(PATIENCE_SECONDS), "the whole document was read"


def test_a_document_that_turns_out_too_large_is_not_read_to_the_end(server: Server) -> None:
    def stream(request: Answering) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(400):
            request.wfile.write(MEGABYTE)

    server.answer = stream
    with pytest.raises(FeedDocumentError, match="may have 1,000,000 bytes and has more"):
        feed(server.url).fetch(DAY)
    assert server.cut_off.wait(PATIENCE_SECONDS), "the whole document was read"


def test_a_small_answer_that_unpacks_to_a_huge_one_is_not_unpacked(server: Server) -> None:
    bomb = gzip.compress(b" " * 50_000_000, compresslevel=1)
    server.answer = lambda request: send(request, bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(FeedDocumentError, match="may have 1,000,000 bytes and has more"):
            feed(server.url, max_bytes=1_000_000).fetch(DAY)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


# --- time ---


@pytest.mark.parametrize("part", ["header", "body"])
def test_an_answer_that_trickles_is_given_up_at_the_deadline(server: Server, part: str) -> None:
    done = threading.Event()

    def trickle(request: Answering) -> None:
        if part == "body":
            request.send_response(200)
            request.end_headers()
        while not done.wait(0.05):
            request.wfile.write(b" ")

    server.answer = trickle
    with pytest.raises(FeedUnavailableError, match=r"no whole answer within 0\.5 seconds"):
        feed(server.url, timeout_seconds=0.5).fetch(DAY)
    done.set()


def test_a_server_that_says_nothing_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/feed"
        with pytest.raises(FeedUnavailableError, match="seconds"):
            feed(url, timeout_seconds=0.3).fetch(DAY)


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_is_followed(server: Server, status: int) -> None:
    server.answer = redirect("/moved?x=1", status)
    assert len(feed(server.url).fetch(DAY).observations) == 1
    assert [asked.path for asked in server.asked] == ["/feed", "/moved?x=1"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/feed", "gopher://x/", "http://[broken"])
def test_a_redirect_to_something_else_than_http_is_refused(server: Server, target: str) -> None:
    server.answer = redirect(target)
    with pytest.raises(FeedDocumentError, match="no http or https address"):
        feed(server.url).fetch(DAY)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:7f00:1]"])
def test_a_redirect_to_a_private_address_is_refused(server: Server, host: str) -> None:
    server.answer = redirect(f"http://{host}:{server.server_port}/private")
    with pytest.raises(FeedDocumentError, match="a private address that the feed's URL does not name"):
        feed(server.url).fetch(DAY)
    assert [asked.path for asked in server.asked] == ["/feed"]


def test_a_redirect_to_another_port_of_a_private_host_is_refused(server: Server) -> None:
    with served(Flask("database")) as base:
        server.answer = redirect(f"{base}/")
        with pytest.raises(
            FeedDocumentError, match=r"leads to 127\.0\.0\.1, a private address that the feed's URL does not name"
        ):
            feed(server.url).fetch(DAY)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "rebound.example"])
def test_a_host_is_judged_by_the_address_it_was_connected_to(
    server: Server, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    real, looked_up = socket.getaddrinfo, []

    def rebinding(name: str, *rest: Any, **more: Any) -> Any:
        looked_up.append(name)
        return real("127.0.0.1" if name == "rebound.example" else name, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    server.answer = redirect(f"http://{host}:{server.server_port}/private")
    with pytest.raises(FeedDocumentError, match=f"leads to {host}, a private address"):
        feed(server.url).fetch(DAY)
    assert [asked.path for asked in server.asked] == ["/feed"], "nothing was sent to the private address"
    # A second look-up may answer otherwise; a number is judged without one.
    assert looked_up.count(host) == (host == "rebound.example")


def test_a_redirect_in_a_circle_is_refused(server: Server) -> None:
    server.answer = lambda request: send(request, b"", status=302, Location="/feed")
    with pytest.raises(FeedDocumentError, match="redirects more than 5 times"):
        feed(server.url).fetch(DAY)


def test_a_redirect_with_an_endless_body_is_not_read(server: Server) -> None:
    def answer(request: Answering) -> None:
        if request.path == "/moved":
            send(request)
            return
        send(request, MEGABYTE, status=302, Location="/moved", Content_Length=str(400 * len(MEGABYTE)))
        for _ in range(399):
            request.wfile.write(MEGABYTE)

    server.answer = answer
    assert len(feed(server.url).fetch(DAY).observations) == 1
    assert server.cut_off.wait(PATIENCE_SECONDS), "the whole body was read"


# --- secrets and settings ---


def test_credentials_are_sent_and_never_shown(
    server: Server, silent_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.url.replace("http://", "http://user:geheim@") + "?key=geheim"
    assert "geheim" not in feed(url).fetch(DAY).source
    assert server.asked[0].headers["Authorization"].startswith("Basic ")
    server.answer = answers(404)
    with pytest.raises(FeedDocumentError) as refused:
        feed(url).fetch(DAY)
    with pytest.raises(FeedUnavailableError) as unavailable:
        feed(url.replace(f":{server.server_port}", f":{silent_port}"), timeout_seconds=0.3).fetch(DAY)
    for caught in (refused, unavailable):
        assert "geheim" not in str(caught.value) + caplog.text
        assert "geheim" not in str(caught.getrepr(chain=True, style="short", showlocals=False))


def test_credentials_follow_a_redirect_on_the_host_they_were_given_for(server: Server) -> None:
    server.answer = redirect(f"http://127.0.0.1:{server.server_port}/moved")
    feed(server.url.replace("//", "//user:geheim@")).fetch(DAY)
    assert ["Authorization" in asked.headers for asked in server.asked] == [True, True]


def test_credentials_are_not_sent_to_another_host(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_addresses, "is_public", lambda _: True)
    server.answer = redirect(f"http://localhost:{server.server_port}/moved")
    feed(server.url.replace("//", "//user:geheim@")).fetch(DAY)
    assert ["Authorization" in asked.headers for asked in server.asked] == [True, False]


@pytest.mark.parametrize("url", ["feed.json", "file:///etc/passwd", "ftp://host/feed", "http://", "http://[x"])
def test_what_is_no_http_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"source\.url: is no URL such as"):
        feed(url)


def test_a_feed_behind_a_proxy_of_the_environment_is_asked_for_through_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/feed"))
    monkeypatch.setenv("NO_PROXY", "")
    assert len(feed("http://data.example/feed").fetch(DAY).observations) == 1
    assert [asked.path for asked in server.asked] == ["http://data.example/feed"]


@pytest.mark.usefixtures("three_attempts")
def test_a_proxy_of_the_environment_that_is_not_there_makes_an_https_feed_unavailable(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent_port}")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(FeedUnavailableError, match="Connection refused"):
        feed("https://data.example/feed").fetch(DAY)
