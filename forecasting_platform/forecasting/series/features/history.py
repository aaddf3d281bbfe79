"""Windows of history: the newest values up to a cutoff, which some candidates need besides the feature row."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.series.arrays import Days, Floats

HISTORY = "history"
"""Of an input row, or of a feature row that was given its window: its values, the oldest first, the cutoff's last."""

MAX_WINDOW_DAYS = 366
"""Days that a candidate may ask for."""


def history_columns(window_days: int) -> tuple[str, ...]:
    """The columns of an input frame for a window, the oldest day first.

    >>> history_columns(3)
    ('history_2', 'history_1', 'history_0')
    """
    return tuple(f"{HISTORY}_{before}" for before in reversed(range(window_days)))


def windows_until(values: Floats, last: npt.NDArray[np.int64], window_days: int) -> Floats:
    """The values of the days up to some positions; shape (S, C, window_days), NaN before the first day.

    Args:
        values: shape (S, T), NaN where there is none.
        last: position of each window's last day; shape (C,).
    """
    if not window_days:
        return np.empty((len(values), len(last), 0))
    padded = np.hstack([np.full((len(values), window_days), np.nan), values])
    # The first of the days added before stands at 0, so a window's last day is `window_days` later than in `values`.
    windows: Floats = padded[:, last[:, None] + np.arange(1, window_days + 1)]
    return windows


def with_history(rows: pd.DataFrame, values: pd.DataFrame, window_days: int) -> pd.DataFrame:
    """Rows of `FEATURE_TABLE` with a column `HISTORY`: each row's window as an array.

    Args:
        values: `unique_id`, `ds`, `y` of the days that the windows reach over.
    """
    names, days = sorted(rows["unique_id"].unique()), rows["ds"].to_numpy().astype("datetime64[D]")
    first = days.min() - (window_days - 1)
    ds = values["ds"].to_numpy().astype("datetime64[D]")
    inside = values["unique_id"].isin(names).to_numpy() & (ds >= first) & (ds <= days.max())
    known = np.full((len(names), int((days.max() - first).astype(np.int64)) + 1), np.nan)
    series = np.searchsorted(names, values["unique_id"].to_numpy(dtype=str)[inside])
    known[series, _position(ds[inside], first)] = values["y"].to_numpy(dtype=np.float64)[inside]
    own, last = np.searchsorted(names, rows["unique_id"].to_numpy(dtype=str)), _position(days, first)
    windows = known[own[:, None], last[:, None] + np.arange(1 - window_days, 1)]
    return rows.assign(**{HISTORY: list(windows)})


def has_history(rows: pd.DataFrame, window_days: int) -> bool:
    """Whether rows of `FEATURE_TABLE` have windows of so many days."""
    if not window_days or rows.empty:
        return True
    return HISTORY in rows.columns and len(rows[HISTORY].iloc[0]) >= window_days


def history_of(rows: pd.DataFrame, window_days: int) -> Floats:
    """The windows of `with_history`; shape (n, window_days).

    Raises:
        ValueError: the rows have none.
    """
    if not window_days:
        return np.empty((len(rows), 0))
    if HISTORY not in rows.columns:
        raise ValueError(f"a candidate of the model needs {window_days} days of history, which the rows do not have")
    windows: Sequence[Floats] = rows[HISTORY].tolist()
    return np.stack(windows)[:, -window_days:] if len(windows) else np.empty((0, window_days))


def _position(days: Days, first: np.datetime64) -> npt.NDArray[np.int64]:
    return (days - first).astype(np.int64)
