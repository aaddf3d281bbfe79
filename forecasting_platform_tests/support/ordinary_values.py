"""Values like those of the past, until a test changes one."""

from datetime import date

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.quality.data_quality import (
    history_period,
)

JULY = DateRange(date(2023, 7, 1), date(2023, 7, 31))


PAST = history_period(JULY)


def series(period: DateRange, unique_id: str = "a", seed: int = 0) -> pd.DataFrame:
    """Values around 100, a tenth more on weekdays."""
    days = pd.date_range(period.start, period.end)
    noise = np.random.default_rng(seed).normal(0.0, 3.0, len(days))
    return pd.DataFrame({"unique_id": unique_id, "ds": days, "y": 100.0 + noise + 10.0 * (days.day_of_week < 5)})


def loaded(period: DateRange = JULY) -> pd.DataFrame:
    return series(period, seed=1)


def observations() -> pd.DataFrame:
    return loaded().assign(available_at=pd.Timestamp("2023-08-01", tz="UTC").as_unit("ns"))


def changed(rows: pd.DataFrame, day: str, y: float) -> pd.DataFrame:
    return rows.assign(y=rows["y"].mask(rows["ds"] == day, y))


def without(rows: pd.DataFrame, day: str) -> pd.DataFrame:
    return rows[rows["ds"] != day]
