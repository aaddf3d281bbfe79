"""Daily sums of many series as arrays, and their means by series and day."""

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
    """Rows of `DAILY_ERRORS` or `DAILY_MOVES`, and what their series are compared with.

    Attributes:
        days: of each row, by which the newest are chosen; shape (N,).
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
        cls, frame: pd.DataFrame, references: Mapping[str, SeriesReference], unique_ids: list[str], day: str = "ds"
    ) -> Self:
        """The rows of a frame.

        Args:
            unique_ids: the series, ascending; at least those of the frame.
            day: the column of `days`.
        """
        series, names = code_names(frame["unique_id"].to_numpy(dtype=object))
        known = [references.get(name) for name in unique_ids]
        rmse = np.full((len(unique_ids), len(SEASONS), len(STEP_BUCKETS)), np.nan)
        for position, reference in enumerate(known):
            if reference is not None:
                rmse[position] = reference.rmse
        days = frame[day].to_numpy().astype("datetime64[D]")
        return cls(frame, unique_ids, places(unique_ids, names)[series], days, known, rmse)

    def __getitem__(self, column: str) -> Floats:
        """A column of numbers, of all rows."""
        return self.frame[column].to_numpy(dtype=np.float64)

    @property
    def has_backtest(self) -> npt.NDArray[np.bool_]:
        """Of each series."""
        return np.array([reference is not None for reference in self.references], dtype=bool)

    def unit(self) -> Floats:
        """The backtest's RMSE of each row's season and group of steps."""
        season = season_of(self.frame["ds"].to_numpy().astype("datetime64[D]"))
        unit: Floats = self.rmse[self.series, season, bucket_of(self.frame["first_step"].to_numpy())]
        return unit

    def count_days(self) -> npt.NDArray[np.int64]:
        """How many different days each series has; shape (S,)."""
        # A day has a row for each group of steps.
        different = np.unique(self.series * DAYS_APART + self.days.astype(np.int64)) // DAYS_APART
        return np.bincount(different, minlength=len(self.unique_ids))

    def newest(self, days: int) -> Self:
        """With only the newest days of each series chosen."""
        return replace(self, chosen=_is_newest(self.series, self.days, days, len(self.unique_ids)))

    def mean(self, values: Floats) -> Floats:
        """The mean of each series over the forecasts of the chosen rows; shape (S,), NaN of none."""
        chosen = ~np.isnan(values) if self.chosen is None else self.chosen & ~np.isnan(values)
        return _means(self.series[chosen], values[chosen], self["forecasts"][chosen], len(self.unique_ids))

    def daily_means(self, values: Floats) -> "DailyValues":
        """The mean of each series and day, without what is not known; none of a series without a backtest."""
        # Without a backtest there is nothing to compare with, and no unit.
        known = ~np.isnan(values) & self.has_backtest[self.series]
        # One number for series and day: the means come ordered by both, and are taken apart again below.
        cell = self.series[known] * DAYS_APART + self.days[known].astype(np.int64)
        cells, place = np.unique(cell, return_inverse=True)
        of_series, day = np.divmod(cells, DAYS_APART)
        means = _means(place, values[known], self["forecasts"][known], len(cells))
        return of_series, day.astype("datetime64[D]"), means


DailyValues = tuple[npt.NDArray[np.int64], Days, Floats]
"""Series, day and value, ordered by series and day."""


def newest_means(daily: DailyValues, window: int, count: int) -> Floats:
    """The mean over the newest days of each of so many series; shape (S,), NaN of none."""
    series, days, values = daily
    newest = _is_newest(series, days, window, count)
    return _means(series[newest], values[newest], np.ones(int(newest.sum())), count)


def places(unique_ids: list[str], names: list[str]) -> npt.NDArray[np.int64]:
    """Of each name its place among the series."""
    return pd.Index(unique_ids, dtype=object).get_indexer(pd.Index(names, dtype=object))


def _is_newest(series: npt.NDArray[np.int64], days: Days, window: int, count: int) -> npt.NDArray[np.bool_]:
    # As numbers: numpy is slow with dates here.
    day = days.astype(np.int64)
    last = np.full(count, np.iinfo(np.int64).min)
    np.maximum.at(last, series, day)
    return day > last[series] - window


def _means(of: npt.NDArray[np.int64], values: Floats, weights: Floats, count: int) -> Floats:
    with np.errstate(invalid="ignore"):
        means: Floats = np.bincount(of, values * weights, count) / np.bincount(of, weights, count)
    return means
