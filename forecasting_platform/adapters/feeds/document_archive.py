"""The feed documents that were loaded, kept as they came: gzip files named by their sha256.

    documents/3f/3f9a….json.gz    a document, unpacked the bytes whose sha256 is its name
    answers/81c0….json            which document an address (hashed: it may hold secrets) answered with last, and
                                  what to ask "is it still the same?" with

A folder, or an object store by any URL that fsspec knows (`s3://bucket/prefix`). What is in a document does
not matter here, nor who asks for it.
"""

import gzip
import hashlib
import re
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError
from upath import UPath

from forecasting_platform.adapters.feeds.documents.document_table import is_json
from forecasting_platform.adapters.feeds.raw_document import RawDocument, Validators
from forecasting_platform.adapters.whole_files import write_whole
from forecasting_platform.errors import ArchiveUnavailableError, ConfigurationError
from forecasting_platform.redaction import shown

SETTING = "FORECASTING_FEED_ARCHIVE"
_DAY_SECONDS = 24 * 3600
_OURS = re.compile(r"\.|[0-9a-f]{64}\.")
"""What a document, an answer and what a killed writer left of either are called."""

_BINARY = {b"PAR1": ".parquet", b"PK": ".xlsx"}
"""How files begin whose content is no text."""


class _Answer(BaseModel):
    """The last answer of an address."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    suffix: str = Field(pattern=r"^\.[a-z]+$")
    content_type: str | None
    validators: Validators


class DocumentArchive:
    """Documents by content.

    Two writers of the same document write the same bytes; each write is whole or not there.

    Args:
        root: a folder, which is made when it is missing, or the URL of an object store.
        keep_days: in a folder, what was not loaded for more days than this is removed. In an object store
            its own lifecycle rules do that.

    Raises:
        ConfigurationError: no installed package supports the URL's protocol.
    """

    def __init__(self, root: str, *, keep_days: int) -> None:
        try:
            path = UPath(root)
            path = UPath(path.path) if path.protocol == "file" else path
            path.fs  # noqa: B018 # imports what speaks the protocol
        except (ValueError, ImportError) as error:
            raise ConfigurationError(SETTING, f"no installed package supports its protocol: {error}") from error
        self._root = path.absolute()
        self._keep_days = keep_days
        self.shown = shown(self._root.as_uri())

    def keep(self, raw: RawDocument) -> str:
        """Keep a document and, where its source can be asked for changes, what to ask with; its URI.

        A document that is there already is written again: that mends a damaged one, and renews its age.

        Raises:
            ArchiveUnavailableError: the archive cannot be written.
        """
        with self._available():
            sha256, suffix = _sha256(raw.content), _suffix(raw)
            document = self._document(sha256, suffix)
            _write(document, gzip.compress(raw.content, mtime=0))
            if raw.validators:
                answer = _Answer(sha256=sha256, suffix=suffix, content_type=raw.content_type, validators=raw.validators)
                _write(self._answer(raw.address), answer.model_dump_json().encode())
        return shown(document.as_uri())

    def recall(self, address: str, source: str) -> RawDocument | None:
        """The last document that came from an address, None if it cannot be asked for changes, or is damaged or gone.

        Its `fetched_at` is now: use it only once its source has confirmed it.

        Raises:
            ArchiveUnavailableError: the archive cannot be read.
        """
        with self._available():
            try:
                answer = _Answer.model_validate_json(self._answer(address).read_bytes())
                content = gzip.decompress(self._document(answer.sha256, answer.suffix).read_bytes())
            except (FileNotFoundError, EOFError, gzip.BadGzipFile, zlib.error, ValidationError):
                return None
        if _sha256(content) != answer.sha256:
            return None
        return RawDocument(content, answer.content_type, source, datetime.now(UTC), address, answer.validators)

    def remove_old(self) -> int:
        """Delete what was kept so many days ago and not again since; how many files. What is not ours stays.

        Raises:
            ArchiveUnavailableError: the archive cannot be read or written.
        """
        oldest = time.time() - self._keep_days * _DAY_SECONDS
        removed = 0
        with self._available():
            for kept in (*self._root.glob("documents/??/*"), *self._root.glob("answers/*")):
                with suppress(FileNotFoundError):  # another one removes old ones too
                    if _OURS.match(kept.name) and _changed_at(kept) < oldest:
                        kept.unlink()
                        removed += 1
        return removed

    def _document(self, sha256: str, suffix: str) -> UPath:
        return self._root / "documents" / sha256[:2] / f"{sha256}{suffix}.gz"

    def _answer(self, address: str) -> UPath:
        return self._root / "answers" / f"{_sha256(address.encode())}.json"

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = f"{type(error).__name__}: {error.strerror or error}"
            raise ArchiveUnavailableError(f"the feed archive {self.shown} ({SETTING})", reason) from error


def _write(target: UPath, content: bytes) -> None:
    """Whole or not at all. An object store shows an object once it is complete; a file is moved into place."""
    folder = _folder(target.parent)
    if folder is None:
        target.write_bytes(content)
        return
    write_whole(folder / target.name, content)


def _changed_at(path: UPath) -> float:
    if (file := _folder(path)) is not None:
        return file.stat().st_mtime
    changed: datetime = path.fs.modified(path.path)
    return changed.timestamp()


def _folder(path: UPath) -> Path | None:
    """The path as one of this machine, None in an object store."""
    return None if path.protocol else Path(path.path)


def _suffix(raw: RawDocument) -> str:
    """As `file_feed` reads it: the kept file of a document says the same as the document."""
    known = next((suffix for magic, suffix in _BINARY.items() if raw.content.startswith(magic)), None)
    start = raw.content[:1000].decode("utf-8-sig", "ignore").lstrip()
    return known or (".json" if is_json(start, raw.content_type) else ".csv")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
