"""Rows of forecasts or errors of many series as arrays, and their means by series and day."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.models.steps_ahead import STEP_BUCKETS, bucket_of
from forecasting_platform.forecasting.monitoring.control.references import SeriesReference
from forecasting_platform.forecasting.series.arrays import Days, Floats, code_names
from forecasting_platform.forecasting.series.days.calendar import SEASONS, season_of

DAYS_APART = 10**6
"""More than there are days: a series and a day are one number."""


@dataclass(frozen=True, slots=True)
class SeriesRows:
    """Rows of `FORECASTS` or `FORECAST_ERRORS`, and what their series are compared with.

    Attributes:
        unique_ids: S series, ascending; `series` has the position of each row's.
        references: of each series, None without a backtest.
        rmse: in the backtest, by season and step bucket; shape (S, 4, 3), NaN without one.
        chosen: which rows count, None for all.
    """

    frame: pd.DataFrame
    unique_ids: list[str]
    series: npt.NDArray[np.int64]
    days: Days
    references: list[SeriesReference | None]
    rmse: Floats
    chosen: npt.NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls, frame: pd.DataFrame, references: Mapping[str, SeriesReference], unique_ids: list[str] | None = None
    ) -> Self:
        """The rows of a frame, of the series that it has unless some are named."""
        series, names = code_names(frame["unique_id"].to_numpy(dtype=object))
        if unique_ids is not None and names != unique_ids:
            series, names = _places(unique_ids, names)[series], unique_ids
        known = [references.get(name) for name in names]
        rmse = np.full((len(names), len(SEASONS), len(STEP_BUCKETS)), np.nan)
        for position, reference in enumerate(known):
            if reference is not None:
                rmse[position] = reference.rmse
        return cls(frame, names, series, frame["ds"].to_numpy().astype("datetime64[D]"), known, rmse)

    def __getitem__(self, column: str) -> Floats:
        """A column of numbers, of all rows."""
        return self.frame[column].to_numpy(dtype=np.float64)

    @property
    def has_backtest(self) -> npt.NDArray[np.bool_]:
        """Of each series."""
        return np.array([reference is not None for reference in self.references], dtype=bool)

    def unit(self) -> Floats:
        """The backtest's RMSE of each row's season and step."""
        steps = (self.days - self.frame["cutoff"].to_numpy().astype("datetime64[D]")).astype(np.int64)
        unit: Floats = self.rmse[self.series, season_of(self.days), bucket_of(steps)]
        return unit

    def count_days(self) -> npt.NDArray[np.int64]:
        """How many different days each series has; shape (S,)."""
        # Several forecasts of one day, made on several cutoffs, are one day.
        different = np.unique(self.series * DAYS_APART + self.days.astype(np.int64)) // DAYS_APART
        return np.bincount(different, minlength=len(self.unique_ids))

    def newest(self, days: int) -> Self:
        """With only the newest days of each series chosen."""
        return replace(self, chosen=_is_newest(self.series, self.days, days, len(self.unique_ids)))

    def mean(self, values: Floats, *, skip_nan: bool = True) -> Floats:
        """The mean of each series over the chosen rows; shape (S,), NaN of none."""
        chosen = np.ones(len(values), dtype=bool) if self.chosen is None else self.chosen
        if skip_nan:
            chosen = chosen & ~np.isnan(values)
        return _means(self.series[chosen], values[chosen], len(self.unique_ids))


DailyValues = tuple[npt.NDArray[np.int64], Days, Floats]
"""Series, day and value, ordered by series and day."""


def daily_means(rows: SeriesRows, series: npt.NDArray[np.int64], days: Days, values: Floats) -> DailyValues:
    """The mean of each series and day, without what is not known; none of a series without a backtest."""
    # Without a backtest there is nothing to compare with, and no unit.
    known = ~np.isnan(values) & rows.has_backtest[series]
    # One number for series and day: the means come ordered by both, and are taken apart again below.
    cell = series[known] * DAYS_APART + days[known].astype(np.int64)
    means = pd.Series(values[known]).groupby(cell, sort=True).mean()
    of_series, day = np.divmod(means.index.to_numpy(dtype=np.int64), DAYS_APART)
    return of_series, day.astype("datetime64[D]"), np.array(means, dtype=np.float64)


def newest_means(daily: DailyValues, window: int, count: int) -> Floats:
    """The mean over the newest days of each of so many series; shape (S,), NaN of none."""
    series, days, values = daily
    newest = _is_newest(series, days, window, count)
    return _means(series[newest], values[newest], count)


def _places(unique_ids: list[str], names: list[str]) -> npt.NDArray[np.int64]:
    """Of each name its place among the series."""
    return pd.Index(unique_ids, dtype=object).get_indexer(pd.Index(names, dtype=object))


def _is_newest(series: npt.NDArray[np.int64], days: Days, window: int, count: int) -> npt.NDArray[np.bool_]:
    # As numbers: numpy is slow with dates here.
    day = days.astype(np.int64)
    last = np.full(count, np.iinfo(np.int64).min)
    np.maximum.at(last, series, day)
    return day > last[series] - window


def _means(series: npt.NDArray[np.int64], values: Floats, count: int) -> Floats:
    with np.errstate(invalid="ignore"):
        means: Floats = np.bincount(series, values, minlength=count) / np.bincount(series, minlength=count)
    return means
