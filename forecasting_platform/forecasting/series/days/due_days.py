"""The days on which values are due, and when a day is complete: a calendar is a value, stored as JSON.

A day on which none is due is closed: it is never missing, late or forecast. Weekday, holidays and season as features
belong to `calendar`, the description of a feed to `feed_description`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

import holidays
import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.arrays import Days
from forecasting_platform.forecasting.series.days.calendar import public_holidays, weekday
from forecasting_platform.forecasting.series.days.date_range import DateRange

EVERY_WEEKDAY = tuple(range(7))
MAX_CLOSED_DAYS = 731
"""How far the next due day is looked for."""

ClosedDaysAre = Literal["left_out", "zero"]
_SETTING = "calendar.holidays"


@lru_cache(maxsize=512)
def holidays_of_year(code: str, year: int) -> Days:
    """The public holidays of a country (`IE`), of a part of one (`GB-SCT`) or of a market (`XNYS`, `XECB`).

    Raises:
        ConfigurationError: there is no such country, part or market.

    >>> holidays_of_year("XECB", 2024).astype(str).tolist()[:3]
    ['2024-01-01', '2024-03-29', '2024-04-01']
    """
    try:
        if code in holidays.list_supported_financial():
            found: Iterable[date] = holidays.financial_holidays(code, years=year)
        else:
            found = public_holidays(code, year)
    except NotImplementedError as error:
        problem = f"{code!r} is no country (IE), part of one (GB-SCT) or market (XNYS) that the holidays package knows"
        raise ConfigurationError(_SETTING, problem) from error
    return np.array(sorted(found), dtype="datetime64[D]")


@dataclass(frozen=True, slots=True)
class DueDays:
    """On which days a value is due, and when it is complete. By default every day, complete at its end (UTC).

    Attributes:
        weekdays: Monday 0 to Sunday 6, at least one.
        holidays: codes of `holidays_of_year`; on a holiday of any of them none is due.
        closed: further days without a value.
        closed_days_are: whether a closed day has no forecast, or one of 0.
        lag_days: days from a day to the one on which it is complete.
        at: the time of that day.
        time_zone: on whose clock.
    """

    weekdays: tuple[int, ...] = EVERY_WEEKDAY
    holidays: tuple[str, ...] = ()
    closed: tuple[DateRange, ...] = ()
    closed_days_are: ClosedDaysAre = "left_out"
    lag_days: int = 1
    at: time = time(0)
    time_zone: str = "UTC"

    @property
    def is_every_day(self) -> bool:
        """Whether no day is closed."""
        return len(self.weekdays) == len(EVERY_WEEKDAY) and not self.holidays and not self.closed

    @property
    def share_of_weekdays(self) -> float:
        """The share of the days of a week on which a value is due."""
        return len(self.weekdays) / len(EVERY_WEEKDAY)

    def is_due(self, days: Days) -> npt.NDArray[np.bool_]:
        """Whether a value is due on each day; same shape.

        >>> days = np.array(["2024-03-28", "2024-03-29", "2024-03-30"], dtype="datetime64[D]")
        >>> DueDays(weekdays=(0, 1, 2, 3, 4), holidays=("XECB",)).is_due(days).tolist()
        [True, False, False]
        """
        if self.is_every_day or not days.size:
            return np.ones(days.shape, dtype=bool)
        due: npt.NDArray[np.bool_] = np.isin(weekday(days), self.weekdays)
        years = np.unique(days.astype("datetime64[Y]")).astype(np.int64) + 1970
        for code in self.holidays:
            due &= ~np.isin(days, np.concatenate([holidays_of_year(code, int(year)) for year in years]))
        for stretch in self.closed:
            due &= ~((days >= np.datetime64(stretch.start)) & (days <= np.datetime64(stretch.end)))
        return due

    def between(self, first: np.datetime64, last: np.datetime64) -> Days:
        """The due days from `first` to `last`, both inclusive."""
        if last < first:
            return _NONE[:0]
        years = range(first.astype("datetime64[Y]").astype(int), last.astype("datetime64[Y]").astype(int) + 1)
        # Year by year, since each is kept: the same few years are asked for again and again.
        due = np.concatenate([_due_days_of_year(self, year) for year in years])
        return due[np.searchsorted(due, first) : np.searchsorted(due, last, side="right")]

    def next_due(self, days: Days) -> Days:
        """The first due day after each; NaT where none follows within `MAX_CLOSED_DAYS`.

        >>> friday = np.array(["2024-03-01"], dtype="datetime64[D]")
        >>> DueDays(weekdays=(0,)).next_due(friday).astype(str).tolist()
        ['2024-03-04']
        """
        if self.is_every_day or not days.size:
            return days + 1
        due = self.between(days.min() + 1, days.max() + MAX_CLOSED_DAYS)
        # NaT at the end: of what lies after the last due day nothing is known.
        return np.append(due, _NONE)[np.searchsorted(due, days, side="right")]

    def count(self, after: Days, until: Days) -> npt.NDArray[np.int64]:
        """How many due days lie after one day, up to and including another; 0 where the second is no later.

        >>> thursday, monday = np.array(["2024-02-29"], "datetime64[D]"), np.array(["2024-03-04"], "datetime64[D]")
        >>> DueDays(weekdays=(0, 1, 2, 3, 4)).count(thursday, monday).tolist()
        [2]
        """
        if self.is_every_day or not after.size:
            return np.maximum((until - after).astype(np.int64), 0)
        due = self.between(min(after.min(), until.min()), max(after.max(), until.max()))
        # The rank of a day among the due days; two ranks differ by the due days between them.
        found = np.searchsorted(due, until, side="right") - np.searchsorted(due, after, side="right")
        return np.maximum(found, 0).astype(np.int64)

    def covered_until(self, days: Days) -> Days:
        """The last day before the next due one: so long nothing else is expected.

        >>> friday = np.array(["2024-03-01"], dtype="datetime64[D]")
        >>> DueDays(weekdays=(0, 1, 2, 3, 4)).covered_until(friday).astype(str).tolist()
        ['2024-03-03']
        """
        following = self.next_due(days)
        # Closed for so long, a series is waited for no longer.
        return np.where(np.isnat(following), days + MAX_CLOSED_DAYS, following - 1)

    def complete_from(self, day: date) -> datetime:
        """When a day is complete.

        >>> str(DueDays(lag_days=2, at=time(9), time_zone="Europe/Dublin").complete_from(date(2024, 7, 1)))
        '2024-07-03 09:00:00+01:00'
        """
        return datetime.combine(day + timedelta(days=self.lag_days), self.at, ZoneInfo(self.time_zone))

    def newest_complete(self, moment: datetime) -> date:
        """The newest day that is complete at a moment, which has a time zone; due or not.

        >>> from datetime import UTC
        >>> str(DueDays().newest_complete(datetime(2024, 7, 3, tzinfo=UTC)))
        '2024-07-02'
        """
        # On the clock of the feed: its publisher's evening may be another day here.
        there = moment.astimezone(ZoneInfo(self.time_zone))
        day = there.date() - timedelta(days=self.lag_days)
        return day if there.time() >= self.at else day - timedelta(days=1)

    def to_document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "weekdays": list(self.weekdays),
            "holidays": list(self.holidays),
            "closed": [[stretch.start.isoformat(), stretch.end.isoformat()] for stretch in self.closed],
            "closed_days_are": self.closed_days_are,
            "lag_days": self.lag_days,
            "at": self.at.isoformat(),
            "time_zone": self.time_zone,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "DueDays":
        """The inverse of `to_document`."""
        closed = [DateRange(date.fromisoformat(start), date.fromisoformat(end)) for start, end in document["closed"]]
        return cls(
            weekdays=tuple(document["weekdays"]),
            holidays=tuple(document["holidays"]),
            closed=tuple(closed),
            closed_days_are=document["closed_days_are"],
            lag_days=document["lag_days"],
            at=time.fromisoformat(document["at"]),
            time_zone=document["time_zone"],
        )


@lru_cache(maxsize=4096)
def _due_days_of_year(calendar: DueDays, since_1970: int) -> Days:
    first, following = (np.datetime64(year, "Y").astype("datetime64[D]") for year in (since_1970, since_1970 + 1))
    days = np.arange(first, following)
    return days[calendar.is_due(days)]


_NONE = np.array(["NaT"], dtype="datetime64[D]")
EVERY_DAY = DueDays()
