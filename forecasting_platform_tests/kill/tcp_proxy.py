"""A TCP proxy between a client and a server that cuts or blocks after a number of bytes."""

import contextlib
import selectors
import socket
import threading
from dataclasses import dataclass, field
from typing import Literal, Self

Trouble = Literal["none", "cut", "block"]
_PIECE = 16 * 1024
_TICK_SECONDS = 0.05


@dataclass
class TcpProxy:
    """Forwards what comes to `address` to `target`, in a thread, until `after_bytes` went through in all.

    Then it either resets every connection and each new one (`cut`), or keeps them open and forwards
    nothing more (`block`), as a network does that loses every packet. A context manager.

    Attributes:
        target: host and port of the server.
        forwarded: bytes that went through so far, both ways.
    """

    target: tuple[str, int]
    trouble: Trouble = "none"
    after_bytes: int = 0
    forwarded: int = 0
    _pairs: dict[socket.socket, socket.socket] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to."""
        host, port = self._listener.getsockname()
        return host, port

    @property
    def troubled(self) -> bool:
        """Whether the trouble has begun."""
        return self.trouble != "none" and self.forwarded >= self.after_bytes

    def _forward(self) -> None:
        with contextlib.closing(self._listener), selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._stopped.is_set():
                for key, _ in selector.select(_TICK_SECONDS):
                    self._serve(selector, key.fileobj)  # type: ignore[arg-type] # only sockets are registered
            for each in [*self._pairs]:
                each.close()

    def _serve(self, selector: selectors.BaseSelector, ready: socket.socket) -> None:
        if ready is self._listener:
            self._accept(selector)
        elif ready in self._pairs and not self._pass_on(ready):
            self._drop(selector, ready)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self.target, timeout=60)
        except OSError:
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            self._pairs[one] = other
            selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, ready: socket.socket) -> bool:
        """Whether the connection goes on."""
        if self.troubled:
            return self._suffer()
        try:
            piece = ready.recv(self._allowance())
            self._pairs[ready].sendall(piece)
        except OSError:
            return False
        self.forwarded += len(piece)
        return bool(piece)

    def _allowance(self) -> int:
        """How much may still go through: the trouble comes at the very byte."""
        return _PIECE if self.trouble == "none" else max(1, min(_PIECE, self.after_bytes - self.forwarded))

    def _suffer(self) -> bool:
        if self.trouble == "cut":
            return False
        self._stopped.wait(_TICK_SECONDS)  # what came stays unread
        return True

    def _drop(self, selector: selectors.BaseSelector, one: socket.socket) -> None:
        for each in (one, self._pairs[one]):
            selector.unregister(each)
            del self._pairs[each]
            with contextlib.suppress(OSError):  # closed by its peer already
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            each.close()
