"""Where observations come from.

Promises: a document is parsed whole or refused whole (`FeedDocumentError`); a single bad row or value
is quarantined with its reason and raw text; a feed that does not answer raises
`FeedUnavailableError`; nothing is guessed and nothing is lost.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import pandas as pd

from forecasting_platform.forecasting.date_range import DateRange


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """One answer of the feed, parsed and cut to the days asked for.

    Attributes:
        source: URL or path, without credentials.
        fetched_at: when it was received (aware).
        sha256: checksum of the bytes as received (after decompression).
        size_bytes: their number.
        observations: `unique_id`, `ds`, `y`, one row per published value, ordered by key.
        quarantined: `unique_id`, `ds`, `reason`, `raw` of what was refused.
        unpublished: (`unique_id`, day) whose value is null: announced but not known yet.
        last_published: the newest day with a value in the whole document, None if there is none.
    """

    source: str
    fetched_at: datetime
    sha256: str
    size_bytes: int
    observations: pd.DataFrame
    quarantined: pd.DataFrame
    unpublished: tuple[tuple[str, date], ...] = field(default=())
    last_published: date | None = None


class ObservationFeed(Protocol):
    """A feed of daily values."""

    def fetch(self, period: DateRange) -> FeedDocument:
        """The feed's values for the days of `period`.

        Raises:
            FeedUnavailableError: no answer, a server error, or a deadline passed: retry.
            FeedDocumentError: an answer that must not be used: too large, not JSON or CSV, no `Date`
                column, no series, dates in another order than declared, two values for one day.
        """
        ...
