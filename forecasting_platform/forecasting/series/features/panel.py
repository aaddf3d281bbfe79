"""`feature_table` as one dense array, series × days × features, for training and backtesting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.covariates.events import Events
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_columns
from forecasting_platform.forecasting.series.covariates.exogenous_values import exogenous_names, exogenous_values
from forecasting_platform.forecasting.series.days.calendar import calendar_values
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import NotNormal
from forecasting_platform.forecasting.series.features.history import windows_until
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES


@dataclass(frozen=True, slots=True)
class Panel:
    """Feature rows of S series on T consecutive days.

    Attributes:
        features: `FEATURE_NAMES` of each day, then `exogenous`; shape (S, T, F + E), NaN where a day has no row,
            or its row no value of an exogenous column.
        exogenous: names of the E exogenous columns.
        not_normal: which days of each series teach and judge nothing; shape (S, T), None where there are none.
    """

    unique_ids: tuple[str, ...]
    days: Days
    features: Floats
    exogenous: tuple[str, ...] = ()
    not_normal: npt.NDArray[np.bool_] | None = None

    @property
    def y(self) -> Floats:
        """The observed values; shape (S, T), NaN where there is none."""
        values: Floats = self.features[:, :, 0]
        return values

    @property
    def targets(self) -> Floats:
        """The values to learn from: those of normal days; shape (S, T), NaN where there is none."""
        return self.y if self.not_normal is None else np.where(self.not_normal, np.nan, self.y)

    @property
    def observed(self) -> npt.NDArray[np.bool_]:
        """Which days have a row; shape (S, T)."""
        return np.isfinite(self.y)

    def with_exogenous(self, names: Sequence[str]) -> "Panel":
        """With these exogenous columns and no others; one that the panel lacks is known on no day."""
        if tuple(names) == self.exogenous:
            return self
        # A column of NaN after the others: the place of every name that the panel does not have.
        unknown = np.full((*self.features.shape[:2], 1), np.nan)
        place = {name: len(FEATURE_NAMES) + position for position, name in enumerate(self.exogenous)}
        columns = [place.get(name, self.features.shape[2]) for name in names]
        widened = np.concatenate([self.features, unknown], axis=2)
        return replace(self, features=widened[:, :, [*range(len(FEATURE_NAMES)), *columns]], exogenous=tuple(names))

    def with_events(self, events: Events, horizon: int) -> "Panel":
        """With the values of the columns of events, which it must have; a day without a row has none."""
        if not events:
            return self
        names = exogenous_columns(events.declared, horizon)
        features = self.features.copy()
        place = [len(FEATURE_NAMES) + self.exogenous.index(name) for name in names]
        values = events.values(self.unique_ids, self.days, horizon)
        features[:, :, place] = np.where(self.observed[:, :, None], values, np.nan)
        return replace(self, features=features)

    def until(self, cutoff: date | np.datetime64) -> "Panel":
        """The days up to and including `cutoff`: all that may be known at its end."""
        known = int(np.searchsorted(self.days, np.array(cutoff, dtype="datetime64[D]"), side="right"))
        return self._part(slice(known))

    def newest_days(self, count: int) -> "Panel":
        """The last `count` days."""
        return self._part(slice(-count, None))

    def without(self, not_normal: NotNormal) -> "Panel":
        """The same days, of which those of some periods teach and judge nothing."""
        mask = not_normal.mask(self.unique_ids, self.days) if not_normal else None
        return replace(self, not_normal=mask)

    def _part(self, days: slice) -> "Panel":
        mask = None if self.not_normal is None else self.not_normal[:, days]
        return replace(self, days=self.days[days], features=self.features[:, days], not_normal=mask)

    def at(self, cutoffs: Days) -> Floats:
        """The feature rows of some days; shape (S, C, F), NaN where a day has none."""
        rows: Floats = self.features[:, (cutoffs - self.days[0]).astype(np.int64)]
        return rows

    def block(self, cutoffs: Days, horizon: int, country: str, window_days: int = 0) -> InputBlock:
        """The input rows of every series at some cutoffs, for every step up to `horizon`, with their windows."""
        calendar = calendar_ahead(cutoffs, horizon, country)
        return InputBlock(cutoffs, self.at(cutoffs), calendar, self.exogenous, self.history(cutoffs, window_days))

    def history(self, cutoffs: Days, window_days: int) -> Floats:
        """The values of the days up to each cutoff; shape (S, C, window_days), NaN where there is none."""
        return windows_until(self.y, (cutoffs - self.days[0]).astype(np.int64), window_days)

    def newest_history(self, last: Days, window_days: int) -> Floats:
        """The values of the days up to a day of each series; shape (S, window_days), NaN where there is none.

        Args:
            last: shape (S,).
        """
        days, of = np.unique(last, return_inverse=True)
        windows: Floats = self.history(days, window_days)[np.arange(len(last)), of]
        return windows

    def actuals(self, cutoffs: Days, horizon: int) -> Floats:
        """The values that came after each cutoff, to learn from and to judge by; shape (S, C, horizon).

        NaN where not observed, and where the day or the cutoff is not normal.
        """
        start = (cutoffs - self.days[0]).astype(np.int64)
        positions = start[:, None] + np.arange(1, horizon + 1)
        # Days beyond the panel are read from its first day, and then forgotten.
        inside = positions < len(self.days)
        values = self.targets[:, np.where(inside, positions, 0)]
        if self.not_normal is not None:
            inside = inside & ~self.not_normal[:, start, None]
        return np.where(inside, values, np.nan)

    def newest(self) -> tuple[Floats, Days]:
        """Each series' newest row and its day; shapes (S, F) and (S,)."""
        # The first observed day, counted from the end.
        position = self.observed.shape[1] - 1 - np.argmax(self.observed[:, ::-1], axis=1)
        return self.features[np.arange(len(self.unique_ids)), position], self.days[position]


def panel_from(features: pd.DataFrame, period: DateRange | None = None) -> Panel:
    """The panel of rows of `FEATURE_TABLE`; at least one row.

    Args:
        period: the panel's days, none of the rows lies outside; by default those of the rows.
    """
    unique_ids = tuple(sorted(features["unique_id"].unique()))
    ds = features["ds"].to_numpy().astype("datetime64[D]")
    first, last = (ds.min(), ds.max()) if period is None else np.array([period.start, period.end], "datetime64[D]")
    days = np.arange(first, last + 1)
    exogenous = exogenous_names(features["exogenous"])
    block = np.full((len(unique_ids), len(days), len(FEATURE_NAMES) + len(exogenous)), np.nan)
    series = np.searchsorted(unique_ids, features["unique_id"].to_numpy(dtype=str))
    block[series, (ds - days[0]).astype(np.int64)] = feature_values(features, exogenous)
    return Panel(unique_ids, days, block, exogenous)


def feature_values(features: pd.DataFrame, exogenous: Sequence[str] = ()) -> Floats:
    """`FEATURE_NAMES` of rows of `FEATURE_TABLE`, then some exogenous columns; shape (n, F + E)."""
    own = features[list(FEATURE_NAMES)].to_numpy(dtype=np.float64)
    return np.hstack([own, exogenous_values(features["exogenous"], exogenous)]) if exogenous else own


def calendar_ahead(cutoffs: Days, horizon: int, country: str) -> Floats:
    """`CALENDAR_NAMES` of the days ahead of each of C cutoffs; shape (C, horizon, N)."""
    days = np.arange(cutoffs.min() + 1, cutoffs.max() + horizon + 1)
    # Each day's calendar is computed once: those of neighbouring cutoffs overlap.
    ahead = (cutoffs - cutoffs.min()).astype(np.int64)[:, None] + np.arange(horizon)
    calendar: Floats = calendar_values(days, country)[ahead]
    return calendar
