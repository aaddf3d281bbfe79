"""The forecast of record: which of the forecasts issued for a day counts.

The only definition, used by control, report, history and `as-of`. The SQL view `forecasting.daily_accuracy` has the
same order, and a test compares both on random histories. Issuing forecasts does not belong here.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

FORECAST = ["unique_id", "cutoff", "ds"]
"""What identifies a forecast of record: one a series, cutoff and day."""


def forecasts_of_record(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each series, cutoff and day the forecast that was issued first, ordered by these three.

    The champion issues before its shadows, and before any successor that forecasts the same cutoff again.

    Args:
        rows: of `FORECASTS` or `FORECAST_ERRORS`, any number, in any order. A row without `issued_at` is older than
            all that have one; of those issued at one time, the smallest version counts.

    Returns:
        Rows of `rows`, with all their columns.

    >>> rows = pd.DataFrame({"model_version": ["10", "9"], "issued_at": [pd.NaT, pd.NaT]})
    >>> forecasts_of_record(rows.assign(unique_id="a", cutoff=1, ds=2))["model_version"].tolist()
    ['9']
    """
    ordered, is_first = rows, _is_first_of_its_key(rows)
    if is_first is None:
        ordered = rows.sort_values(FORECAST, kind="stable")
        is_first = _is_first_of_its_key(ordered)
    if is_first is None or is_first.all():
        return ordered
    versions, names = pd.factorize(ordered["model_version"].to_numpy(dtype=object))
    # Versions are whole numbers written as text: the shorter one is the smaller, in pandas and in SQL.
    rank = np.empty(len(names), dtype=np.int64)
    rank[sorted(range(len(names)), key=lambda at: (len(names[at]), names[at]))] = np.arange(len(names))
    # NaT is the smallest number.
    issued = ordered["issued_at"].to_numpy(dtype="datetime64[ns]").astype(np.int64)
    order = np.lexsort((rank[versions], issued, np.cumsum(is_first)))
    return ordered.iloc[order[np.flatnonzero(is_first)]]


def _is_first_of_its_key(rows: pd.DataFrame) -> npt.NDArray[np.bool_] | None:
    """Which rows are the first of their series, cutoff and day; None where rows are not ordered by these, as a store's
    are.
    """
    is_later = np.zeros(max(len(rows) - 1, 0), dtype=bool)
    is_same = np.ones_like(is_later)
    for name in FORECAST:
        values = rows[name].to_numpy()
        is_later |= is_same & (values[1:] > values[:-1])
        is_same &= values[1:] == values[:-1]
    if not (is_later | is_same).all():
        return None
    return np.concatenate([np.ones(min(len(rows), 1), dtype=bool), is_later])


def newest_of_record(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each series and day the forecast of record with the newest cutoff: what was expected when the day came.

    Args:
        rows: of `FORECASTS` or `FORECAST_ERRORS`.

    Returns:
        Rows of `rows`, ordered by series and day.
    """
    record = forecasts_of_record(rows).sort_values(["unique_id", "ds", "cutoff"], kind="stable")
    return record.drop_duplicates(["unique_id", "ds"], keep="last")
