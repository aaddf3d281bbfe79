"""The feed over HTTP: one document behind a URL, asked for only when it has changed."""

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.document_reader import DocumentReader
from forecasting_platform.adapters.feeds.feed_dates import DateFormat
from forecasting_platform.adapters.feeds.http_download import HttpDownload, http_url
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.redaction import shown


class HttpFeed:
    """A feed document behind one URL.

    A URL that holds `{start}` and `{end}` gets the first and last day asked for there (`YYYY-MM-DD`,
    both inclusive), and may answer without rows; any other answers with its whole history, which is never
    empty, and of which the days asked for are kept.

    Args:
        url: `http` or `https`; credentials in it are sent, and never shown.
        date_format: how the document writes a day, such as `dd/mm/yyyy`.
        timeout_seconds: deadline of one fetch: name lookup, retries, redirects and reading together.
        max_bytes: largest document accepted, after decompression.
        archive: keeps what was loaded; without one, a document is sent anew each time.

    Raises:
        ConfigurationError: the URL or the date format cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        date_format: str,
        timeout_seconds: float,
        max_bytes: int,
        archive: DocumentArchive | None = None,
    ) -> None:
        if http_url(url) is None:
            raise ConfigurationError("FORECASTING_FEED_URL", "is no URL such as https://host/feed")
        self._url = url
        self.source = shown(url)
        self._download = HttpDownload(url, self.source, timeout_seconds, max_bytes)
        self._reader = DocumentReader(DateFormat.compile(date_format), archive)

    def fetch(self, period: DateRange) -> FeedDocument:
        """The feed's values for the days of `period`, as `ObservationFeed` promises."""
        url = self._url.replace("{start}", period.start.isoformat()).replace("{end}", period.end.isoformat())
        raw = self._download.get(url, self._reader.recall(url, self.source))
        return self._reader.read(raw, period, may_be_empty=url != self._url)
