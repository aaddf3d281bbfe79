"""How drift is asked for: which columns of `feature_table` are compared, and with which earlier days."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.monitoring.control.charts import Chart
from forecasting_platform.forecasting.monitoring.control.report import CONTROL_DAYS
from forecasting_platform.forecasting.series.arrays import Days, Floats, code_names
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.not_normal import NotNormal
from forecasting_platform.forecasting.series.features.feature_table import trailing_mean, trailing_sum

REFERENCE_DAYS = 1095
EARLIER_YEARS = 3
SAME_WEEKDAY_DAYS = 364
YEARLY_WAVES = 3
LEVEL_DAYS = 91


@dataclass(frozen=True, slots=True)
class DriftQuestion:
    """One way to compare the newest days with the past.

    Attributes:
        name: the check's.
        asked: for the summary.
        chart: how a change is detected.
        columns: of `FEATURE_TABLE` that are looked at.
        earlier_days: how many days before a day are looked at, each for itself.
        has_seasons: whether weekly and yearly waves are taken out.
        values: what is compared, from the columns' values; shape (S, T), NaN where unknown.
    """

    name: str
    asked: str
    chart: Chart
    columns: tuple[str, ...]
    values: Callable[["Columns", Days], Floats]
    earlier_days: tuple[int, ...] = ()
    has_seasons: bool = False

    def learning_period(self, until: date) -> DateRange:
        """The days whose features decide about references learnt from the years up to a day."""
        return DateRange(until - timedelta(days=REFERENCE_DAYS - 1 + max(self.earlier_days, default=0)), until)

    def judging_periods(self, end: date) -> tuple[DateRange, ...]:
        """The days whose features decide how the days up to `end` are judged."""
        recent = DateRange(end - timedelta(days=CONTROL_DAYS - 1), end)
        earlier = (timedelta(days=days) for days in self.earlier_days)
        return (recent, *(DateRange(recent.start - ago, recent.end - ago) for ago in earlier))


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of `FEATURE_TABLE` as arrays.

    Attributes:
        unique_ids: S series, ascending.
        days: T consecutive days.
        values: of each column; shape (S, T), NaN where a day has no row.
    """

    unique_ids: tuple[str, ...]
    days: Days
    values: Mapping[str, Floats]

    def of(self, chosen: npt.NDArray[np.bool_]) -> "Columns":
        """Only the chosen series; shape (S,)."""
        named = tuple(name for name, is_chosen in zip(self.unique_ids, chosen, strict=True) if is_chosen)
        return Columns(named, self.days, {name: values[chosen] for name, values in self.values.items()})

    def at(self, name: str, days: Days) -> Floats:
        """A column on some days, NaN where they lie outside; shape (S, len(days))."""
        if not len(self.days):
            return np.full((len(self.unique_ids), len(days)), np.nan)
        position = (days - self.days[0]).astype(np.int64)
        inside = (position >= 0) & (position < len(self.days))
        return np.where(inside, self.values[name][:, np.where(inside, position, 0)], np.nan)

    def without(self, not_normal: NotNormal) -> "Columns":
        """The same without the days of some periods, and with means that do not know them.

        A mean that reaches back into a period is made anew of the other days that there are: the newest days are judged
        by means of fewer days where no earlier ones were read.
        """
        is_out = not_normal.mask(self.unique_ids, self.days)
        if not is_out.any():
            return self
        y = np.where(is_out, np.nan, self.values["y"])
        changed = {name: np.where(is_out, np.nan, values) for name, values in self.values.items()}
        if (name := f"mean_{LEVEL_DAYS}") in changed:
            reaches = trailing_sum(is_out.astype(np.float64), LEVEL_DAYS) > 0
            known = np.isfinite(y)
            mean = trailing_mean(np.where(known, y, 0.0), known.astype(np.float64), LEVEL_DAYS)
            changed[name] = np.where(reaches & known, mean, changed[name])
        return replace(self, values=changed | {"y": y})


def columns_of(features: pd.DataFrame, names: Sequence[str]) -> Columns:
    """Columns of rows of `FEATURE_TABLE`."""
    if features.empty:
        return Columns((), np.empty(0, "datetime64[D]"), {name: np.empty((0, 0)) for name in names})
    series, unique_ids = code_names(features["unique_id"].to_numpy(dtype=object))
    ds = features["ds"].to_numpy().astype("datetime64[D]")
    days = np.arange(ds.min(), ds.max() + 1)
    values = {name: np.full((len(unique_ids), len(days)), np.nan) for name in names}
    for name, array in values.items():
        array[series, (ds - days[0]).astype(np.int64)] = features[name].to_numpy(dtype=np.float64)
    return Columns(tuple(unique_ids), days, values)


def _level(columns: Columns, days: Days) -> Floats:
    return columns.at("y", days) - columns.at(f"mean_{LEVEL_DAYS}", days)


def _moved(columns: Columns, days: Days) -> Floats:
    earlier = np.stack([columns.at("y", days - ago) for ago in _EARLIER])
    known = np.isfinite(earlier)
    with np.errstate(invalid="ignore"):
        mean = np.where(known, earlier, 0.0).sum(axis=0) / known.sum(axis=0)
    return columns.at("y", days) - mean


_EARLIER = tuple(year * SAME_WEEKDAY_DAYS for year in range(1, EARLIER_YEARS + 1))

LEVEL = DriftQuestion(
    "feature_table_matches_reference",
    "level against its own last three months",
    Chart("drift", allowance=0.45, two_sided=True),
    ("y", f"mean_{LEVEL_DAYS}"),
    _level,
    has_seasons=True,
)
"""Whether deseasonalised values left the level of the three years before.

What is compared is `y` minus the mean of its last 91 days, minus weekly and yearly waves fitted on the reference, so
that neither a slow decline nor a season counts as drift; a jump does.
"""

EARLIER_WEEKS = DriftQuestion(
    "actuals_match_earlier_years",
    "level against the same weeks of earlier years",
    Chart("earlier_years", allowance=0.45, two_sided=True),
    ("y",),
    _moved,
    earlier_days=_EARLIER,
)
"""Whether values moved against the same weeks of up to three earlier years.

What is compared is `y` minus the mean of the values 364, 728 and 1,092 days before, against how that difference has
been: a steady decline is no shift, a change of its pace is.
"""

QUESTIONS = (LEVEL, EARLIER_WEEKS)


def seasons_of(days: Days) -> Floats:
    """Weekday indicators and yearly Fourier pairs; shape (T, 13)."""
    # 1970-01-01 was a Thursday, weekday 3.
    weekday = np.eye(7)[(days.astype(np.int64) + 3) % 7]
    of_year = (days - days.astype("datetime64[Y]")).astype(np.int64) + 1
    phase = 2 * np.pi * of_year[:, None] / 365.25 * np.arange(1, YEARLY_WAVES + 1)
    return np.hstack([weekday, np.sin(phase), np.cos(phase)])
