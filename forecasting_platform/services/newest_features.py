"""Reads feature rows with the windows of history that a model needs beside them."""

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.history import with_history
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.ports.table_store import TableStore

NEAR_DAYS = 31
"""The windows of rows that are older than the newest by more are read alone: an ended series would ask for years of
all."""

_VALUES = FEATURE_TABLE.only("unique_id", "ds", "y")


def newest_features(
    store: TableStore,
    window_days: int = 0,
    *,
    at_or_before: date | None = None,
    unique_ids: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Each series' newest row of `FEATURE_TABLE`, with its window where a model needs one.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    rows = store.read_newest(FEATURE_TABLE, at_or_before=at_or_before, unique_ids=unique_ids)
    return with_windows(store, rows, window_days)


def with_windows(store: TableStore, rows: pd.DataFrame, window_days: int) -> pd.DataFrame:
    """Rows of `FEATURE_TABLE` with the window of each; the same rows where none is needed.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    if not window_days or rows.empty:
        return rows
    is_near = rows["ds"] >= rows["ds"].max() - pd.Timedelta(days=NEAR_DAYS)
    parts = [_windows_of(store, part, window_days) for part in (rows[is_near], rows[~is_near]) if not part.empty]
    return pd.concat(parts).loc[rows.index]


def _windows_of(store: TableStore, rows: pd.DataFrame, window_days: int) -> pd.DataFrame:
    first, last = rows["ds"].min().date() - timedelta(days=window_days - 1), rows["ds"].max().date()
    names = sorted(rows["unique_id"].unique())
    return with_history(rows, store.read(_VALUES, DateRange(first, last), unique_ids=names), window_days)
