"""Whether the newest days are like the days that models were trained on, each series against its own past.

No model and no backtest is needed: the reference is the years before the newest days.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.monitoring.control_charts import MIN_REFERENCE_DAYS as MIN_CHART_DAYS
from forecasting_platform.forecasting.monitoring.control_charts import Chart, learn_references
from forecasting_platform.forecasting.monitoring.control_report import (
    CONTROL_DAYS,
    WINDOWS,
    ControlReport,
    Stream,
    judge_streams,
)
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.due_days import DueDays
from forecasting_platform.forecasting.series.exogenous import Exogenous, KnownByTargetDay
from forecasting_platform.forecasting.series.exogenous_values import exogenous_values
from forecasting_platform.forecasting.series.lifetime import is_constant
from forecasting_platform.forecasting.series.series_calendars import DAILY, Calendars

REFERENCE_DAYS = 1095
MIN_REFERENCE_DAYS = 180
EARLIER_YEARS = 3
SAME_WEEKDAY_DAYS = 364
YEARLY_WAVES = 3
NEEDED_DAYS = CONTROL_DAYS + REFERENCE_DAYS + EARLIER_YEARS * SAME_WEEKDAY_DAYS
"""Days before the newest that the two reports need."""

DRIFT = Chart("drift", allowance=0.45, two_sided=True)
EARLIER = Chart("earlier_years", allowance=0.45, two_sided=True)

Values = Callable[[pd.DataFrame, int], pd.DataFrame]


def with_exogenous(features: pd.DataFrame, exogenous: Sequence[Exogenous]) -> pd.DataFrame:
    """The rows with those of each exogenous series that is of all series, as both reports need them.

    Covariates of some series, and plans, which somebody decides on, are not watched.

    A family of columns known in advance is represented by the value for the next day: its members move together, and
    each would spend its own budget of false pages.

    Args:
        features: rows of `FEATURE_TABLE`.
    """
    if not exogenous or features.empty:
        return features
    days = features.drop_duplicates("ds").sort_values("ds")
    names = [each.columns(1)[0] for each in exogenous if each.is_of_all and not isinstance(each, KnownByTargetDay)]
    values = pd.DataFrame(exogenous_values(days["exogenous"], names), columns=names, index=pd.DatetimeIndex(days["ds"]))
    series = [
        pd.DataFrame(
            {"unique_id": name, "ds": y.index, "y": y.to_numpy(), "mean_91": y.rolling("91D").mean().to_numpy()}
        )
        for name, y in ((name, values[name].dropna()) for name in names)
    ]
    return pd.concat([features, *series], ignore_index=True)


def drift_report(features: pd.DataFrame, *, pages_a_year: float, calendars: Calendars = DAILY) -> ControlReport:
    """Whether deseasonalised values left the level of the three years before.

    What is compared is `y` minus the mean of its last 91 days, minus weekly and yearly waves fitted on
    the reference, so that neither a slow decline nor a season counts as drift; a jump does.

    Args:
        features: rows of `FEATURE_TABLE`.
    """

    def relative(rows: pd.DataFrame, least: int) -> pd.DataFrame:
        level, reference = rows["y"] - rows["mean_91"], _is_reference(rows["ds"])
        return pd.DataFrame({"ds": rows["ds"], "value": _deseasonalise(rows["ds"], level, reference, least)})

    return _report("level against its own last three months", DRIFT, features, relative, pages_a_year, calendars)


def earlier_years_report(features: pd.DataFrame, *, pages_a_year: float, calendars: Calendars = DAILY) -> ControlReport:
    """Whether values moved against the same weeks of up to three earlier years.

    What is compared is `y` minus the mean of the values 364, 728 and 1,092 days before, against how
    that difference has been: a steady decline is no shift, a change of its pace is.

    Args:
        features: rows of `FEATURE_TABLE`.
    """

    def moved(rows: pd.DataFrame, _least: int) -> pd.DataFrame:
        y = rows.set_index("ds")["y"]
        shifted = [y.shift(freq=timedelta(days=year * SAME_WEEKDAY_DAYS)) for year in range(1, EARLIER_YEARS + 1)]
        earlier = pd.concat(shifted, axis=1).reindex(y.index).mean(axis=1)
        return (y - earlier).dropna().rename("value").rename_axis("ds").reset_index()

    return _report("level against the same weeks of earlier years", EARLIER, features, moved, pages_a_year, calendars)


def _report(
    question: str, chart: Chart, features: pd.DataFrame, values: Values, pages_a_year: float, calendars: Calendars
) -> ControlReport:
    streams = {
        str(unique_id): _stream(chart, rows.sort_values("ds"), values, _least_reference(calendars.of(str(unique_id))))
        for unique_id, rows in features.groupby("unique_id", sort=True)
    }
    return judge_streams(question, chart, streams, pages_a_year=pages_a_year, calendars=calendars)


def _least_reference(due: DueDays) -> int:
    """How many values a reference needs: half a year of them, and as many as a chart."""
    return max(MIN_CHART_DAYS, round(MIN_REFERENCE_DAYS * due.share_of_weekdays))


def _stream(chart: Chart, rows: pd.DataFrame, values: Values, least: int) -> Stream:
    # A constant less its mean is rounding, from which nothing can be learned.
    constant = bool(is_constant(rows.loc[_is_reference(rows["ds"]), "y"].to_numpy(dtype=np.float64)))
    daily = values(rows, least).dropna()
    before = daily.loc[_is_reference(daily["ds"]), "value"].to_numpy()
    enough = len(before) >= least and not constant
    reference = learn_references(chart, [before])[0] if enough else None
    means = {window: float(daily["value"].tail(window).mean()) for window in WINDOWS} if len(daily) else {}
    why = "constant in its reference" if constant else f"{len(before)} of {least} days of reference"
    return Stream(daily, reference, means, why)


def _is_reference(ds: "pd.Series[pd.Timestamp]") -> "pd.Series[bool]":
    """Days before those that are judged, at most three years of them."""
    judged_from = ds.max() - timedelta(days=CONTROL_DAYS)
    return (ds <= judged_from) & (ds > judged_from - timedelta(days=REFERENCE_DAYS))


def _deseasonalise(
    ds: "pd.Series[pd.Timestamp]", values: "pd.Series[float]", reference: "pd.Series[bool]", least: int
) -> Floats:
    waves = _seasons(ds)
    fitted = (reference & values.notna()).to_numpy()
    if fitted.sum() < least:
        return np.full(len(ds), np.nan)
    weights, *_ = np.linalg.lstsq(waves[fitted], values.to_numpy()[fitted], rcond=None)
    return np.asarray(values.to_numpy() - waves @ weights, dtype=np.float64)


def _seasons(ds: "pd.Series[pd.Timestamp]") -> Floats:
    """Weekday indicators and yearly Fourier pairs."""
    weekday = np.eye(7)[ds.dt.weekday.to_numpy()]
    phase = 2 * np.pi * ds.dt.dayofyear.to_numpy()[:, None] / 365.25 * np.arange(1, YEARLY_WAVES + 1)
    return np.hstack([weekday, np.sin(phase), np.cos(phase)])
