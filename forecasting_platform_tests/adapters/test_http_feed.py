"""The feed's client against a real server on this machine."""

import gzip
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from forecasting_platform.adapters.http_feed import HttpFeed
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.forecasting.date_range import DateRange

pytestmark = pytest.mark.slow

DAY = DateRange(date(2020, 1, 1), date(2020, 1, 1))
DOCUMENT = b'[{"Date": "01/01/2020", "a": 1.5}]'
MEGABYTE = b" " * 1_000_000

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the test says, and remembers what was asked."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        try:
            self.server.answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.server.cut_off.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server calls
        """Silent."""

    def send(self, body: bytes = DOCUMENT, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Answer = Handler.send
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.cut_off = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/feed"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def feed(url: str, *, timeout_seconds: float = 20.0, max_bytes: int = 1_000_000) -> HttpFeed:
    return HttpFeed(url, date_format="dd/mm/yyyy", timeout_seconds=timeout_seconds, max_bytes=max_bytes)


def answers(*statuses: int) -> Answer:
    """One status after the other, the last one for ever."""
    left = itertools.chain(statuses, itertools.repeat(statuses[-1]))
    return lambda handler: handler.send(status=next(left))


def redirect(location: str, status: int = 302) -> Answer:
    def answer(handler: Handler) -> None:
        if handler.path == "/feed":
            handler.send(b"", status=status, Location=location)
        else:
            handler.send()

    return answer


def test_a_document_is_fetched_and_parsed(server: Server) -> None:
    document = feed(server.url).fetch(DAY)
    assert document.observations["y"].tolist() == [1.5]
    assert document.source == server.url
    assert document.fetched_at.tzinfo is not None


def test_a_compressed_document_is_measured_after_decompression(server: Server) -> None:
    server.answer = lambda handler: handler.send(gzip.compress(DOCUMENT), Content_Encoding="gzip")
    assert feed(server.url).fetch(DAY).size_bytes == len(DOCUMENT)


def test_the_days_go_where_the_url_asks_for_them(server: Server) -> None:
    feed(f"{server.url}?from={{start}}&to={{end}}").fetch(DateRange(date(2020, 1, 1), date(2020, 1, 31)))
    feed(f"{server.url}?key=x").fetch(DAY)
    assert [path for path, _ in server.asked] == ["/feed?from=2020-01-01&to=2020-01-31", "/feed?key=x"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_error_is_overcome(server: Server, status: int) -> None:
    server.answer = answers(status, 200)
    assert len(feed(server.url).fetch(DAY).observations) == 1


def test_a_lasting_server_error_is_unavailable(server: Server) -> None:
    server.answer = answers(503)
    with pytest.raises(FeedUnavailableError, match="it answered 503 Service Unavailable"):
        feed(server.url, timeout_seconds=1.5).fetch(DAY)
    assert len(server.asked) == 3


def test_a_server_that_wants_us_to_wait_past_the_deadline_is_unavailable(server: Server) -> None:
    server.answer = lambda handler: handler.send(status=429, Retry_After="3600")
    started = time.monotonic()
    with pytest.raises(FeedUnavailableError, match="it answered 429"):
        feed(server.url, timeout_seconds=0.5).fetch(DAY)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204, 304])
def test_an_answer_that_waiting_does_not_mend_is_refused(server: Server, status: int) -> None:
    server.answer = answers(status)
    with pytest.raises(FeedDocumentError, match=rf"it answered {status} .* Check FORECASTING_FEED_URL"):
        feed(server.url).fetch(DAY)
    assert len(server.asked) == 1


def test_a_feed_that_is_down_is_unavailable(free_port: int) -> None:
    with pytest.raises(FeedUnavailableError, match="Connection refused"):
        feed(f"http://127.0.0.1:{free_port}/feed", timeout_seconds=0.5).fetch(DAY)


def test_an_unknown_host_is_unavailable() -> None:
    with pytest.raises(FeedUnavailableError, match=r"http://no-such-host\.invalid/feed is unavailable"):
        feed("http://no-such-host.invalid/feed", timeout_seconds=2.0).fetch(DAY)


def test_a_web_page_is_refused(server: Server) -> None:
    server.answer = lambda handler: handler.send(b"<html>Maintenance</html>", Content_Type="text/html")
    with pytest.raises(FeedDocumentError, match=r"web page or XML \(content type text/html\)"):
        feed(server.url).fetch(DAY)


def test_a_connection_lost_in_the_middle_is_unavailable(server: Server) -> None:
    server.answer = lambda handler: handler.send(DOCUMENT, Content_Length="1000")
    with pytest.raises(FeedUnavailableError):
        feed(server.url, timeout_seconds=0.5).fetch(DAY)


def test_broken_compression_is_unavailable(server: Server) -> None:
    server.answer = lambda handler: handler.send(b"no gzip", Content_Encoding="gzip")
    with pytest.raises(FeedUnavailableError):
        feed(server.url, timeout_seconds=0.5).fetch(DAY)


# --- size ---


def test_a_document_announced_too_large_is_not_read(server: Server) -> None:
    def announce(handler: Handler) -> None:
        handler.send(MEGABYTE, Content_Length=str(400 * len(MEGABYTE)))
        for _ in range(399):
            handler.wfile.write(MEGABYTE)

    server.answer = announce
    with pytest.raises(FeedDocumentError, match="may have 1,000,000 bytes and has 400,000,000 bytes"):
        feed(server.url).fetch(DAY)
    assert server.cut_off.wait(5), "the whole document was read"


def test_a_document_that_turns_out_too_large_is_not_read_to_the_end(server: Server) -> None:
    def stream(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(400):
            handler.wfile.write(MEGABYTE)

    server.answer = stream
    with pytest.raises(FeedDocumentError, match="may have 1,000,000 bytes and has more"):
        feed(server.url).fetch(DAY)
    assert server.cut_off.wait(5), "the whole document was read"


def test_a_small_answer_that_unpacks_to_a_huge_one_is_not_unpacked(server: Server) -> None:
    bomb = gzip.compress(b" " * 50_000_000, compresslevel=1)
    server.answer = lambda handler: handler.send(bomb, Content_Encoding="gzip")
    started = time.monotonic()
    with pytest.raises(FeedDocumentError, match="may have 1,000,000 bytes and has more"):
        feed(server.url, max_bytes=1_000_000).fetch(DAY)
    assert time.monotonic() - started < 2


# --- time ---


@pytest.mark.parametrize("part", ["header", "body"])
def test_an_answer_that_trickles_is_given_up_at_the_deadline(server: Server, part: str) -> None:
    done = threading.Event()

    def trickle(handler: Handler) -> None:
        if part == "body":
            handler.send_response(200)
            handler.end_headers()
        while not done.wait(0.05):
            handler.wfile.write(b" ")

    server.answer = trickle
    started = time.monotonic()
    with pytest.raises(FeedUnavailableError, match=r"no whole answer within 0\.5 seconds"):
        feed(server.url, timeout_seconds=0.5).fetch(DAY)
    assert time.monotonic() - started < 3
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
    assert [path for path, _ in server.asked] == ["/feed", "/moved?x=1"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/feed", "gopher://x/", "http://[broken"])
def test_a_redirect_to_something_else_than_http_is_refused(server: Server, target: str) -> None:
    server.answer = redirect(target)
    with pytest.raises(FeedDocumentError, match="no http or https address"):
        feed(server.url).fetch(DAY)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:7f00:1]"])
def test_a_redirect_to_a_private_address_is_refused(server: Server, host: str) -> None:
    server.answer = redirect(f"http://{host}:{server.server_port}/private")
    with pytest.raises(FeedDocumentError, match="a private address not named there"):
        feed(server.url).fetch(DAY)
    assert [path for path, _ in server.asked] == ["/feed"]


def test_a_redirect_in_a_circle_is_refused(server: Server) -> None:
    server.answer = lambda handler: handler.send(b"", status=302, Location="/feed")
    with pytest.raises(FeedDocumentError, match="redirects more than 5 times"):
        feed(server.url).fetch(DAY)


def test_a_redirect_with_an_endless_body_is_not_read(server: Server) -> None:
    def answer(handler: Handler) -> None:
        if handler.path == "/moved":
            handler.send()
            return
        handler.send(MEGABYTE, status=302, Location="/moved", Content_Length=str(400 * len(MEGABYTE)))
        for _ in range(399):
            handler.wfile.write(MEGABYTE)

    server.answer = answer
    assert len(feed(server.url).fetch(DAY).observations) == 1
    assert server.cut_off.wait(5), "the whole body was read"


# --- secrets and settings ---


def test_credentials_are_sent_and_never_shown(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    url = server.url.replace("http://", "http://user:geheim@") + "?key=geheim"
    assert "geheim" not in feed(url).fetch(DAY).source
    assert server.asked[0][1]["Authorization"].startswith("Basic ")
    server.answer = answers(404)
    with pytest.raises(FeedDocumentError) as refused:
        feed(url).fetch(DAY)
    server.shutdown()
    server.server_close()
    with pytest.raises(FeedUnavailableError) as unavailable:
        feed(url, timeout_seconds=0.5).fetch(DAY)
    for caught in (refused, unavailable):
        assert "geheim" not in str(caught.value) + caplog.text
        assert "geheim" not in str(caught.getrepr(chain=True, style="short", showlocals=False))


@pytest.mark.parametrize("url", ["", "feed.json", "file:///etc/passwd", "ftp://host/feed", "http://", "http://[x"])
def test_what_is_no_http_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="FORECASTING_FEED_URL: is no URL such as"):
        feed(url)


def test_a_wrong_date_format_is_found_before_anything_is_fetched() -> None:
    with pytest.raises(ConfigurationError, match="FORECASTING_FEED_DATE_FORMAT"):
        HttpFeed("http://host/feed", date_format="dd/mm", timeout_seconds=1, max_bytes=1)
