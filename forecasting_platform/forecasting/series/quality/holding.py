"""Holds back observations that are implausible for their series, so that nothing is built on them yet.

A held value is stored and shown like any other, but features, training, forecasts and errors treat it as not observed;
all other values are used. A revision, the following days or a person can release it. Other unusual values are named by
`data_quality`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.errors import ConfigurationError, InvalidRangeError
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.frames import HELD_OBSERVATIONS

PAST_DAYS = 364
MIN_PAST_VALUES = 50
MIN_WEEKDAY_VALUES = 20
"""With fewer of one weekday, its lowest usual value is that of all days."""
MIN_SPREAD = 0.01
"""Of the size of a series: a rate that is pegged moves by less, and then by several times that."""
LOOK_AROUND_DAYS = 98
"""Days before and after one that decide about it: fourteen weeks, so that a weekly series can confirm itself."""


@dataclass(frozen=True, slots=True)
class HoldingPolicy:
    """Which values are held back, and what lets them go.

    A series' spread is the distance between its 1 % and 99 % quantiles over 364 days: three wild values a year do not
    widen it.

    Attributes:
        plausible_spreads: a value further beyond those quantiles is far off: another unit, a typing error.
        far_off_days: so many observed days far off on the same side in a row are the series' new level.
        low_share: the newest value of a series that keeps its sign on that weekday is too low below this share of the
            weekday's lowest value: a day in progress.
        low_days: it is let go by so many later values, or when so many values in a row are as low.
    """

    plausible_spreads: float = 10.0
    far_off_days: int = 14
    low_share: float = 0.5
    low_days: int = 3


POLICY = HoldingPolicy()
_TAIL = 0.01
FAR_OFF, TOO_LOW, NOT_YET = "far off", "too low", "not yet"

Accepted = Mapping[str, Sequence[DateRange]]
"""By series, days whose values a person takes to be right."""


def accepted_days(written: Mapping[str, Sequence[str]]) -> Accepted:
    """The days that the setting `FORECASTING_ACCEPTED_VALUES` accepts.

    Raises:
        ConfigurationError: it is neither a day nor a range of days.

    >>> accepted_days({"a": ["2023-07-01", "2023-08-01..2023-08-03"]})["a"][1].end
    datetime.date(2023, 8, 3)
    """
    return {name: [_stretch(text) for text in texts] for name, texts in written.items()}


def _stretch(text: str) -> DateRange:
    first, _, last = text.partition("..")
    try:
        return DateRange(date.fromisoformat(first), date.fromisoformat(last or first))
    except (ValueError, InvalidRangeError) as error:
        problem = f"{text!r} is neither a day nor a range of days; write 2023-07-01 or 2023-07-01..2023-07-03"
        raise ConfigurationError("FORECASTING_ACCEPTED_VALUES", problem) from error


def deciding_period(period: DateRange) -> DateRange:
    """The days whose observations decide which of `period` are held.

    >>> str(deciding_period(DateRange(date(2023, 7, 10), date(2023, 7, 10))))
    '2022-04-02..2023-10-16'
    """
    first = period.start - timedelta(days=LOOK_AROUND_DAYS)
    return DateRange(first.replace(day=1) - timedelta(days=PAST_DAYS), period.end + timedelta(days=LOOK_AROUND_DAYS))


def days_judged_by(loaded: DateRange, newest: date) -> DateRange:
    """The days that loaded observations decide about, none after `newest`: the days around, and a year of months.

    >>> str(days_judged_by(DateRange(date(2023, 7, 10), date(2023, 7, 10)), date(2023, 7, 10)))
    '2023-04-03..2023-07-10'
    """
    first, last = loaded.start - timedelta(days=LOOK_AROUND_DAYS), loaded.end + timedelta(days=PAST_DAYS + 31)
    return DateRange(first, min(last, newest))


def held_observations(
    observations: pd.DataFrame,
    period: DateRange,
    accepted: Accepted | None = None,
    policy: HoldingPolicy = POLICY,
    *,
    calendars: Calendars = DAILY,
    moment: datetime | None = None,
) -> pd.DataFrame:
    """The observations of `period` that are held back, as rows of `HELD_OBSERVATIONS`.

    A value is judged by the 364 days before its month, so that the judgement is the same in whatever range it is made.

    Args:
        observations: `unique_id`, `ds`, `y`, one row per series and day, of `deciding_period(period)`; a series with
            fewer than 50 values in the 364 days has no limits.
        accepted: days that are not held.
        calendars: when the days of each series are complete.
        moment: when it is asked: the value of a day that is not complete then is held, where a calendar is declared.
    """
    decides = deciding_period(period)
    inside = observations[observations["ds"].between(pd.Timestamp(decides.start), pd.Timestamp(decides.end))]
    if inside.empty:
        return HELD_OBSERVATIONS.empty()
    days = np.arange(np.datetime64(decides.start), np.datetime64(decides.end) + 1)
    names, series = np.unique(inside["unique_id"].to_numpy(dtype=str), return_inverse=True)
    values = np.full((len(days), len(names)), np.nan)
    values[(inside["ds"].to_numpy().astype("datetime64[D]") - days[0]).astype(np.int64), series] = inside["y"]
    limits = _limits(values, days, policy)
    reasons = np.full(values.shape, "", dtype=object)
    for column in np.nonzero(limits.outside.any(axis=0))[0].tolist():
        reasons[:, column] = _reasons(values[:, column], limits, column, policy)
    if moment is not None and calendars.each:
        complete = calendars.newest_complete(names.tolist(), moment)
        reasons[np.isfinite(values) & (days[:, None] > complete)] = NOT_YET
    is_low, is_early = reasons == TOO_LOW, reasons == NOT_YET
    asked = (days >= np.datetime64(period.start)) & (days <= np.datetime64(period.end))
    at = np.nonzero((reasons != "") & asked[:, None])
    held = pd.DataFrame(
        {
            "unique_id": names[at[1]].astype(object),
            "ds": days[at[0]].astype("datetime64[ns]"),
            "y": values[at],
            "reason": reasons[at],
            "lowest": np.where(
                is_early, np.nan, np.where(is_low & (limits.nearest > 0), limits.nearest, limits.lowest)
            )[at],
            "highest": np.where(
                is_early, np.nan, np.where(is_low & (limits.nearest < 0), limits.nearest, limits.highest)
            )[at],
        }
    )
    stretches = accepted or {}
    is_accepted = [
        any(day in stretch for stretch in stretches.get(name, ()))
        for name, day in zip(held["unique_id"], held["ds"].dt.date, strict=True)
    ]
    return HELD_OBSERVATIONS.conform(held[~np.array(is_accepted, dtype=bool)])


def without_held(observations: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """The observations but those of the same series and day as a held one."""
    if held.empty:
        return observations
    keys = pd.MultiIndex.from_frame(observations[["unique_id", "ds"]])
    return observations[~keys.isin(pd.MultiIndex.from_frame(held[["unique_id", "ds"]]))].reset_index(drop=True)


@dataclass(frozen=True, slots=True)
class _Limits:
    """The limits of each value, and which values lie outside; each of shape (T, S)."""

    lowest: Floats
    highest: Floats
    nearest: Floats
    far_off: npt.NDArray[np.int8]
    too_low: npt.NDArray[np.bool_]

    @property
    def outside(self) -> npt.NDArray[np.bool_]:
        outside: npt.NDArray[np.bool_] = (self.far_off != 0) | self.too_low
        return outside


def _limits(values: Floats, days: Days, policy: HoldingPolicy) -> _Limits:
    """Limits of each month from the days before it; NaN, which nothing lies beyond, where those are too few."""
    low, high = np.full_like(values, np.nan), np.full_like(values, np.nan)
    lowest_of_weekday, highest_of_weekday = low.copy(), high.copy()
    months = days.astype("datetime64[M]")
    for month in np.unique(months):
        # By month, and not by day: a year's quantiles hardly move in a month and are sorted once.
        first, last = np.searchsorted(months, [month, month + 1])
        if first >= PAST_DAYS:
            past = values[first - PAST_DAYS : first]
            low[first:last], high[first:last] = _tails(past)
            # 52 whole weeks: the first of their days has the weekday of the month's first day.
            weeks, of_day = past.reshape(-1, 7, past.shape[1]), np.arange(last - first) % 7
            enough = (np.isfinite(weeks).sum(axis=0) >= MIN_WEEKDAY_VALUES)[of_day]
            lowest_of_weekday[first:last] = np.where(enough, np.fmin.reduce(weeks)[of_day], low[first])
            highest_of_weekday[first:last] = np.where(enough, np.fmax.reduce(weeks)[of_day], high[first])
    # A series that never moved has no scale to measure by; one that hardly moved is measured by its size.
    spread = np.where(high > low, np.maximum(high - low, MIN_SPREAD * np.maximum(np.abs(low), np.abs(high))), np.nan)
    lowest, highest = low - policy.plausible_spreads * spread, high + policy.plausible_spreads * spread
    far_off = (values > highest).astype(np.int8) - (values < lowest).astype(np.int8)
    # How near zero a series comes on that weekday, of one that keeps its sign then; a day in progress is nearer.
    nearest_usual = np.where(highest_of_weekday < 0, highest_of_weekday, np.nan)
    nearest = policy.low_share * np.where(lowest_of_weekday > 0, lowest_of_weekday, nearest_usual)
    # A series that is 0 by itself, such as a business shut at weekends, may be 0 on any day.
    is_shut = (values == 0) & (low <= 0) & (high >= 0)
    return _Limits(lowest, highest, nearest, far_off, (np.sign(nearest) * (values - nearest) < 0) & ~is_shut)


def _tails(past: Floats) -> tuple[Floats, Floats]:
    """The 1 % and 99 % quantiles of each column; NaN of one with too few values."""
    # Linear between neighbours (Hyndman & Fan 1996, type 7), of all columns at once: `nanquantile` takes one by one.
    ordered = np.sort(past, axis=0)
    count = np.isfinite(past).sum(axis=0)
    enough = count >= MIN_PAST_VALUES
    found = []
    for share in (_TAIL, 1 - _TAIL):
        position = share * np.maximum(count - 1, 0)
        below = np.floor(position).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(count - 1, 0))
        at, beyond = (np.take_along_axis(ordered, row[None], axis=0)[0] for row in (below, above))
        found.append(np.where(enough, at + (position - below) * (beyond - at), np.nan))
    return found[0], found[1]


def _reasons(values: Floats, limits: _Limits, column: int, policy: HoldingPolicy) -> npt.NDArray[np.object_]:
    """Why each day of one series is held; empty where it is not."""
    reasons = np.full(len(values), "", dtype=object)
    # Runs are of observed days: a weekly series confirms itself over weeks.
    observed = np.nonzero(np.isfinite(values))[0]
    later = np.arange(len(observed))[::-1]
    far_off, too_low = limits.far_off[observed, column], limits.too_low[observed, column]
    # A day in progress is among the newest; a longer run of low values is the series' new level.
    is_low = too_low & (_run_length(too_low.astype(np.int8)) < policy.low_days) & (later < policy.low_days)
    reasons[observed[is_low]] = TOO_LOW
    # Last, since a value that is far off is so whatever else it is.
    reasons[observed[(far_off != 0) & (_run_length(far_off) < policy.far_off_days)]] = FAR_OFF
    return reasons


def _run_length(marks: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """How long the run of equal marks is that each belongs to.

    >>> _run_length(np.array([0, 1, 1, 0], dtype=np.int8)).tolist()
    [1, 2, 2, 1]
    """
    starts = np.concatenate([[0], np.nonzero(np.diff(marks))[0] + 1])
    lengths = np.diff(np.concatenate([starts, [len(marks)]]))
    return np.repeat(lengths, lengths)
