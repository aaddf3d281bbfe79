"""A document between its source and its meaning: unpacked bytes, and where they came from.

How a source is asked belongs to its feed; what the bytes say to `feed_document`; keeping them to `document_archive`.
"""

import gzip
import io
import zlib
from dataclasses import dataclass
from datetime import datetime

from forecasting_platform.errors import FeedDocumentError

_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server is asked with whether its document is still the same (RFC 9110, section 8.8)."""

    etag: str | None = None
    last_modified: str | None = None

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)

    def headers(self) -> dict[str, str]:
        """The headers that make a request conditional.

        >>> Validators(etag='"a"', last_modified="Mon, 01 Jan 2018 00:00:00 GMT").headers()
        {'If-None-Match': '"a"'}
        """
        if self.etag:
            return {"If-None-Match": self.etag}
        return {"If-Modified-Since": self.last_modified} if self.last_modified else {}


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A whole document as its source gave it.

    Attributes:
        content: the bytes after every decompression.
        content_type: as the source declared it.
        source: URL or path, without credentials.
        fetched_at: when it was received, or confirmed to be the same as before (aware).
        address: what it was asked for by; may hold secrets.
        not_modified: whether the source only confirmed it, and the bytes are the kept ones.
    """

    content: bytes
    content_type: str | None
    source: str
    fetched_at: datetime
    address: str
    validators: Validators = Validators()
    not_modified: bool = False


def unpacked(content: bytes, source: str, max_bytes: int) -> bytes:
    """The document itself, where a gzip file of it was sent. No more than `max_bytes` are unpacked.

    Raises:
        FeedDocumentError: it is too large, or broken gzip.

    >>> unpacked(gzip.compress(b"Date,a"), "feed", 6)
    b'Date,a'
    """
    if content.startswith(_GZIP_MAGIC):
        try:
            # gzip.decompress has no limit.
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(max_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise FeedDocumentError(source, f"it is broken gzip: {error}", "Have the publisher mend it.") from error
    if len(content) > max_bytes:
        raise too_large(source, max_bytes)
    return content


def too_large(source: str, max_bytes: int, found: str = "more") -> FeedDocumentError:
    """The refusal of a document beyond the limit."""
    problem = f"it may have {max_bytes:,} bytes and has {found}"
    return FeedDocumentError(source, problem, "Raise FORECASTING_FEED_MAX_BYTES if this is really the feed.")
