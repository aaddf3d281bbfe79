"""The feed as a file of this machine, such as a download, an export, or a kept document that is loaded again."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.document_reader import DocumentReader
from forecasting_platform.adapters.feeds.feed_dates import DateFormat
from forecasting_platform.adapters.feeds.raw_document import RawDocument, too_large, unpacked
from forecasting_platform.errors import ConfigurationError, FeedUnavailableError
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument

_CONTENT_TYPES = {".json": "application/json", ".csv": "text/csv"}


class FileFeed:
    """A feed document in a file, gzip or not. It is read anew at each fetch.

    Args:
        url: `file:///path` of a `.json`, `.csv`, `.json.gz` or `.csv.gz`; of another name, what stands in it decides.
        date_format: how the document writes a day, such as `dd/mm/yyyy`.
        max_bytes: largest document accepted, after decompression.
        archive: keeps what was loaded.

    Raises:
        ConfigurationError: the URL names no file of this machine, or the date format cannot be used.
    """

    def __init__(self, url: str, *, date_format: str, max_bytes: int, archive: DocumentArchive | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            raise ConfigurationError(
                "FORECASTING_FEED_URL", "is no file of this machine such as file:///data/feed.json"
            )
        self._path = Path(url2pathname(parts.path))
        self._max_bytes = max_bytes
        self._reader = DocumentReader(DateFormat.compile(date_format), archive)
        self.source = self._path.as_uri()

    def fetch(self, period: DateRange) -> FeedDocument:
        """The feed's values for the days of `period`, as `ObservationFeed` promises."""
        raw = RawDocument(
            content=unpacked(self._read(), self.source, self._max_bytes),
            content_type=_CONTENT_TYPES.get(Path(self._path.name.removesuffix(".gz")).suffix),
            source=self.source,
            fetched_at=datetime.now(UTC),
            address=self.source,
        )
        return self._reader.read(raw, period)

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                content = file.read(self._max_bytes + 1)
        except OSError as error:
            raise FeedUnavailableError(f"the feed {self.source}", error.strerror or str(error)) from error
        if len(content) > self._max_bytes:
            raise too_large(self.source, self._max_bytes)
        return content
