"""A request is worked on once it is there: a client that sends slowly takes no thread, and no more than its memory."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import requests
from flask import Flask, Response, request
from granian._granian import RSGIHTTPProtocol, RSGIProtocolClosed
from granian.rsgi import Scope

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform_tests.support.app_server import running_app, wait_until_ready
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from serve.http.server import THREADS
from serve.http.whole_requests import WholeRequests

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SMALL_BYTES, MAX_BYTES = 10, 100
FOR_EVER = 3600.0


class Connection:
    """What Granian shows of one request: its chunks come when `events` let them, and what was answered."""

    def __init__(self, *chunks: bytes, then: asyncio.Event | None = None) -> None:
        self._chunks = chunks
        self.then = then
        self.taken = 0
        self.answer: tuple[int, list[tuple[str, str]], bytes] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            self.taken += 1
            yield chunk
        if self.then is not None:
            await self.then.wait()

    async def __call__(self) -> bytes:
        return b"".join([chunk async for chunk in self])

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answer = status, headers, body


class SentHeaders(dict[str, str]):
    """As Granian shows them: `get` has the first of a name, `items` has all."""

    def __init__(self, sent: tuple[tuple[str, str], ...]) -> None:
        super().__init__(reversed(sent))
        self._sent = sent

    def items(self) -> tuple[tuple[str, str], ...]:  # type: ignore[override] # as Granian's, which is no dict's view
        return self._sent


def scope(*headers: tuple[str, str], path: str = "/") -> Scope:
    found = SimpleNamespace(
        proto="http",
        http_version="1.1",
        server="127.0.0.1:3002",
        client="127.0.0.1:50000",
        scheme="http",
        method="POST",
        path=path,
        query_string="q=é",
        headers=SentHeaders(headers),
    )
    return cast(Scope, found)


@pytest.fixture
def echo() -> Flask:
    """An app that answers the body it is sent, but at /unread without reading it, and at /headers what it is asked."""
    app = Flask(__name__)

    @app.post("/")
    def read() -> bytes:
        request.max_content_length = MAX_BYTES
        return request.get_data()

    @app.post("/unread")
    def unread() -> str:
        return "answered"

    @app.post("/größe")
    def size() -> Response:
        return Response(f"{request.args['q']} {request.headers['X-Twice']} {request.remote_addr}", status=201)

    return app


def served(app: "WSGIApplication", *, body_seconds: float = FOR_EVER, threads: int = 1) -> WholeRequests:
    return WholeRequests(app, threads=threads, small_bytes=SMALL_BYTES, max_bytes=MAX_BYTES, body_seconds=body_seconds)


def ask(server: WholeRequests, asked: Scope, connection: Connection) -> tuple[int, bytes]:
    return asyncio.run(answer(server, asked, connection))


async def answer(server: WholeRequests, asked: Scope, connection: Connection) -> tuple[int, bytes]:
    await asyncio.wait_for(server.__rsgi__(asked, cast(RSGIHTTPProtocol, connection)), PATIENCE_SECONDS)
    assert connection.answer is not None
    return connection.answer[0], connection.answer[2]


def test_a_body_in_pieces_is_one(echo: Flask) -> None:
    assert ask(served(echo), scope(("content-length", "5")), Connection(b"for", b"ty")) == (200, b"forty")


def test_what_is_asked_arrives_as_wsgi_has_it(echo: Flask) -> None:
    asked = scope(("x-twice", "1"), ("x-twice", "2"), path="/größe")
    assert ask(served(echo), asked, Connection()) == (201, "é 1,2 127.0.0.1".encode())


def test_a_body_that_is_late_is_refused_and_one_nobody_reads_is_not_missed(echo: Flask) -> None:
    server = served(echo, body_seconds=0)
    status, content = ask(server, scope(("content-length", "5")), Connection(b"for", then=asyncio.Event()))
    assert status == 408
    assert b"did not arrive within 0 s" in content
    asked = scope(("content-length", "5"), path="/unread")
    assert ask(server, asked, Connection(b"for", then=asyncio.Event())) == (200, b"answered")


class BrokenOff(Connection):
    """Its client hangs up before the end of a body of known length."""

    async def __call__(self) -> bytes:
        raise RSGIProtocolClosed


@pytest.mark.parametrize("length", [SMALL_BYTES, MAX_BYTES])
def test_a_body_that_breaks_off_is_no_whole_one(echo: Flask, length: int) -> None:
    asked = scope(("content-length", str(length)))
    assert (ask(served(echo), asked, BrokenOff(b"x" * (length - 1))))[0] == 400


@pytest.mark.parametrize(("header", "taken"), [(("content-length", "1000"), 0), (("transfer-encoding", "chunked"), 3)])
def test_of_a_body_that_is_too_large_no_more_is_read_than_shows_it(
    echo: Flask, header: tuple[str, str], taken: int
) -> None:
    connection = Connection(*[b"x" * 50] * 20)
    assert (ask(served(echo), scope(header), connection))[0] == 413
    assert connection.taken == taken


def test_large_bodies_are_read_a_few_at_once_and_keep_no_small_one_waiting(echo: Flask) -> None:
    first, second = Connection(b"x" * 50, then=asyncio.Event()), Connection(b"y" * 50, b"y" * 50)

    async def answers(server: WholeRequests) -> list[tuple[int, bytes]]:
        large = [asyncio.create_task(answer(server, scope(("content-length", "50")), first))]
        await asyncio.sleep(0)
        large.append(asyncio.create_task(answer(server, scope(("content-length", "100")), second)))
        small = await answer(server, scope(("content-length", "5")), Connection(b"small"))
        assert (first.taken, second.taken) == (1, 1)
        assert first.then is not None
        first.then.set()
        return [small, *await asyncio.gather(*large)]

    assert asyncio.run(answers(served(echo))) == [(200, b"small"), (200, b"x" * 50), (200, b"y" * 100)]


def test_clients_that_announce_a_large_body_and_send_little_keep_no_large_one_waiting(echo: Flask) -> None:
    announced = [Connection(b"x", then=asyncio.Event()) for _ in range(3)]

    async def answers(server: WholeRequests) -> tuple[int, bytes]:
        asked = scope(("content-length", "50"))
        waiting = [asyncio.create_task(answer(server, asked, connection)) for connection in announced]
        await asyncio.sleep(0)
        whole = await answer(server, asked, Connection(b"y" * 50))
        for task in waiting:
            task.cancel()
        return whole

    assert asyncio.run(answers(served(echo))) == (200, b"y" * 50)


def test_a_large_body_that_waits_for_others_is_not_late(echo: Flask) -> None:
    first, second = Connection(b"x" * 50, then=asyncio.Event()), Connection(b"y" * 50)

    async def answers(server: WholeRequests) -> tuple[tuple[int, bytes], tuple[int, bytes]]:
        asked = scope(("content-length", "50"))
        return await asyncio.gather(answer(server, asked, first), answer(server, asked, second))

    # The first is given up at its deadline; the second waits longer than that.
    late, whole = asyncio.run(answers(served(echo, body_seconds=0.2)))
    assert (late[0], whole) == (408, (200, b"y" * 50))


def test_a_request_on_which_the_application_fails_costs_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    def fail_first(environ: "WSGIEnvironment", start: "StartResponse") -> list[bytes]:
        if environ["PATH_INFO"] == "/fail":
            raise ValueError("broken")
        start("200 OK", [])
        return [b"answered"]

    async def answers(server: WholeRequests) -> tuple[Connection, tuple[int, bytes]]:
        failed = Connection()
        await asyncio.wait_for(server.__rsgi__(scope(path="/fail"), cast(RSGIHTTPProtocol, failed)), PATIENCE_SECONDS)
        return failed, await answer(server, scope(), Connection())

    failed, answered = asyncio.run(answers(served(fail_first)))
    # Granian answers 500 where a request ends without an answer.
    assert (failed.answer, answered) == (None, (200, b"answered"))
    assert "broken" in caplog.text


@pytest.mark.slow
def test_clients_that_hold_their_bodies_open_keep_nobody_waiting(
    registry: MemoryModelRegistry, model: ForecastModel, tmp_path: Path
) -> None:
    with running_app(tmp_path, registry, model) as url, ExitStack() as slow:
        wait_until_ready(url)
        for connection in held_open(url, 3 * THREADS):
            slow.callback(connection.close)
        body = {"start": "2023-06-16", "end": "2023-06-17"}
        for _ in range(2 * THREADS):
            assert requests.post(f"{url}/predict", json=body, timeout=PATIENCE_SECONDS).status_code == 200


def held_open(url: str, count: int) -> Iterator[socket.socket]:
    """Connections whose request has begun, with a body that never ends; the server has seen the first of it."""
    address = url.removeprefix("http://")
    host, _, port = address.partition(":")
    for _ in range(count):
        connection = socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)
        head = (
            f"POST /predict HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        )
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n".encode())
        # The server says so where it begins to read the body.
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{")
        yield connection
