"""The state of a series as a whole: constant, ended or new. One definition of each.

What follows from a state, for promotion or for answers, is decided where it is used.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars

ROUNDING = 1e-9
"""A series whose values differ by less than this share of their size differs by rounding only."""

MIN_SILENT_DAYS, SILENT_GAPS = 31, 2
"""A series has ended after a month without a value, and after twice the longest gap it ever went on from."""
TOLD_DAYS = 7
"""How long people are alerted that a series has ended; afterwards it is only shown wherever the series is."""
UNKNOWN_RHYTHM_DAYS = 92
"""The same if the gaps are not known: a monthly series may have missed one value."""


def is_constant(values: Floats) -> npt.NDArray[np.bool_]:
    """Whether all known values along the last axis are one value; shape (...), False where none is known.

    A constant series is forecast exactly by anything, so no error of it tells a good model from a bad one.

    >>> is_constant(np.array([[0.0, np.nan, 0.0], [0.0, 0.0, 1.0], [np.nan, np.nan, np.nan]])).tolist()
    [True, False, False]
    """
    known = np.isfinite(values)
    low = np.min(values, axis=-1, where=known, initial=np.inf)
    high = np.max(values, axis=-1, where=known, initial=-np.inf)
    # Relative: a tariff of 0.1 + 0.2 is the tariff of 0.3. Without any value ∞ - ∞ is NaN, which is not less.
    with np.errstate(invalid="ignore", over="ignore"):
        same: npt.NDArray[np.bool_] = high - low <= ROUNDING * np.maximum(np.abs(low), np.abs(high))
    return same & known.any(axis=-1)


def ended_after_days(
    observed: npt.NDArray[np.bool_],
    days: Days | None = None,
    unique_ids: Sequence[str] = (),
    calendars: Calendars = DAILY,
) -> npt.NDArray[np.int64]:
    """After how many days without a due value each series has ended, by its own rhythm; shape (S,).

    Args:
        observed: which days have a value; shape (S, T).
        days: the T consecutive days, and `unique_ids` the series; needed where some days are closed.

    >>> daily, monthly = np.ones(90, dtype=bool), np.arange(90) % 30 == 0
    >>> ended_after_days(np.stack([daily, monthly])).tolist()
    [31, 60]
    """
    # A series with fewer than two values has no gap: the month decides.
    gaps = np.ones(len(observed), dtype=np.int64)
    for position, series in enumerate(observed):
        known = covered = np.flatnonzero(series)
        if days is not None and not calendars.is_every_day:
            due = calendars.of(unique_ids[position])
            # Closed days are no silence: a gap begins where the next value was due.
            covered = (due.covered_until(days[known]) - days[0]).astype(np.int64)
        gaps[position] = (known[1:] - covered[:-1]).max(initial=1)
    return np.maximum(MIN_SILENT_DAYS, SILENT_GAPS * gaps)


def has_ended(last_days: Days, ended_after: npt.NDArray[np.int64], newest: np.datetime64) -> npt.NDArray[np.bool_]:
    """Whether series that had their last value on some days have ended at the end of `newest`; shape (S,).

    Args:
        last_days: of a series with closed days the day until which nothing else was due (`Calendars.covered_until`).
        newest: the newest day of any series: where all are silent the feed is, and no series has ended.

    >>> last = np.array(["2023-05-30", "2023-05-31"], dtype="datetime64[D]")
    >>> has_ended(last, np.array([31, 31]), np.datetime64("2023-07-01")).tolist()
    [True, False]
    """
    silent = (newest - last_days).astype(np.int64)
    ended: npt.NDArray[np.bool_] = silent > ended_after
    return ended


def last_days(observations: pd.DataFrame, newest: date | None = None, calendars: Calendars = DAILY) -> pd.DataFrame:
    """Each series' last day, and whether it has ended: indexed by `unique_id`.

    Args:
        observations: `unique_id` and `ds` of the days that are known, at least those of a year.
        newest: the newest day of any series, where these are some of many; by default that of `observations`.

    Returns:
        `last`, `covered`: the last day before the next due one, `ended_after_days`, `ended`, and `is_news`: it showed
        within the last week that it has.
    """
    ordered = observations.sort_values("ds")
    covered = _covered(ordered["unique_id"], ordered["ds"], calendars)
    # From the day until which nothing else was due, to the next value.
    gaps = (ordered["ds"] - covered.groupby(ordered["unique_id"]).shift()).dt.days.fillna(1.0)
    longest = gaps.groupby(ordered["unique_id"], sort=True).max().to_numpy(dtype=np.int64)
    ended_after = np.maximum(MIN_SILENT_DAYS, SILENT_GAPS * np.maximum(longest, 1))
    last = ordered.groupby("unique_id", sort=True)["ds"].max()
    days = last.to_numpy().astype("datetime64[D]")
    today = np.datetime64(newest, "D") if newest else days.max() if len(days) else np.datetime64("NaT")
    until = calendars.covered_until([str(unique_id) for unique_id in last.index], days)
    # Judged at the newest day of all: where every series is silent the feed is, and none has ended.
    ended = has_ended(until, ended_after, today)
    # Ended now and not yet a week ago.
    is_news = ended & ~has_ended(until, ended_after, today - TOLD_DAYS)
    found = {"last": last, "covered": until.astype("datetime64[ns]"), "ended_after_days": ended_after, "ended": ended}
    return pd.DataFrame(found | {"is_news": is_news})


def _covered(
    unique_ids: "pd.Series[str]", ds: "pd.Series[pd.Timestamp]", calendars: Calendars
) -> "pd.Series[pd.Timestamp]":
    """Until when nothing else is due after each row."""
    if calendars.is_every_day:
        return ds
    covered = ds.copy()
    names = unique_ids.unique().tolist()
    for due, positions in calendars.groups(names):
        own = unique_ids.isin([names[position] for position in positions])
        covered[own] = due.covered_until(ds[own].to_numpy().astype("datetime64[D]")).astype("datetime64[ns]")
    return covered


def days_late(
    series: pd.DataFrame, end: date, calendars: Calendars = DAILY, moment: datetime | None = None
) -> "pd.Series[int]":
    """For how many days each series has lacked a value that was due, at the end of a day; 0 where it has all.

    Args:
        series: the result of `last_days`.
        moment: when it is asked: a day that is not complete then is not missed yet.
    """
    newest = np.full(len(series), np.datetime64(end, "D"))
    if moment is not None:
        newest = np.minimum(newest, calendars.newest_complete([str(name) for name in series.index], moment))
    late = (newest.astype("datetime64[ns]") - series["covered"]).dt.days
    return late.clip(lower=0)


SeriesState = Literal["constant", "ended", "new"]
"""What is shown of a series that is not like the others."""


def series_states(
    metadata: Mapping[str, Any], ended: Collection[str] = (), new: Collection[str] = ()
) -> dict[str, SeriesState]:
    """The state of each series that has one; of several the last of constant, new, ended.

    Args:
        metadata: of the model.
        ended: the series that have ended by now.
        new: the series that are new to the model.
    """
    constant: dict[str, SeriesState] = dict.fromkeys(constant_series(metadata), "constant")
    return constant | dict.fromkeys(new, "new") | dict.fromkeys(ended, "ended")


def constant_series(metadata: Mapping[str, Any]) -> frozenset[str]:
    """The series that were constant in a model's backtest.

    Args:
        metadata: of the model.

    >>> constant_series({"series": {"a": {"constant": True}, "b": {"constant": False}, "c": {}}})
    frozenset({'a'})
    """
    return frozenset(name for name, of in metadata.get("series", {}).items() if of.get("constant"))


def undecided_series(metadata: Mapping[str, Any]) -> frozenset[str]:
    """The series of a model that are served and decide nothing: constant ones, and those new to it."""
    return new_series(metadata) | constant_series(metadata)


def new_series(metadata: Mapping[str, Any]) -> frozenset[str]:
    """The series of which a model's training knew too few days."""
    return frozenset(name for name, of in metadata.get("series", {}).items() if of.get("new_series"))
