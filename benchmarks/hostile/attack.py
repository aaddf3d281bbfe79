"""One request to the attacked app, and the sizes at which requests are tried."""

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from benchmarks.hostile.app_server import FULL
from serve.http.strict_json import MAX_INPUTS_BYTES

KIB = 1024


SIZES = (256 * KIB, MAX_INPUTS_BYTES - KIB) if FULL else (256 * KIB,)


HEADER_BYTES = 60 * KIB


@dataclass(frozen=True, slots=True)
class Attack:
    """One request."""

    what: str
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False

    @property
    def size(self) -> int:
        """Bytes of body, path and headers."""
        return len(self.body) + len(self.path) + sum(map(len, itertools.chain(*self.headers.items())))


def json_bytes(document: Any) -> bytes:
    """A body as small as JSON allows."""
    return json.dumps(document, separators=(",", ":")).encode()
