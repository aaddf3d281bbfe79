"""The feed over HTTP: one document behind a URL, asked for only when it has changed, or one of several pages."""

from dataclasses import replace
from time import monotonic

from forecasting_platform.adapters.feeds.described_feed import DescribedFeed
from forecasting_platform.adapters.feeds.http_download import HttpDownload, http_url
from forecasting_platform.adapters.feeds.paged_document import PagedDocument, joined_description
from forecasting_platform.adapters.feeds.raw_document import RawDocument
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange


class HttpFeed(DescribedFeed):
    """A feed document behind one URL.

    A URL that holds `{start}` and `{end}` gets the first and last day asked for there (`YYYY-MM-DD`,
    both inclusive), and may answer without rows; any other answers with its whole history, which is never
    empty, and of which the days asked for are kept.

    Credentials in the URL, and headers, are sent to its own server and to nobody else, and never shown.
    """

    def _prepare(self) -> None:
        if http_url(self.filled.url) is None:
            raise ConfigurationError("source.url", "is no URL such as https://host/feed")

    def _read_as(self) -> FeedDescription:
        return joined_description(self.description) if self.description.source.pages else self.description

    def _document(self, period: DateRange) -> RawDocument:
        url = self.filled.url.replace("{start}", period.start.isoformat()).replace("{end}", period.end.isoformat())
        source = self.description.source
        download = HttpDownload(
            self.filled.url, self.source, self.timeout_seconds, self.max_bytes, self.filled.headers, source.member
        )
        if source.pages is not None:
            deadline = monotonic() + self.timeout_seconds
            paged = PagedDocument(source.pages, self.description, self.source, self.max_bytes)
            return paged.read(url, lambda page: download.get(page, deadline=deadline))
        # One zip may be the feed of several of its files.
        address = f"{url}#{source.member}" if source.member else url
        return replace(download.get(url, self.recalled(address, self.source)), address=address)
