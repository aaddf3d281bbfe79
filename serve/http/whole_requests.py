"""Buffers each request's whole body, within a deadline, before one of the app's few threads works on it.

A WSGI server passes a request on before its body has arrived, and the thread that reads it waits as long as the client
likes. Here the event loop waits instead (Granian's RSGI interface), for any number of clients at once. It does nothing
else, and the thread that works on a request also answers it: what a small request costs is mostly its moves from one
thread to another. The application answers every request, also one whose body is too large or too late.
"""

import asyncio
import io
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn

from granian._granian import RSGIProtocolClosed
from granian.rsgi import Scope
from werkzeug.exceptions import RequestTimeout

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from granian._granian import RSGIHTTPProtocol

Body = tuple[io.IOBase, int]
"""A stream, and how long it ought to be."""
Answer = tuple[int, list[tuple[str, str]], bytes]

_log = logging.getLogger("serve.requests")


class WholeRequests:
    """A WSGI application as Granian's RSGI calls it.

    Args:
        application: is given each request with its whole body.
        threads: requests worked on at once, and larger bodies than `small_bytes` in memory at once.
        small_bytes: as much of a body is read for all connections at once.
        max_bytes: reading stops once a body is larger.
        body_seconds: deadline of a body, from the end of the headers; anew once a large one may be read on.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        *,
        threads: int,
        small_bytes: int,
        max_bytes: int,
        body_seconds: float,
    ) -> None:
        self._application = application
        self._small_bytes = small_bytes
        self._max_bytes = max_bytes
        self._body_seconds = body_seconds
        self._large_bodies = asyncio.Semaphore(threads)
        # Not a ThreadPoolExecutor: its futures and locks are a tenth of what a small request costs.
        self._whole: SimpleQueue[Callable[[], None]] = SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._work, name=f"request_{number}", daemon=True).start()

    async def __rsgi__(self, scope: Scope, protocol: "RSGIHTTPProtocol") -> None:
        """Take one request, and return when it is answered."""
        async with AsyncExitStack() as place:
            body = await self._take_body(scope, protocol, place)
            answered = asyncio.Event()
            tell = partial(asyncio.get_running_loop().call_soon_threadsafe, answered.set)
            self._whole.put(partial(self._answer, scope, body, protocol, tell))
            await answered.wait()

    async def _take_body(self, scope: Scope, protocol: "RSGIHTTPProtocol", place: AsyncExitStack) -> Body:
        headers = scope.headers
        length = None if "transfer-encoding" in headers else int(headers.get("content-length", "0"))
        if length == 0 or (length is not None and length > self._max_bytes):
            return io.BytesIO(), length  # the application refuses what is too large by its length
        try:
            async with asyncio.timeout(self._body_seconds) as deadline:
                if length is not None and length <= self._small_bytes:
                    return io.BytesIO(await protocol()), length
                content = await self._read_large(protocol, place, deadline)
                return io.BytesIO(content), len(content) if length is None else length
        except TimeoutError:
            return LateBody(self._body_seconds), length or 1
        except RSGIProtocolClosed:
            return io.BytesIO(), length or 1  # it broke off; the application misses it

    async def _read_large(
        self, chunks: "RSGIHTTPProtocol", place: AsyncExitStack, deadline: asyncio.Timeout
    ) -> bytearray:
        body = bytearray()
        async for chunk in chunks:
            # A client that has announced much and sent little takes nobody's place.
            if len(body) <= self._small_bytes < len(body) + len(chunk):
                # No deadline while it waits for others: that is not the client's delay.
                deadline.reschedule(None)
                await place.enter_async_context(self._large_bodies)
                deadline.reschedule(asyncio.get_running_loop().time() + self._body_seconds)
            body += chunk
            if len(body) > self._max_bytes:
                break
        return body

    def _work(self) -> None:
        while True:
            self._whole.get()()

    def _answer(self, scope: Scope, body: Body, protocol: "RSGIHTTPProtocol", tell: Callable[[], object]) -> None:
        try:
            protocol.response_bytes(*answer_of(self._application, environ_of(scope, body)))
        except Exception:  # noqa: BLE001 - the thread outlives any failure; the server answers 500
            _log.exception("a request failed")
        finally:
            # The loop is closed where the server was told to stop meanwhile.
            with suppress(RuntimeError):
                tell()


class LateBody(io.RawIOBase):
    """Replaces a body that did not arrive in time: an application that reads it answers 408."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def readable(self) -> bool:
        """True: `io` checks this before it reads."""
        return True

    def readinto(self, _: object) -> NoReturn:
        """Refuse.

        Raises:
            RequestTimeout: always.
        """
        raise RequestTimeout(f"the body did not arrive within {self._seconds:g} s; send it without pauses")


def answer_of(application: "WSGIApplication", environ: "WSGIEnvironment") -> Answer:
    """Call a WSGI application; its status, headers and body."""
    begun: list[tuple[int, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        begun[:] = [(int(status[:3]), headers)]

    parts: Iterable[bytes] = application(environ, start)
    try:
        content = b"".join(parts)
    finally:
        if (close := getattr(parts, "close", None)) is not None:
            close()
    return *begun[0], content


def environ_of(scope: Scope, body: Body) -> "WSGIEnvironment":
    """The WSGI environment (PEP 3333) of a request; repeated headers are joined by commas."""
    server, _, server_port = scope.server.rpartition(":")
    client, _, client_port = scope.client.rpartition(":")
    stream, length = body
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _wsgi_text(scope.path),
        "QUERY_STRING": _wsgi_text(scope.query_string),
        "SERVER_NAME": server,
        "SERVER_PORT": server_port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": client,
        "REMOTE_PORT": client_port,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": stream,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        key = name.upper().replace("-", "_")
        key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    # The application sees a body of a known length, also where it came in chunks.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(length)
    return environ


def _wsgi_text(text: str) -> str:
    """UTF-8 decoded as Latin-1, which is how WSGI passes text that is not ASCII."""
    return text if text.isascii() else text.encode().decode("latin-1")
