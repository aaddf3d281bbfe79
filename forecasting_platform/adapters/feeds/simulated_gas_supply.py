"""A plausible gas supply of a small country, in GWh a day, since 2018, and its weather; the same for each seed.

Corrib is a gas field running dry; Moffat is the import pipe that balances what two groups of
customers take. Its shape follows published figures; no value is real. The web app is `simulated_feed`.
"""

import zlib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal, get_args

import holidays
import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.series.days.date_range import DateRange

FIRST_DAY = date(2018, 1, 1)
SeriesName = Literal["Corrib production", "Moffat imports", "Daily metered demand", "Non-daily metered demand"]
SERIES: tuple[SeriesName, ...] = get_args(SeriesName)

TEMPERATURE = "Temperature"
WEATHER_STEPS = 15
"""Days ahead that the weather forecast speaks of."""

_TEMPERATURE_DEVIATION = 2.4
_DECIMALS = 6

_Values = npt.NDArray[np.float64]


def simulate_gas_supply(period: DateRange, *, seed: int = 0) -> pd.DataFrame:
    """The final values of each series for the days of `period`, in GWh.

    A day's value depends on the seed and the day alone: it is made from noise that starts on the
    first day, whatever the period.

    Returns:
        A frame with one column a series, indexed by day (midnight, no zone), none before 2018-01-01.

    >>> july = simulate_gas_supply(DateRange(date(2020, 7, 1), date(2020, 7, 3)))
    >>> july.shape
    (3, 4)
    >>> july.iloc[:1].equals(simulate_gas_supply(DateRange(date(2020, 7, 1), date(2020, 7, 1))))
    True
    """
    days = _days_until(period.end)
    cold = _heating_degrees(days, seed)
    off = _is_off(days)
    daily_metered = _daily_metered(days, cold, off, seed)
    non_daily_metered = _non_daily_metered(cold, off, seed)
    corrib = _corrib(days, seed)
    # Imports balance the system; line pack takes up the small rest.
    line_pack = 4.0 * _noise("line pack", len(days), seed)
    imports = np.maximum(daily_metered + non_daily_metered - corrib + line_pack, 0.0)
    columns = dict(zip(SERIES, (corrib, imports, daily_metered, non_daily_metered), strict=True))
    return pd.DataFrame(columns, index=days).round(_DECIMALS).loc[str(period.start) : str(period.end)]


def simulate_weather(period: DateRange, *, seed: int = 0) -> pd.DataFrame:
    """The mean temperature of each day in degrees Celsius, and what that day's weather forecast said of the next ones.

    It is the temperature that homes and shops heat by. A forecast is right about tomorrow (its correlation with
    the anomaly that comes is .99), and in 15 days hardly better than the season (.16).

    Returns:
        `Temperature` and `Temperature +1` to `Temperature +15`, indexed by day, none before 2018-01-01.

    >>> simulate_weather(DateRange(date(2020, 7, 1), date(2020, 7, 3))).shape
    (3, 16)
    """
    days = _days_until(period.end)
    later = _days_until(period.end + timedelta(days=WEATHER_STEPS))
    season, temperature = _seasonal_temperature(later), _temperature(later, seed)
    columns = {TEMPERATURE: temperature[: len(days)]}
    for step in range(1, WEATHER_STEPS + 1):
        skill = np.exp(-((step / 11) ** 2))
        error = _TEMPERATURE_DEVIATION * _persistent_noise(f"forecast {step}", len(days), seed, persistence=0.5)
        coming = slice(step, step + len(days))
        anomaly = skill**2 * (temperature - season)[coming] + skill * np.sqrt(1 - skill**2) * error
        columns[f"{TEMPERATURE} +{step}"] = season[coming] + anomaly
    return pd.DataFrame(columns, index=days).round(1).loc[str(period.start) : str(period.end)]


def published_weather(period: DateRange, *, as_of: date, seed: int = 0) -> pd.DataFrame:
    """What of `simulate_weather` had been published by the end of day `as_of`: each day before it, never revised."""
    first, last = max(period.start, FIRST_DAY), min(period.end, as_of - timedelta(days=1))
    found = simulate_weather(DateRange(first, max(first, last)), seed=seed)
    return found if first <= last else found.iloc[:0]


def published_gas_supply(period: DateRange, *, as_of: date, seed: int = 0) -> pd.DataFrame:
    """What had been published of `period` by the end of day `as_of`.

    A day appears on the next one; one in a hundred is late and appears up to three days after that.
    Some of its values come up to two days later still, and are NaN until then; some are first published
    a few percent off and revised within ten days. On the 15th of January, April, July and October the
    days since the last such date (90 to 92) are republished: a third of their values change a little.

    Returns:
        As `simulate_gas_supply`; without the days that had not appeared.
    """
    first, last = max(period.start, FIRST_DAY), min(period.end, as_of - timedelta(days=1))
    if last < first:
        return simulate_gas_supply(DateRange(FIRST_DAY, FIRST_DAY), seed=seed).iloc[:0]
    final = simulate_gas_supply(DateRange(first, last), seed=seed)
    days = _days_until(last)
    age_days = -(days - pd.Timestamp(as_of)).days.to_numpy()
    is_settled = age_days >= _settled_after(days)
    factors = {name: _factor_at_age(name, age_days, is_settled, seed) for name in SERIES}
    has_appeared = pd.Series(age_days >= _appears_after(len(days), seed), index=days)
    published = (final * pd.DataFrame(factors, index=days).loc[final.index]).round(_DECIMALS)
    return published[has_appeared.loc[final.index]]


def _appears_after(count: int, seed: int) -> _Values:
    """How many days after itself a day is first in the document."""
    is_late = _uniform("late days", count, seed) < 0.01
    return np.where(is_late, 2 + np.floor(3 * _uniform("lateness", count, seed)), 1.0)


def _settled_after(days: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """How many days after itself a day is republished with its quarter: on the first 15th of a quarter after it."""
    quarters = pd.date_range(days[0], days[-1] + pd.DateOffset(months=4), freq="QS") + pd.Timedelta(days=14)
    return (quarters[quarters.searchsorted(days, side="right")] - days).days.to_numpy()


def _factor_at_age(name: str, age_days: npt.NDArray[np.int64], is_settled: npt.NDArray[np.bool_], seed: int) -> _Values:
    """What the final value is multiplied by to get the one published `age_days` after its day."""
    count = len(age_days)
    delay = np.select([(late := _uniform(f"delay {name}", count, seed)) < 0.01, late < 0.04], [3, 2], default=1)
    is_revised = _uniform(f"revised {name}", count, seed) < 0.06
    revised_after = delay + 1 + np.floor(9 * _uniform(f"revised after {name}", count, seed))
    first = 1.0 + 0.02 * _noise(f"revision {name}", count, seed)
    is_provisional = ~is_settled & (_uniform(f"provisional {name}", count, seed) < 0.33)
    provisional = np.where(is_provisional, 1.0 + 0.004 * _noise(f"settlement {name}", count, seed), 1.0)
    factor = np.where(is_revised & (age_days < revised_after), first, 1.0) * provisional
    return np.where(age_days < delay, np.nan, factor)


def _days_until(last: date) -> pd.DatetimeIndex:
    return pd.date_range(FIRST_DAY, max(last, FIRST_DAY), freq="D")


def _generator(name: str, seed: int) -> np.random.Generator:
    # A generator's first n numbers are the same whatever n, which keeps a day's value fixed.
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _noise(name: str, count: int, seed: int) -> _Values:
    return _generator(name, seed).standard_normal(count)


def _uniform(name: str, count: int, seed: int) -> _Values:
    return _generator(name, seed).random(count)


def _persistent_noise(name: str, count: int, seed: int, persistence: float) -> _Values:
    """An AR(1) process of variance 1."""
    smoothed = pd.Series(_noise(name, count, seed)).ewm(alpha=1 - persistence, adjust=False).mean()
    return smoothed.to_numpy() * np.sqrt((1 + persistence) / (1 - persistence))


def _is_off(days: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
    """Whether industry rests: a weekend, a public holiday of Ireland, or the days around Christmas."""
    public = holidays.country_holidays("IE", years=days.year.unique().tolist())
    is_holiday = np.array([day in public for day in days.date])
    is_year_end = ((days.month == 12) & (days.day >= 24)) | ((days.month == 1) & (days.day == 1))
    return np.asarray((days.day_of_week >= 5) | is_holiday | is_year_end)


def _heating_degrees(days: pd.DatetimeIndex, seed: int) -> _Values:
    """Degrees by which a day is too cold to live in unheated: a yearly wave, and weather that lasts a few days."""
    return np.maximum(15.5 - _temperature(days, seed), 0.0)


def _temperature(days: pd.DatetimeIndex, seed: int) -> _Values:
    weather = _persistent_noise("temperature", len(days), seed, persistence=0.8)
    return _seasonal_temperature(days) + _TEMPERATURE_DEVIATION * weather


def _seasonal_temperature(days: pd.DatetimeIndex) -> _Values:
    season: _Values = 9.8 - 5.3 * np.cos(2 * np.pi * (days.day_of_year.to_numpy() - 20) / 365.25)
    return season


def _non_daily_metered(cold: _Values, off: npt.NDArray[np.bool_], seed: int) -> _Values:
    """Homes and shops: heating, and little else."""
    level = (9.0 + 4.6 * cold) * np.where(off, 0.94, 1.0)
    return level * (1 + 0.025 * _noise("non-daily metered", len(cold), seed))


def _daily_metered(days: pd.DatetimeIndex, cold: _Values, off: npt.NDArray[np.bool_], seed: int) -> _Values:
    """Industry and power stations: the working week, and wind that comes in spells."""
    wind = _persistent_noise("wind", len(days), seed, persistence=0.7)
    level = 88.0 + 1.1 * cold - 11.0 * wind
    return np.maximum(level * np.where(off, 0.84, 1.0) + 2.0 * _noise("daily metered", len(days), seed), 20.0)


def _corrib(days: pd.DatetimeIndex, seed: int) -> _Values:
    """A field that declines by a fifth a year, in plateaus of some weeks, with outages."""
    count = len(days)
    elapsed = np.arange(count)
    plateau_start = np.maximum.accumulate(np.where(_uniform("plateaus", count, seed) < 1 / 40, elapsed, 0))
    plateau = 102.0 * np.exp(-0.197 * plateau_start / 365.25)
    steady = plateau * (1 + 0.004 * _noise("corrib", count, seed))
    return np.maximum(steady * _availability(days, seed), 0.0)


def _availability(days: pd.DatetimeIndex, seed: int) -> _Values:
    """The share of the field that runs: less for a day or two at a time, none in the yearly maintenance."""
    count = len(days)
    trips = _uniform("trips", count, seed) < 0.012
    second_day = np.concatenate([[False], trips[:-1]]) & (_uniform("long trips", count, seed) < 0.5)
    share = np.where(trips | second_day, 0.1 + 0.6 * _uniform("depth of trips", count, seed), 1.0)
    return np.where(_is_maintained(days, seed), 0.0, share)


def _is_maintained(days: pd.DatetimeIndex, seed: int) -> npt.NDArray[np.bool_]:
    """Four to nine days from a day in late August or September, another one each year."""
    years: Sequence[int] = range(FIRST_DAY.year, int(days.year[-1]) + 1)
    maintained = np.zeros(len(days), dtype=bool)
    for year in years:
        start_draw, length_draw = _uniform(f"maintenance {year}", 2, seed)
        start = pd.Timestamp(year, 8, 25) + pd.Timedelta(days=int(25 * start_draw))
        end = start + pd.Timedelta(days=4 + int(6 * length_draw))
        maintained |= np.asarray((days >= start) & (days < end))
    return maintained
