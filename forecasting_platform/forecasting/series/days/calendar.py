"""Calendar values that are known of any day in advance: weekday, holidays and the position in the year.

Nothing here depends on an observation, so nothing here can leak.
"""

import warnings
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

import holidays
import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.arrays import Days, Floats

YEARLY_PAIRS = 6
DAYS_PER_YEAR = 365.25
SATURDAY = 5
SEASONS = ("winter", "spring", "summer", "autumn")
CALENDAR_NAMES: tuple[str, ...] = (
    "weekday",
    "is_holiday",
    "is_before_holiday",
    "is_after_holiday",
    "is_year_end",
    *(f"yearly_{wave}_{pair}" for pair in range(1, YEARLY_PAIRS + 1) for wave in ("sin", "cos")),
)
"""Columns of `calendar_values`: Monday is weekday 0; flags are 0 or 1; waves lie in [-1, 1]."""


def public_holidays(country: str, year: int) -> Iterable[date]:
    """Those of a country (`IE`) or a part of one (`GB-SCT`); of years that the package knows in part, these.

    Raises:
        NotImplementedError: there is no such country or part.
    """
    whole, _, subdivision = country.partition("-")
    with warnings.catch_warnings():
        # Nobody who reads the history of a feed can do anything about a year of which less is known.
        warnings.filterwarnings("ignore", "Requested Holidays are available only", UserWarning)
        return holidays.country_holidays(whole, subdiv=subdivision or None, years=year)


@lru_cache(maxsize=512)
def _holidays_of_year(country: str, year: int) -> Days:
    try:
        found = public_holidays(country, year)
    except NotImplementedError as error:
        raise ConfigurationError(
            "FORECASTING_HOLIDAY_COUNTRY",
            f"{country!r} is no country the holidays package knows; give an ISO code, such as IE, GB or GB-SCT",
        ) from error
    return np.array(sorted(found), dtype="datetime64[D]")


def is_holiday(days: Days, country: str) -> Floats:
    """1.0 on a country's public holidays from Monday to Friday, else 0.0; shape (n,).

    A holiday at the weekend hardly changes what people do, so it does not count.

    Args:
        country: its ISO code, or that of a part of one.

    Raises:
        ConfigurationError: the country is not known.

    >>> is_holiday(np.array(["2023-03-17", "2023-03-18"], dtype="datetime64[D]"), "IE").tolist()
    [1.0, 0.0]
    >>> [is_holiday(np.array(["2023-01-02"], dtype="datetime64[D]"), part).item() for part in ("DE", "GB-SCT")]
    [0.0, 1.0]
    """
    years = {int(year) for year in np.unique(days.astype("datetime64[Y]").astype(int) + 1970)}
    known = [_holidays_of_year(country, year) for year in sorted(years)]
    found = np.isin(days, np.concatenate(known)) if known else np.zeros(len(days), dtype=bool)
    return (found & (weekday(days) < SATURDAY)).astype(np.float64)


def recent_holidays(days: Days, country: str) -> Floats:
    """Holidays among the seven days up to and including each; shape (n,)."""
    week = np.arange(7, dtype="timedelta64[D]")
    return is_holiday((days[:, None] - week).ravel(), country).reshape(len(days), 7).sum(axis=1)


def is_year_end(days: Days) -> Floats:
    """1.0 from 24 December to 1 January, else 0.0; shape (n,)."""
    after_year_start = (days - days.astype("datetime64[Y]")).astype(int)
    after_month_start = (days - days.astype("datetime64[M]")).astype(int)
    in_december = days.astype("datetime64[M]").astype(int) % 12 == 11
    flagged: Floats = ((in_december & (after_month_start >= 23)) | (after_year_start == 0)).astype(np.float64)
    return flagged


def weekday(days: Days) -> npt.NDArray[np.int64]:
    """Monday 0 to Sunday 6; shape (n,).

    >>> weekday(np.array(["2023-07-01"], dtype="datetime64[D]")).tolist()
    [5]
    """
    # Day 0 of NumPy, 1 January 1970, was a Thursday.
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7


def yearly_waves(days: Days) -> Floats:
    """Sine and cosine of the position in the year, slowest pair first; shape (n, 2 · YEARLY_PAIRS)."""
    # Of the day's number and not of the day in its year: the waves go on through the turn of the year without a jump.
    angle = 2 * np.pi * days.astype("datetime64[D]").astype(np.int64) / DAYS_PER_YEAR
    return np.column_stack([wave(pair * angle) for pair in range(1, YEARLY_PAIRS + 1) for wave in (np.sin, np.cos)])


def calendar_values(days: Days, country: str) -> Floats:
    """The columns `CALENDAR_NAMES` of each day; shape (n, 17)."""
    flags = [is_holiday(days + shift, country) for shift in (0, 1, -1)]
    return np.column_stack([weekday(days), *flags, is_year_end(days), yearly_waves(days)])


def season_of(days: Days) -> npt.NDArray[np.int64]:
    """Positions in `SEASONS`: December to February is winter, and so on.

    >>> season_of(np.array(["2023-02-28", "2023-03-01", "2023-12-01"], dtype="datetime64[D]")).tolist()
    [0, 1, 0]
    """
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    positions: npt.NDArray[np.int64] = (month + 1) % 12 // 3
    return positions
