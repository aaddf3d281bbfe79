"""The state of a series as a whole: constant, ended or new. One definition of each.

What follows from a state, for promotion or for answers, is decided where it is used.
"""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.series.arrays import Days, Floats

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


def ended_after_days(observed: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """After how many days without a value each series has ended, by its own rhythm; shape (S,).

    Args:
        observed: which days have a value; shape (S, T).

    >>> daily, monthly = np.ones(90, dtype=bool), np.arange(90) % 30 == 0
    >>> ended_after_days(np.stack([daily, monthly])).tolist()
    [31, 60]
    """
    gaps = [int(np.diff(np.flatnonzero(days)).max(initial=1)) for days in observed]
    return np.maximum(MIN_SILENT_DAYS, SILENT_GAPS * np.array(gaps, dtype=np.int64))


def has_ended(last_days: Days, ended_after: npt.NDArray[np.int64], newest: np.datetime64) -> npt.NDArray[np.bool_]:
    """Whether series that had their last value on some days have ended at the end of `newest`; shape (S,).

    Args:
        newest: the newest day of any series: where all are silent the feed is, and no series has ended.

    >>> last = np.array(["2023-05-30", "2023-05-31"], dtype="datetime64[D]")
    >>> has_ended(last, np.array([31, 31]), np.datetime64("2023-07-01")).tolist()
    [True, False]
    """
    silent = (newest - last_days).astype(np.int64)
    ended: npt.NDArray[np.bool_] = silent > ended_after
    return ended


def last_days(observations: pd.DataFrame, newest: date | None = None) -> pd.DataFrame:
    """Each series' last day, and whether it has ended: indexed by `unique_id`.

    Args:
        observations: `unique_id` and `ds` of the days that are known, at least those of a year.
        newest: the newest day of any series, where these are some of many; by default that of `observations`.

    Returns:
        `last`, `ended_after_days`, `ended`, and `is_news`: it showed within the last week that it has.
    """
    ordered = observations.sort_values("ds")
    gaps = ordered.groupby("unique_id")["ds"].diff().dt.days.fillna(1.0)
    longest = gaps.groupby(ordered["unique_id"], sort=True).max().to_numpy(dtype=np.int64)
    ended_after = np.maximum(MIN_SILENT_DAYS, SILENT_GAPS * longest)
    last = ordered.groupby("unique_id", sort=True)["ds"].max()
    days = last.to_numpy().astype("datetime64[D]")
    today = np.datetime64(newest, "D") if newest else days.max() if len(days) else np.datetime64("NaT")
    ended = has_ended(days, ended_after, today)
    # Ended now and not yet a week ago.
    is_news = ended & ~has_ended(days, ended_after, today - TOLD_DAYS)
    return pd.DataFrame({"last": last, "ended_after_days": ended_after, "ended": ended, "is_news": is_news})


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
