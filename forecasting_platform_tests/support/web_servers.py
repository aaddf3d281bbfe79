"""Web servers for tests, on free ports of this machine that stay theirs: of a WSGI app, and one that records."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any, Self
from wsgiref.types import WSGIApplication

from werkzeug.serving import WSGIRequestHandler, make_server

LOCALHOST = "127.0.0.1"


class _SilentHandler(WSGIRequestHandler):
    """Logs nothing: a request's query may be secret, and what is logged is tested."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name that werkzeug calls
        """Silent."""


@contextmanager
def served(app: WSGIApplication) -> Iterator[str]:
    """The base URL of a server for the app, a thread a request."""
    with make_server(LOCALHOST, 0, app, threaded=True, request_handler=_SilentHandler) as server, _in_a_thread(server):
        yield f"http://{LOCALHOST}:{server.server_port}"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked."""

    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        """Its body, parsed."""
        return json.loads(self.body)


class Answering(BaseHTTPRequestHandler):
    """Records a request and answers it as the server is told to."""

    server: "RecordingServer"
    request_body = b""

    def do_GET(self) -> None:
        self.request_body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(Request(self.path, dict(self.headers), self.request_body))
        try:
            self.server.answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.server.cut_off.set()

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server calls
        """Silent."""

    def send(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        """Answer; a header's name has `_` for `-`."""
        self.send_response(status)
        for name, value in {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class RecordingServer(ThreadingHTTPServer):
    """Remembers what it is asked, and answers byte by byte as a test wants: whole, broken, slowly or not at all.

    Attributes:
        answer: answers one request; may be replaced at any time.
        asked: the requests so far, oldest first.
        cut_off: set once a client went away before it had read its answer.
    """

    daemon_threads = True

    def __init__(self, answer: Callable[[Answering], None] = Answering.send) -> None:
        super().__init__((LOCALHOST, 0), Answering)
        self.answer = answer
        self.asked: list[Request] = []
        self.cut_off = threading.Event()
        self._running = _in_a_thread(self)

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://{LOCALHOST}:{self.server_port}"

    def __enter__(self) -> Self:
        self._running.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._running.__exit__(*error)
        self.server_close()


@contextmanager
def _in_a_thread(server: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
