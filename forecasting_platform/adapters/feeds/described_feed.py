"""The base of every feed of documents: fetch one, read it by its description, archive it. Subclasses fetch."""

import os
from abc import ABC, abstractmethod
from dataclasses import replace

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.documents.feed_document import read_document
from forecasting_platform.adapters.feeds.raw_document import RawDocument
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.feed_description.variables import FilledSource
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.redaction import shown


class DescribedFeed(ABC):
    """A feed of the documents that a description is of.

    Args:
        description: where they are and how they are written. `${NAME}` in its URL and headers is read from the
            environment now; its value is never shown.
        timeout_seconds: deadline of one fetch, all that it asks for together.
        max_bytes: largest document accepted, after decompression; of several pages, all of them together.
        archive: keeps what was loaded; without one, a document is sent anew each time.

    Attributes:
        source: the URL without what may be secret.

    Raises:
        ConfigurationError: the URL cannot be used, or what it takes from the environment is not there.
    """

    def __init__(
        self,
        description: FeedDescription,
        *,
        timeout_seconds: float,
        max_bytes: int,
        archive: DocumentArchive | None = None,
    ) -> None:
        self.description = description
        self.timeout_seconds = timeout_seconds
        self.max_bytes = max_bytes
        self.archive = archive
        self.filled = FilledSource.of(description, os.environ)
        self._prepare()
        self.source = self.filled.hidden(self._shown())

    def fetch(self, period: DateRange) -> FeedDocument:
        """The feed's values for the days of `period`, as `ObservationFeed` promises."""
        with self.filled.hidden_in_errors():
            raw = self._document(period)
            document = read_document(
                raw.content,
                description=self._read_as(),
                content_type=raw.content_type,
                source=raw.source,
                fetched_at=raw.fetched_at,
                period=period,
                may_be_empty=self.asks_for_days,
            )
            # Only what can be used is kept, and before anything is done with it.
            kept_at = self.archive.keep(raw) if self.archive else None
            return replace(document, kept_at=kept_at, not_modified=raw.not_modified)

    def raw_document(self, period: DateRange) -> RawDocument:
        """The document that has the days of `period`, not read yet and not kept.

        Raises:
            FeedUnavailableError, FeedDocumentError: see `ObservationFeed`.
        """
        with self.filled.hidden_in_errors():
            return self._document(period)

    @property
    def asks_for_days(self) -> bool:
        """Whether the URL names the days asked for, so that an answer may be without rows."""
        return "{start}" in self.filled.url or "{end}" in self.filled.url

    def recalled(self, address: str, source: str) -> RawDocument | None:
        """The kept document of an address, see `DocumentArchive.recall`."""
        return self.archive.recall(address, source) if self.archive else None

    def _shown(self) -> str:
        """The URL without what may be secret."""
        return shown(self.description.source.url)

    def _read_as(self) -> FeedDescription:
        """What `_document` gives, as it is read."""
        return self.description

    @abstractmethod
    def _prepare(self) -> None:
        """Refuse a URL that cannot be used, before anything is fetched.

        Raises:
            ConfigurationError: it cannot be.
        """

    @abstractmethod
    def _document(self, period: DateRange) -> RawDocument:
        """The document that has the days of `period`.

        Raises:
            FeedUnavailableError, FeedDocumentError: see `ObservationFeed`.
        """
