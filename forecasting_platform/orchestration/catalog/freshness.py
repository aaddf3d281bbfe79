"""When each asset must have been made anew, as Dagster's freshness policies: badges in the catalog, and no message.

A policy knows when an asset was made last, not which days it then had: whether values are complete and forecasts are
there is for the checks of the partitions, which alert. Holidays are in no policy; loads run on them too.
"""

from collections.abc import Mapping
from datetime import UTC, date, time, timedelta

import dagster as dg

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.feed_description.due_days import due_days
from forecasting_platform.feed_wiring import descriptions_of
from forecasting_platform.forecasting.series.days.due_days import EVERY_WEEKDAY, DueDays
from forecasting_platform.settings import Settings

LOADED_BY_HOUR, FORECAST_BY_HOUR = 6, 7
"""Hours in UTC. The daily load begins at 0:00; forecasts are issued as soon as it ends."""
SOME_MONDAYS = (date(2024, 1, 1), date(2024, 7, 1))
WARN_DAYS, FAIL_DAYS = 1, 3
"""How many days a training may be late: a failed one is asked for again each day."""


def freshness_policies(settings: Settings) -> Mapping[str, dg.FreshnessPolicy]:
    """The policy of each asset that is made by the clock; a champion is replaced by evidence, and has none."""
    weekdays = load_weekdays(settings)
    loaded, forecast = _each(weekdays, LOADED_BY_HOUR), _each(weekdays, FORECAST_BY_HOUR)
    interval = timedelta(days=settings.training_interval_days)
    warn, fail = interval + timedelta(days=WARN_DAYS), interval + timedelta(days=FAIL_DAYS)
    return {
        "raw_observations": loaded,
        "feature_table": loaded,
        "trained_model": dg.FreshnessPolicy.time_window(fail_window=fail, warn_window=warn),
        "forecasts": forecast,
        "forecast_errors": forecast,
    }


def load_weekdays(settings: Settings) -> tuple[int, ...]:
    """The weekdays on which the daily load must bring a day that a feed has completed: Monday 0 to Sunday 6.

    >>> load_weekdays(Settings(feed_url="https://example.org/feed.json"))
    (0, 1, 2, 3, 4, 5, 6)
    """
    try:
        feeds = [due_days(description) for description in descriptions_of(settings)]
    except ConfigurationError:
        return EVERY_WEEKDAY
    return tuple(sorted({weekday for feed in feeds for weekday in _completed_before(feed)}))


def _completed_before(feed: DueDays) -> set[int]:
    """The weekdays at whose beginning (UTC) a due day of a feed has become complete, in winter or in summer."""
    days = (monday + timedelta(days=weekday) for monday in SOME_MONDAYS for weekday in feed.weekdays)
    complete = (feed.complete_from(day).astimezone(UTC) for day in days)
    return {(moment.weekday() + (moment.time() > time(0))) % 7 for moment in complete}


def _each(weekdays: tuple[int, ...], hour: int) -> dg.FreshnessPolicy:
    """Made since the midnight before an hour of these weekdays."""
    # Cron's week begins on Sunday.
    days = "*" if weekdays == EVERY_WEEKDAY else ",".join(str((weekday + 1) % 7) for weekday in weekdays)
    return dg.FreshnessPolicy.cron(f"0 {hour} * * {days}", timedelta(hours=hour))
