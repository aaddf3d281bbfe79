"""`feature_table`: what was known about a series at the end of a day.

Every feature of day t depends on the last `WINDOW_DAYS` days up to and including t, and on nothing else:
not on the range it is built in, not on other series, not on any later day, not even in its last bit.
Days without an observation are left out of each mean rather than filled, and have no row of their own. A lag that falls
on a closed day, on which no value is due, is the value of the due day before it.

All series are computed at once. Sums over n days are made by doubling (the sum over 2n days is the sum over
n days and the same one n days before), so that each is the same few additions wherever it stands.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.covariates.exogenous import Exogenous, is_exogenous
from forecasting_platform.forecasting.series.covariates.exogenous_values import exogenous_values, known_at
from forecasting_platform.forecasting.series.days.calendar import is_holiday, is_year_end, recent_holidays
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.frames import (
    FEATURE_NAMES,
    FEATURE_TABLE,
    LAGS,
    LEVEL_SMOOTHINGS,
    MEAN_WINDOWS,
    VOLATILITY_SMOOTHINGS,
)

SMOOTHED_DAYS = max(MEAN_WINDOWS)
WINDOW_DAYS = SMOOTHED_DAYS + 7
"""Days that a feature row looks at, its own day included: a smoothed weekly change looks a week further."""

WEEKDAY_WEEKS = 13
MAX_CARRIED_DAYS = 7
"""Closed days over which the value before them is a lag: a weekend, holidays, the six days between weekly values."""

BLOCK_SERIES = 200


def observations_period(period: DateRange) -> DateRange:
    """The days whose observations the features of `period` depend on.

    >>> str(observations_period(DateRange(date(2023, 7, 1), date(2023, 7, 2))))
    '2022-06-26..2023-07-02'
    """
    return DateRange(period.start - timedelta(days=WINDOW_DAYS - 1), period.end)


def days_depending_on(period: DateRange, newest: date) -> DateRange:
    """The days whose features depend on the observations of `period`, none after `newest` or its own end.

    >>> str(days_depending_on(DateRange(date(2021, 7, 1), date(2021, 7, 2)), date(2023, 6, 30)))
    '2021-07-01..2022-07-07'
    """
    return DateRange(period.start, max(period.end, min(period.end + timedelta(days=WINDOW_DAYS - 1), newest)))


def build_features(
    observations: pd.DataFrame,
    period: DateRange,
    country: str,
    exogenous: Sequence[Exogenous] = (),
    calendars: Calendars = DAILY,
    versions: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The rows of `FEATURE_TABLE` for the observed days of `period`.

    Args:
        observations: `unique_id`, `ds`, `y`, one row per series and day; those of
            `observations_period(period)` decide, others are ignored.
        country: whose holidays are flagged.
        exogenous: series that get no rows of their own: they are columns in the rows of the others.
        calendars: the days on which values of each series are due.
        versions: of the exogenous series known by target day, see `known_at`.

    Returns:
        One row per observed day, ordered by `unique_id`, `ds`; empty where nothing was observed.
    """
    window = observations_period(period)
    days = np.arange(np.datetime64(window.start, "D"), np.datetime64(window.end, "D") + 1)
    inside = observations[observations["ds"].between(pd.Timestamp(window.start), pd.Timestamp(window.end))]
    unique_ids, series = np.unique(inside["unique_id"].to_numpy(dtype=str), return_inverse=True)
    if exogenous:
        is_column = is_exogenous(observations["unique_id"].tolist(), exogenous)
        features = build_features(observations[~is_column], period, country, calendars=calendars)
        names = sorted(features["unique_id"].unique())
        texts = known_at(days, names, observations[is_column], exogenous, versions)
        place, day = np.searchsorted(names, features["unique_id"].to_numpy(dtype=str)), features["ds"].to_numpy()
        known = texts[place, (day.astype("datetime64[D]") - days[0]).astype(np.int64)] if len(features) else None
        return FEATURE_TABLE.conform(features.assign(exogenous=known), period)
    values = np.full((len(unique_ids), len(days)), np.nan)
    values[series, (inside["ds"].to_numpy().astype("datetime64[D]") - days[0]).astype(np.int64)] = inside["y"]
    tables = [
        _table(unique_ids[start : start + BLOCK_SERIES], days, values[start : start + BLOCK_SERIES], country, calendars)
        for start in range(0, len(unique_ids), BLOCK_SERIES)
    ]
    return FEATURE_TABLE.conform(pd.concat(tables) if tables else FEATURE_TABLE.empty(), period)


def _table(unique_ids: Floats, days: Days, values: Floats, country: str, calendars: Calendars) -> pd.DataFrame:
    asked = slice(WINDOW_DAYS - 1, None)
    closed = None if calendars.is_every_day else ~calendars.is_due(unique_ids.tolist(), days)
    features = feature_block(days, values, country, closed)[:, asked]
    series, day = np.nonzero(np.isfinite(values[:, asked]))
    # Only observed days have a row: on the others nothing became known.
    table = pd.DataFrame(features[series, day], columns=list(FEATURE_NAMES))
    table.insert(0, "unique_id", unique_ids[series].astype(object))
    table.insert(1, "ds", days[asked][day].astype("datetime64[ns]"))
    observed_days = trailing_sum(np.isfinite(values).astype(np.float64), SMOOTHED_DAYS)
    table["observed_days"] = observed_days[:, asked][series, day].astype(np.int64)
    table["exogenous"] = None
    return table


def feature_block(days: Days, values: Floats, country: str, closed: npt.NDArray[np.bool_] | None = None) -> Floats:
    """`FEATURE_NAMES` of every series and day; shape (S, T, len(FEATURE_NAMES)).

    Args:
        days: T consecutive days.
        values: shape (S, T), NaN where nothing was observed; so are the features there. What lies before
            the first day is taken as not observed.
        closed: on which days no value is due; same shape.
    """
    # Sums of zeros and ones count the observed days with the same additions that sum the values.
    known = np.isfinite(values).astype(np.float64)
    filled = np.where(known > 0, values, 0.0)
    block = np.empty((*values.shape, len(FEATURE_NAMES)))
    for position, feature in enumerate(_features(filled, known, closed)):
        block[:, :, position] = feature
    block[:, :, -3:] = np.column_stack([is_holiday(days, country), is_year_end(days), recent_holidays(days, country)])
    block[known == 0] = np.nan
    return block


def _features(values: Floats, known: Floats, closed: npt.NDArray[np.bool_] | None) -> Iterator[Floats]:
    means = {window: trailing_mean(values, known, window) for window in MEAN_WINDOWS}
    yield values
    lagged, is_known = (values, known) if closed is None else _carry_over(values, known, closed)
    for lag in LAGS:
        # A lag that was never observed is best guessed by the mean of its week.
        yield np.where(back(is_known, lag) > 0, back(lagged, lag), means[7])
    yield from means.values()
    # How far the newest thirteen values of a weekday lie from the mean of their weeks; 0 of one never observed.
    same_weekday = trailing_mean(values, known, WEEKDAY_WEEKS, stride=7)
    mean = means[7 * WEEKDAY_WEEKS]
    effects = [np.nan_to_num(back(same_weekday, 7 - ahead, np.nan) - mean) for ahead in range(1, 8)]
    yield from effects
    for smoothing in LEVEL_SMOOTHINGS:
        yield _level(values, known, effects, 1 - smoothing)
    # A weekly change counts where both of its days were observed.
    both = known * back(known, 7)
    change = np.where(both > 0, np.abs(values - back(values, 7)), 0.0)
    for smoothing in VOLATILITY_SMOOTHINGS:
        # Before the first weekly change nothing is known of how much a series changes.
        yield np.nan_to_num(trailing_mean(change, both, SMOOTHED_DAYS, 1 - smoothing))


def _carry_over(values: Floats, known: Floats, closed: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Values and whether they are known, closed days given those of the last due day before them."""
    for _ in range(MAX_CARRIED_DAYS):
        empty = closed & (known == 0)
        values, known = np.where(empty, back(values, 1), values), np.where(empty, back(known, 1), known)
    return values, known


def _level(values: Floats, known: Floats, effects: list[Floats], decay: float) -> Floats:
    """The smoothed value, freed of the effects of the weekdays that it is made of.

    Exponential smoothing (FPP3, 8.1) over the observed days only, whose weights are scaled to sum to 1: so the weekdays
    do not balance out where days are missing.
    """
    total = trailing_sum(known, SMOOTHED_DAYS, decay)
    # The weight of one weekday: its newest day's, and decay**7 times as much for each week before.
    weekly = trailing_sum(known, SMOOTHED_DAYS // 7, decay**7, stride=7)
    # The effect `ahead` days ahead is that of the weekday 7 - ahead days ago.
    shares = (decay**days_back * back(weekly, days_back) for days_back in range(6, -1, -1))
    seasonal = sum(share * effect for share, effect in zip(shares, effects, strict=True))
    # No observed day in the window: 0 / 0 is NaN, as for every feature of such a day.
    with np.errstate(invalid="ignore", divide="ignore"):
        level: Floats = (trailing_sum(values, SMOOTHED_DAYS, decay) - seasonal) / total
    return level


def trailing_mean(values: Floats, known: Floats, terms: int, decay: float = 1.0, stride: int = 1) -> Floats:
    """Mean of the known ones of the last `terms` values, each weighing `decay` times the one after it; NaN if none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = trailing_sum(values, terms, decay, stride) / trailing_sum(known, terms, decay, stride)
    return mean


def trailing_sum(values: Floats, terms: int, decay: float = 1.0, stride: int = 1) -> Floats:
    """Sum of the last `terms` values, `stride` days apart, each weighing `decay` times the one after it.

    >>> trailing_sum(np.array([[1.0, 2.0, 4.0, 8.0]]), 3).tolist()
    [[1.0, 3.0, 7.0, 14.0]]
    """
    if terms == 1:
        return values
    # Doubling: a sum moved along by adding and subtracting would carry its rounding from day to day.
    half = trailing_sum(values, terms // 2, decay, stride)
    doubled = half + decay ** (terms // 2) * back(half, terms // 2 * stride)
    return doubled if terms % 2 == 0 else values + decay * back(doubled, stride)


def back(values: Floats, days: int, before: float = 0.0) -> Floats:
    """What stood some days earlier; `before` where that lies before the first day."""
    earlier = np.full_like(values, before)
    earlier[:, days:] = values[:, : max(values.shape[1] - days, 0)]
    return earlier


def fingerprint(features: pd.DataFrame, exogenous: Sequence[str] = ()) -> str:
    """SHA-256 of the values trained on: equal data have equal fingerprints, in any order.

    Args:
        exogenous: the exogenous columns that were regressed on.
    """
    ordered = features.sort_values(["unique_id", "ds"])
    own = pd.util.hash_pandas_object(ordered[["unique_id", "ds", "y"]], index=False)
    digest = hashlib.sha256(own.to_numpy().tobytes())
    if exogenous:
        digest.update(exogenous_values(ordered["exogenous"], exogenous).tobytes())
    return digest.hexdigest()
