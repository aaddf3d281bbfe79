"""Compares what a feed publishes with what is stored: which values differ, and which days to load for them.

Fetching, storing, and when to compare are elsewhere.
"""

import hashlib
from datetime import date

import pandas as pd

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import days_depending_on


def differing_values(published: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """The published values that are not stored, or stored differently.

    What is stored and no longer published does not differ: a load would keep it.

    Args:
        published: `unique_id`, `ds`, `y`, one row per series and day.
        stored: the newest versions, rows of `OBSERVATIONS`.

    Returns:
        `unique_id`, `ds`, `y`, and of the stored version `y_stored` and `available_at`, both null
        where there is none; in the order of `published`.

    >>> published = pd.DataFrame({"unique_id": "a", "ds": pd.to_datetime(["2023-07-01", "2023-07-02"]), "y": [1, 2]})
    >>> stored = published.assign(y=[1, 2.5], available_at=pd.Timestamp("2023-07-03", tz="UTC"))
    >>> differing_values(published, stored)[["unique_id", "ds", "y", "y_stored"]]
      unique_id         ds  y  y_stored
    0         a 2023-07-02  2       2.5
    """
    compared = published.merge(stored, on=["unique_id", "ds"], how="left", suffixes=("", "_stored"))
    return compared[compared["y"] != compared["y_stored"]].reset_index(drop=True)


def days_to_reload(differing: pd.DataFrame, newest: date) -> DateRange:
    """The days whose values differ, and the days after them whose features look at one.

    Args:
        differing: at least one row of `differing_values`.
        newest: the last day to load, none of `differing` lies after it.
    """
    first, last = differing["ds"].min().date(), differing["ds"].max().date()
    return days_depending_on(DateRange(first, last), newest)


def difference_key(differing: pd.DataFrame) -> str:
    """Names one difference: the same again only while neither side has changed."""
    return hashlib.sha256(pd.util.hash_pandas_object(differing, index=False).to_numpy().tobytes()).hexdigest()[:16]
