"""Buffers each request's whole body, within a deadline, before one of the app's few threads works on it.

A WSGI server passes a request on before its body has arrived, and the thread that reads it waits as long as the client
likes. Here the event loop waits instead (Granian's RSGI interface), for any number of clients at once. The application
answers every request, also one whose body is too large or too late.
"""

import asyncio
import io
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

from granian.rsgi import Scope
from werkzeug.exceptions import RequestTimeout

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from granian._granian import RSGIHTTPProtocol

Answer = tuple[int, list[tuple[str, str]], bytes]


class WholeRequests:
    """A WSGI application as Granian's RSGI calls it.

    Args:
        application: is given each request with its whole body.
        threads: requests worked on at once, and bodies of more than `small_bytes` read at once.
        small_bytes: bodies up to this size are read for all connections at once.
        max_bytes: reading stops once a body is larger.
        body_seconds: deadline of a body, from the end of the headers.
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
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._large_bodies = asyncio.Semaphore(threads)

    async def __rsgi__(self, scope: Scope, protocol: "RSGIHTTPProtocol") -> None:
        """Answer one request."""
        environ = environ_of(scope)
        # Chunks are joined here: the application sees a body of a known length.
        in_pieces = environ.pop("HTTP_TRANSFER_ENCODING", None)
        if in_pieces or "CONTENT_LENGTH" in environ:
            await self._take_body(environ, protocol)
        loop = asyncio.get_running_loop()
        status, headers, content = await loop.run_in_executor(self._threads, answer_of, self._application, environ)
        protocol.response_bytes(status, headers, content)

    async def _take_body(self, environ: "WSGIEnvironment", chunks: "RSGIHTTPProtocol") -> None:
        declared = environ.get("CONTENT_LENGTH", "")
        length = int(declared) if declared.isdecimal() else None
        if length is not None and length > self._max_bytes:
            return  # the application refuses it by its length
        large = length is None or length > self._small_bytes
        try:
            async with asyncio.timeout(self._body_seconds), self._large_bodies if large else nullcontext():
                body = bytearray()
                async for chunk in chunks:
                    body += chunk
                    if len(body) > self._max_bytes:
                        break
        except TimeoutError:
            environ["wsgi.input"] = LateBody(self._body_seconds)
            environ.setdefault("CONTENT_LENGTH", "1")
        else:
            environ["wsgi.input"] = io.BytesIO(body)
            environ.setdefault("CONTENT_LENGTH", str(len(body)))


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


def environ_of(scope: Scope) -> "WSGIEnvironment":
    """The WSGI environment (PEP 3333) of a request, without a body; repeated headers are joined by commas."""
    server, _, server_port = scope.server.rpartition(":")
    client, _, client_port = scope.client.rpartition(":")
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
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        key = name.upper().replace("-", "_")
        key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _wsgi_text(text: str) -> str:
    """UTF-8 decoded as Latin-1, which is how WSGI passes text that is not ASCII."""
    return text if text.isascii() else text.encode().decode("latin-1")
