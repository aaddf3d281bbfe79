"""The feed as an object of a store: S3, Google Cloud Storage, FTP and whatever else fsspec speaks.

S3 and Google Cloud Storage are asked by pyarrow, which needs no further package and says what went wrong by the errors
of files; its URLs (https://arrow.apache.org/docs/python/filesystems.html) hold a region or another endpoint as
`?region=…&endpoint_override=…`, and `anonymous@` before a public bucket.
"""

import re
from datetime import UTC, datetime
from typing import Any

import fsspec
from pyarrow.fs import FileSystem

from forecasting_platform.adapters.background import InBackground
from forecasting_platform.adapters.feeds.described_feed import DescribedFeed
from forecasting_platform.adapters.feeds.raw_document import RawDocument, content_type_of, too_large, unpacked
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.redaction import without_credentials

_FEEDS = (
    "is no feed; give http(s)://host/feed, ckan+https://portal/dataset-id, file:///path, s3://bucket/key or another "
    "URL that fsspec knows"
)
_OF_PYARROW = {"s3", "gs"}
_CHUNK_BYTES = 1024 * 1024
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ValueError)
"""What waiting does not mend."""
_DENIED = re.compile(
    r"ACCESS_DENIED|AccessDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|HTTP status 40[13]"
)
"""How stores say it that have no error of its own for it."""


class FsspecFeed(DescribedFeed):
    """A feed document behind a URL of a store. It is read anew at each fetch.

    The store's credentials are those of the environment, as its own tools find them, or those in the URL.
    """

    def _prepare(self) -> None:
        scheme, mark, rest = self.filled.url.partition("://")
        if not mark or not rest:
            raise ConfigurationError("source.url", _FEEDS)
        self._scheme = scheme.lower()
        if self._scheme in _OF_PYARROW:
            return
        try:
            fsspec.get_filesystem_class(self._scheme)
        except ValueError as error:
            raise ConfigurationError("source.url", _FEEDS) from error
        except ImportError as error:
            raise ConfigurationError("source.url", f"needs a package that is not installed: {error}") from error

    def _document(self, _period: DateRange) -> RawDocument:
        name = self.filled.url.partition("?")[0]
        return RawDocument(
            content=unpacked(self._within_deadline(), self.source, self.max_bytes, self.description.source.member),
            content_type=content_type_of(name),
            source=self.source,
            fetched_at=datetime.now(UTC),
            address=self.filled.url,
        )

    def _within_deadline(self) -> bytes:
        try:
            return InBackground("feed-object", self._read).result(self.timeout_seconds)
        except TimeoutError as error:
            reason = f"no whole answer within {self.timeout_seconds:.3g} seconds"
            raise FeedUnavailableError(f"the feed {self.source}", reason) from error

    def _read(self) -> bytes:
        content = bytearray()
        try:
            with self._opened() as file:
                while chunk := file.read(_CHUNK_BYTES):
                    content += chunk
                    if len(content) > self.max_bytes:
                        raise too_large(self.source, self.max_bytes)
        except FeedDocumentError:
            raise
        except Exception as error:
            # Each store has exceptions of its own.
            raise self._told(error) from error
        return bytes(content)

    def _told(self, error: Exception) -> FeedDocumentError | FeedUnavailableError:
        problem = without_credentials(f"{type(error).__name__}: {error}")
        if isinstance(error, _LASTING) or _DENIED.search(problem):
            remedy = "Check the feed's URL, and the credentials that its store needs."
            return FeedDocumentError(self.source, f"its store answered {problem}", remedy)
        return FeedUnavailableError(f"the feed {self.source}", problem)

    def _opened(self) -> Any:
        if self._scheme in _OF_PYARROW:
            store, path = FileSystem.from_uri(self.filled.url)
            return store.open_input_stream(path, compression=None)
        # A client that is kept remembers what it has listed.
        files, path = fsspec.core.url_to_fs(self.filled.url, skip_instance_cache=True)
        return files.open(path, "rb")
