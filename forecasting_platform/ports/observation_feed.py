"""Where observations come from.

Promises that every adapter keeps, numbered; the contract suite has a test for each:

1. Each value published for a day asked for is there once; no other day is, nor a value that was not published.
2. A value or row that cannot be used is quarantined alone, with its reason and raw text.
3. A null is no value: it is named in `unpublished`. A day without a row is absent.
4. A document that must not be used is refused whole with `FeedDocumentError`; one too large, before it is read whole.
5. A feed that does not answer raises `FeedUnavailableError`.
6. A change is seen by the next fetch; a document that did not change is the same document again.
7. Where there is an archive, a document was kept before it is returned, and `kept_at` holds the bytes of `sha256`.
8. Nothing secret in the feed's address is shown.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import pandas as pd

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import OBSERVATIONS
from forecasting_platform.forecasting.series.quality.refusals import Refusals


def no_values() -> pd.DataFrame:
    """`unique_id`, `ds`, `y` without a row."""
    return OBSERVATIONS.empty().drop(columns="available_at")


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
        last_published: the newest day of the whole document with a value of a series that is not known before its day,
            None if there is none.
        kept_at: URI of the kept raw document, None where none is kept.
        not_modified: whether the source only said that its document is the one kept before.
        series: the names of its series; where each is a column, also of those without a value on these days.
        feeds: where this is of several feeds, the result of each; `refusals`, `source` and what is said of bytes are
            then of the needed ones.
        refusals: how much was refused, and of what the document consists.
        planned: `unique_id`, `ds`, `y` of days to come, of the series that are known before their day; of the whole
            document, whatever the days asked for.
    """

    source: str
    fetched_at: datetime
    sha256: str
    size_bytes: int
    observations: pd.DataFrame
    quarantined: pd.DataFrame
    unpublished: tuple[tuple[str, date], ...] = field(default=())
    last_published: date | None = None
    kept_at: str | None = None
    not_modified: bool = False
    series: tuple[str, ...] = ()
    feeds: "tuple[FeedResult, ...]" = ()
    refusals: Refusals = field(default=Refusals())
    planned: pd.DataFrame = field(default_factory=no_values)

    def results(self) -> "tuple[FeedResult, ...]":
        """The result of each feed: of several, or of the only one."""
        return self.feeds or (FeedResult("feed", self),)


@dataclass(frozen=True, slots=True)
class FeedResult:
    """What one of several feeds gave.

    Attributes:
        name: of the feed.
        document: without what was not taken of it; None where it gave none.
        problem: why it gave none, or why some or all of its values were not taken; None where all were.
        is_needed: whether it is of what is forecast; one of exogenous series only holds nothing up.
    """

    name: str
    document: FeedDocument | None
    problem: str | None = None
    is_needed: bool = True


class ObservationFeed(Protocol):
    """A feed of daily values."""

    def fetch(self, period: DateRange) -> FeedDocument:
        """The feed's values for the days of `period`.

        Raises:
            FeedUnavailableError: no answer, a server error, or a deadline passed: retry.
            FeedDocumentError: an answer that must not be used: too large, not JSON or CSV, no `Date`
                column, no series, dates in another order than declared.
            ArchiveUnavailableError: it could not be kept: retry.
        """
        ...
