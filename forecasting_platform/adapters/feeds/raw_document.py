"""A document between its source and its meaning: unpacked bytes, and where they came from.

Fetching belongs to the feeds, reading to `feed_document`, keeping to `document_archive`.
"""

import gzip
import io
import zipfile
import zlib
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from forecasting_platform.errors import FeedDocumentError, examples

_GZIP_MAGIC, _ZIP_MAGICS = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_ENTRY, _MAX_ZIP_ENTRIES = b"PK\x01\x02", 10_000
_WORKBOOK = {"[Content_Types].xml", "META-INF/manifest.xml"}
"""Excel's workbooks and LibreOffice's are zips that hold one of these."""
_BOUNDED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""The compressions of which zipfile unpacks no more than it is asked for."""
_CONTENT_TYPES = {".json": "application/json", ".csv": "text/csv"}
_MEND = "Have the publisher mend it."


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


def unpacked(content: bytes, source: str, max_bytes: int, member: str | None = None) -> bytes:
    """The document itself, where a gzip file or a zip of it was sent. No more than `max_bytes` are unpacked.

    A workbook is a zip too, and is a document itself.

    Args:
        member: the name or pattern (`*.csv`) of the file meant in a zip of several.

    Raises:
        FeedDocumentError: it is too large or cannot be unpacked, or it is not clear which file of a zip is meant.

    >>> unpacked(gzip.compress(b"Date,a"), "feed", 6)
    b'Date,a'
    """
    if content.startswith(_GZIP_MAGIC):
        try:
            # gzip.decompress has no limit.
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(max_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise FeedDocumentError(source, f"it is broken gzip: {error}", _MEND) from error
    if len(content) > max_bytes:
        raise too_large(source, max_bytes)
    if content.startswith(_ZIP_MAGICS):
        content = _unzipped(content, source, max_bytes, member)
        if len(content) > max_bytes:
            raise too_large(source, max_bytes)
    return content


def _unzipped(content: bytes, source: str, max_bytes: int, member: str | None) -> bytes:
    if content.count(_ZIP_ENTRY) > _MAX_ZIP_ENTRIES:
        raise FeedDocumentError(source, f"it is a zip of more than {_MAX_ZIP_ENTRIES:,} files", _MEND)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if _WORKBOOK & set(archive.namelist()):
                return content
            meant = _meant(archive.infolist(), source, member)
            with archive.open(meant) as file:
                return file.read(max_bytes + 1)
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError, zlib.error) as error:
        raise FeedDocumentError(source, f"it is a broken zip: {error}", _MEND) from error


def _meant(entries: list[zipfile.ZipInfo], source: str, member: str | None) -> zipfile.ZipInfo:
    """The file that is meant: the only one, or the only one of that name or pattern."""
    files = [entry for entry in entries if not entry.is_dir() and not _is_of_macos(entry.filename)]
    found = [entry for entry in files if member is None or _is_called(entry.filename, member)]
    if len(found) != 1:
        held = examples(entry.filename for entry in files) or "no file"
        which = "" if member is None else f", {len(found) or 'none'} of them called {member!r}"
        raise FeedDocumentError(source, f"it is a zip of {held}{which}", "Name the one meant in source.member.")
    if found[0].flag_bits & 1:
        problem = f"{found[0].filename!r} in its zip is encrypted"
        raise FeedDocumentError(source, problem, "Have it published without a password.")
    if found[0].compress_type not in _BOUNDED:
        problem = f"{found[0].filename!r} in its zip is compressed in another way than Deflate"
        raise FeedDocumentError(source, problem, _MEND)
    return found[0]


def _is_called(path: str, member: str) -> bool:
    return any(name == member or fnmatchcase(name, member) for name in (path, PurePosixPath(path).name))


def _is_of_macos(path: str) -> bool:
    """What its Finder adds to every zip."""
    return path.startswith("__MACOSX/") or PurePosixPath(path).name == ".DS_Store"


def content_type_of(name: str) -> str | None:
    """What the name of a file says of its content, packed or not; None where it says nothing.

    >>> content_type_of("flows.CSV.gz")
    'text/csv'
    """
    return _CONTENT_TYPES.get(PurePosixPath(name.lower().removesuffix(".gz")).suffix)


def too_large(source: str, max_bytes: int, found: str = "more") -> FeedDocumentError:
    """The refusal of a document beyond the limit."""
    problem = f"it may have {max_bytes:,} bytes and has {found}"
    return FeedDocumentError(source, problem, "Raise FORECASTING_FEED_MAX_BYTES if this is really the feed.")
