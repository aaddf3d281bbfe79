"""The feed as a file of this machine, such as a download, an export, or a kept document that is loaded again."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from forecasting_platform.adapters.feeds.described_feed import DescribedFeed
from forecasting_platform.adapters.feeds.raw_document import RawDocument, content_type_of, too_large, unpacked
from forecasting_platform.errors import ConfigurationError, FeedUnavailableError
from forecasting_platform.forecasting.series.days.date_range import DateRange


class FileFeed(DescribedFeed):
    """A feed document in the file that a `file:///path` names, packed or not. It is read anew at each fetch.

    What is in it, its name says (`.json`, `.csv`, `.json.gz`, `.csv.gz`), or else what stands in it.
    """

    def _prepare(self) -> None:
        parts = urlsplit(self.filled.url)
        if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            raise ConfigurationError("source.url", "is no file of this machine such as file:///data/feed.json")
        self._path = Path(url2pathname(parts.path))

    def _shown(self) -> str:
        return self._path.as_uri()

    def _document(self, _period: DateRange) -> RawDocument:
        return RawDocument(
            content=unpacked(self._read(), self.source, self.max_bytes, self.description.source.member),
            content_type=content_type_of(self._path.name),
            source=self.source,
            fetched_at=datetime.now(UTC),
            address=self.source,
        )

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                content = file.read(self.max_bytes + 1)
        except OSError as error:
            raise FeedUnavailableError(f"the feed {self.source}", error.strerror or str(error)) from error
        if len(content) > self.max_bytes:
            raise too_large(self.source, self.max_bytes)
        return content
