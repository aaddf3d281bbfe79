"""What every feed does once it has its document: read it, and keep it. How it came is the feed's."""

from dataclasses import dataclass, replace

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.feed_dates import DateFormat
from forecasting_platform.adapters.feeds.feed_document import parse_feed_document
from forecasting_platform.adapters.feeds.raw_document import RawDocument
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument


@dataclass(frozen=True, slots=True)
class DocumentReader:
    """From a raw document to the values of a period.

    Attributes:
        archive: keeps each document that can be used, before anything is done with it; None keeps nothing.
    """

    date_format: DateFormat
    archive: DocumentArchive | None = None

    def recall(self, address: str, source: str) -> RawDocument | None:
        """The kept document of an address, see `DocumentArchive.recall`."""
        return self.archive.recall(address, source) if self.archive else None

    def read(self, raw: RawDocument, period: DateRange, *, may_be_empty: bool = False) -> FeedDocument:
        """The document's values for the days of `period`; `may_be_empty` as in `parse_feed_document`.

        Raises:
            FeedDocumentError: see `parse_feed_document`; such a document is not kept.
            ArchiveUnavailableError: it could not be kept.
        """
        document = parse_feed_document(
            raw.content,
            content_type=raw.content_type,
            source=raw.source,
            fetched_at=raw.fetched_at,
            date_format=self.date_format,
            period=period,
            today=raw.fetched_at.date(),
            may_be_empty=may_be_empty,
        )
        kept_at = self.archive.keep(raw) if self.archive else None
        return replace(document, kept_at=kept_at, not_modified=raw.not_modified)
