"""The calendars that the descriptions of feeds declare, as the forecasting packages know them."""

from collections.abc import Sequence

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.feed_description.calendar import ClosedDays, Publication
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.feed_description.parts import WEEKDAYS
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import EVERY_DAY, DueDays
from forecasting_platform.forecasting.series.days.series_calendars import Calendars, SeriesCalendar


def due_days_of(descriptions: Sequence[FeedDescription]) -> Calendars:
    """The calendar of each series of some feeds.

    Where the feeds have different ones, a feed owns the series that it includes by name, or those with its prefix, the
    longest prefix first.

    Raises:
        ConfigurationError: two feeds with different calendars have neither.
    """
    declared = [(description, due_days(description)) for description in descriptions]
    if len({due for _, due in declared}) <= 1:
        return Calendars(tuple(SeriesCalendar(due) for _, due in declared[:1] if due != EVERY_DAY))
    owned = [_owned(description, due) for description, due in declared]
    prefixes: dict[str, DueDays] = {}
    for (description, due), found in zip(declared, owned, strict=True):
        if found.names is None and prefixes.setdefault(found.prefix, due) != due:
            raise ConfigurationError(
                "calendar",
                f"the feed {description.name!r} has another calendar than one before it with the same series.prefix "
                f"{found.prefix!r}; give each a prefix of its own, or name the series by series.include",
            )
    return Calendars(tuple(sorted(owned, key=lambda found: (found.names is None, -len(found.prefix)))))


def due_days(description: FeedDescription) -> DueDays:
    """The calendar of one feed; without a publication a day is complete when it is over."""
    calendar = description.calendar
    closed = [
        DateRange(part.start, part.end) if isinstance(part, ClosedDays) else DateRange(part, part)
        for part in calendar.closed
    ]
    complete = description.publication or Publication(at=description.day.begins_at)
    return DueDays(
        weekdays=tuple(sorted({WEEKDAYS.index(name) for name in calendar.weekdays})),
        holidays=calendar.holidays,
        closed=tuple(closed),
        closed_days_are=calendar.closed_days_are,
        lag_days=complete.lag_days,
        at=complete.at,
        time_zone=description.day.time_zone,
    )


def _owned(description: FeedDescription, due: DueDays) -> SeriesCalendar:
    series = description.series
    if series.include is None:
        return SeriesCalendar(due, prefix=series.prefix)
    return SeriesCalendar(due, frozenset(series.prefix + series.rename.get(name, name) for name in series.include))
