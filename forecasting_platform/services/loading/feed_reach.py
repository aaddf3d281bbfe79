"""How far a feed reaches: from its first value to the newest one that is complete."""

from collections.abc import Callable
from datetime import date, timedelta

from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.ports.observation_feed import ObservationFeed

EARLIEST_DAY = date(1970, 1, 1)
MAX_FIRST_LOAD_DAYS = 20 * 366
"""Days of an initial load that is not told where to start: each day is a partition with an event of its own."""
ENDED_DAYS = 60
"""A feed whose newest value is older has ended, as far as who starts a platform on it should know."""


def reach_of(feed: ObservationFeed, today: date, tell: Callable[[str], None]) -> DateRange:
    """The days of a feed's values, from the first to the newest.

    Args:
        tell: is told a line of what a person should know: a feed that fails, or ended long ago.

    Raises:
        FeedUnavailableError, FeedDocumentError: the feed cannot be used, or has no value.
    """
    document = feed.fetch(DateRange(EARLIEST_DAY, today))
    for result in document.feeds:
        if result.problem:
            tell(f"the feed {result.name!r}: {result.problem}")
    days = document.observations["ds"]
    if days.empty:
        problem = f"it has no value from {EARLIEST_DAY} to {today}; {document.refusals}"
        raise FeedDocumentError(document.source, problem, "Look at its days and columns.")
    found = DateRange(days.min().date(), days.max().date())
    if (today - found.end).days > ENDED_DAYS:
        ago = f"{(today - found.end).days:,} days ago"
        tell(f"the feed's newest value is of {found.end}, {ago}: it is served for its own days and those right after")
    return found


def first_load(reach: DateRange, start: date | None, end: date | None, tell: Callable[[str], None]) -> DateRange:
    """The days of an initial load: the feed's own, unless a person says others.

    >>> first_load(DateRange(date(1900, 1, 1), date(2023, 6, 30)), None, None, print).start
    the feed reaches back to 1900-01-01; the days since 2003-06-16 are loaded, --start loads more
    datetime.date(2003, 6, 16)
    """
    end = end or max(reach.end, start or reach.end)
    if start is None and (end - reach.start).days >= MAX_FIRST_LOAD_DAYS:
        start = end - timedelta(days=MAX_FIRST_LOAD_DAYS - 1)
        tell(f"the feed reaches back to {reach.start}; the days since {start} are loaded, --start loads more")
    return DateRange(start or min(reach.start, end), end)
