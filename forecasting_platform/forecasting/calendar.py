"""What is known of any day in advance: weekday, holidays, the position in the year.

Nothing here depends on an observation, so nothing here can leak.
"""

from functools import lru_cache

import holidays
import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import ConfigurationError

Days = npt.NDArray[np.datetime64]
Floats = npt.NDArray[np.float64]

YEARLY_PAIRS = 3
DAYS_PER_YEAR = 365.25
CALENDAR_NAMES: tuple[str, ...] = (
    "weekday",
    "is_holiday",
    "is_year_end",
    *(f"yearly_{wave}_{pair}" for pair in range(1, YEARLY_PAIRS + 1) for wave in ("sin", "cos")),
)
"""Columns of `calendar_values`: Monday is weekday 0; flags are 0 or 1; waves lie in [-1, 1]."""


@lru_cache(maxsize=512)
def _holidays_of_year(country: str, year: int) -> Days:
    try:
        found = holidays.country_holidays(country, years=year)
    except NotImplementedError as error:
        raise ConfigurationError(
            "FORECASTING_HOLIDAY_COUNTRY", f"{country!r} is no country the holidays package knows; give an ISO code"
        ) from error
    return np.array(sorted(found), dtype="datetime64[D]")


def is_holiday(days: Days, country: str) -> Floats:
    """1.0 on public holidays of a country, else 0.0; shape (n,).

    Raises:
        ConfigurationError: the country is not known.

    >>> is_holiday(np.array(["2023-03-17", "2023-03-18"], dtype="datetime64[D]"), "IE").tolist()
    [1.0, 0.0]
    """
    years = {int(year) for year in np.unique(days.astype("datetime64[Y]").astype(int) + 1970)}
    known = [_holidays_of_year(country, year) for year in sorted(years)]
    return np.isin(days, np.concatenate(known)).astype(np.float64) if known else np.zeros(len(days))


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
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7


def calendar_values(days: Days, country: str) -> Floats:
    """The columns `CALENDAR_NAMES` of each day; shape (n, 9)."""
    angle = 2 * np.pi * days.astype("datetime64[D]").astype(np.int64) / DAYS_PER_YEAR
    waves = [wave(pair * angle) for pair in range(1, YEARLY_PAIRS + 1) for wave in (np.sin, np.cos)]
    return np.column_stack([weekday(days), is_holiday(days, country), is_year_end(days), *waves])
