"""The forecast of record: which of the forecasts issued for a day counts.

The only definition, used by control, report, history and `as-of`. The SQL view `forecasting.daily_accuracy` has the
same order, and a test compares both on random histories. Issuing forecasts does not belong here.
"""

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
    # Versions are whole numbers written as text: the shorter one is the smaller, in pandas and in SQL.
    ordered = rows.assign(_digits=rows["model_version"].str.len()).sort_values(
        [*FORECAST, "issued_at", "_digits", "model_version"], na_position="first", kind="stable"
    )
    return ordered.drop_duplicates(FORECAST).drop(columns="_digits")


def newest_of_record(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each series and day the forecast of record with the newest cutoff: what was expected when the day came.

    Args:
        rows: of `FORECASTS` or `FORECAST_ERRORS`.

    Returns:
        Rows of `rows`, ordered by series and day.
    """
    record = forecasts_of_record(rows).sort_values(["unique_id", "ds", "cutoff"], kind="stable")
    return record.drop_duplicates(["unique_id", "ds"], keep="last")
