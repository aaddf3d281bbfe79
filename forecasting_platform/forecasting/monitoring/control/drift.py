"""Whether the newest days are like the days that models were trained on, each series against its own past.

No model and no backtest is needed: the reference is the years before the newest days. It is learnt from a range of days
(`learn`), kept, and the newest days are judged by it (`judge`). All series are computed side by side.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.monitoring.control.chart_learning import MIN_REFERENCE_DAYS as MIN_CHART_DAYS
from forecasting_platform.forecasting.monitoring.control.chart_learning import learn_references
from forecasting_platform.forecasting.monitoring.control.charts import Reference
from forecasting_platform.forecasting.monitoring.control.drift_questions import (
    REFERENCE_DAYS,
    Columns,
    DriftQuestion,
    columns_of,
    seasons_of,
)
from forecasting_platform.forecasting.monitoring.control.judging import Streams, judge_streams
from forecasting_platform.forecasting.monitoring.control.report import (
    CONTROL_DAYS,
    WINDOWS,
    ControlReport,
)
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.covariates.exogenous import Exogenous, KnownByTargetDay
from forecasting_platform.forecasting.series.covariates.exogenous_values import exogenous_values
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.forecasting.series.lifetime import is_constant

MIN_REFERENCE_DAYS = 180
NOTED_DAYS, ABOUT_ZERO = 28, 0.02


@dataclass(frozen=True, slots=True)
class DriftReference:
    """What one series' newest days are compared with.

    Attributes:
        chart: None where there is too little to compare with, or it is constant.
        seasons: weights of `seasons_of` that are taken out; empty where none are.
        why: why there is no chart.
    """

    chart: Reference | None
    seasons: tuple[float, ...] = ()
    why: str = ""

    def to_json(self) -> str | None:
        """The chart and the weights, to the last bit; None without a chart."""
        return json.dumps({"chart": asdict(self.chart), "seasons": self.seasons}) if self.chart else None

    @classmethod
    def from_json(cls, document: str | None, why: str | None) -> "DriftReference":
        """The inverse of `to_json`."""
        if document is None:
            return cls(None, (), why or "")
        stored = json.loads(document)
        return cls(Reference.from_document(stored["chart"]), tuple(stored["seasons"]))


def reference_until(newest: date) -> date:
    """The last day of the reference by which the days up to `newest` are judged, if it is learnt for them alone."""
    # It ends before the first day that a chart sees: a lasting shift would otherwise teach its own reference.
    return newest - timedelta(days=CONTROL_DAYS)


def monthly_reference_until(newest: date) -> date:
    """The last day of the reference by which all days of the month of `newest` are judged.

    >>> str(monthly_reference_until(date(2023, 7, 31))), str(monthly_reference_until(date(2023, 8, 1)))
    ('2023-03-02', '2023-04-02')
    """
    return reference_until(newest.replace(day=1) - timedelta(days=1))


def exogenous_features(features: pd.DataFrame, exogenous: Sequence[Exogenous]) -> pd.DataFrame:
    """`unique_id`, `ds`, `y` and `mean_91` of the exogenous series that are watched: each that is of all series.

    Covariates of some series, and plans, which somebody decides on, are not watched. A family of columns known in
    advance is represented by the value for the next day: its members move together, and each would spend its own budget
    of false pages.

    Args:
        features: `ds` and `exogenous` of rows of `FEATURE_TABLE`.
    """
    if features.empty or not any(map(_is_watched, exogenous)):
        return pd.DataFrame({name: FEATURE_TABLE.empty()[name] for name in ("unique_id", "ds", "y", "mean_91")})
    days = features.drop_duplicates("ds").sort_values("ds")
    names = [each.columns(1)[0] for each in exogenous if _is_watched(each)]
    values = pd.DataFrame(exogenous_values(days["exogenous"], names), columns=names, index=pd.DatetimeIndex(days["ds"]))
    series = [
        pd.DataFrame(
            {"unique_id": name, "ds": y.index, "y": y.to_numpy(), "mean_91": y.rolling("91D").mean().to_numpy()}
        )
        for name, y in ((name, values[name].dropna()) for name in names)
    ]
    return pd.concat(series, ignore_index=True)


def _is_watched(exogenous: Exogenous) -> bool:
    return exogenous.is_of_all and not isinstance(exogenous, KnownByTargetDay)


def learn(
    question: DriftQuestion,
    features: pd.DataFrame,
    until: date,
    calendars: Calendars = DAILY,
    not_normal: NotNormal = ALL_NORMAL,
) -> dict[str, DriftReference]:
    """The reference of each series, from the three years up to a day.

    Args:
        features: rows of `FEATURE_TABLE`, at least the question's columns of its `learning_period`.
        until: inclusive.
        not_normal: periods from which nothing is learned.
    """
    columns = columns_of(features, question.columns).without(not_normal)
    last = np.datetime64(until, "D")
    days = np.arange(last - REFERENCE_DAYS + 1, last + 1)
    values = question.values(columns, days)
    # A constant less its mean is rounding, from which nothing can be learned.
    constant = is_constant(columns.at("y", days))
    known = np.isfinite(values).sum(axis=1)
    least = np.array([_least_reference(calendars.of(unique_id)) for unique_id in columns.unique_ids])
    learnable = (known >= least) & ~constant
    weights = _fit_seasons(values[learnable], days) if question.has_seasons else np.zeros((int(learnable.sum()), 0))
    streams = values[learnable] - weights @ seasons_of(days).T if question.has_seasons else values[learnable]
    charts = learn_references(question.chart, list(streams))
    learnt = iter(zip(charts, weights, strict=True))
    found = {}
    for position, unique_id in enumerate(columns.unique_ids):
        if learnable[position]:
            chart, seasons = next(learnt)
            found[unique_id] = DriftReference(
                chart, tuple(seasons.tolist()), "" if chart else "its days vary too little"
            )
        else:
            short = f"{known[position]} of {least[position]} days of reference"
            found[unique_id] = DriftReference(None, (), "constant in its reference" if constant[position] else short)
    return found


def judge(
    question: DriftQuestion,
    features: pd.DataFrame,
    references: Mapping[str, DriftReference],
    *,
    pages_a_year: float,
    calendars: Calendars = DAILY,
    not_normal: NotNormal = ALL_NORMAL,
) -> ControlReport:
    """Whether the newest days are as their references have it.

    Args:
        features: rows of `FEATURE_TABLE`, at least the question's columns of its `judging_periods`.
        references: of each series; one without is unknown.
        not_normal: periods of which no day is judged, or part of what others are compared with.
    """
    every = columns_of(features, question.columns)
    days = every.days[-CONTROL_DAYS:]
    # One that has no value of these days has ended, which another check says.
    every = every.of(np.atleast_1d(np.isfinite(every.at("y", days)).any(axis=1)))
    columns = every.without(not_normal)
    own = [references.get(unique_id, _NO_REFERENCE) for unique_id in columns.unique_ids]
    values = question.values(columns, days)
    if question.has_seasons:
        waves = seasons_of(days)
        weights = np.array([found.seasons or (np.nan,) * waves.shape[1] for found in own]).reshape(-1, waves.shape[1])
        values = values - weights @ waves.T
    series, day = np.nonzero(np.isfinite(values))
    gone, gone_day = np.nonzero(np.isfinite(every.at("y", days)) & ~np.isfinite(columns.at("y", days)))
    streams = Streams(
        columns.unique_ids,
        series,
        days[day],
        values[series, day],
        [found.chart for found in own],
        _newest_means(values),
        [found.why for found in own],
        (gone, days[gone_day]),
    )
    report = judge_streams(question.asked, question.chart, streams, pages_a_year=pages_a_year, calendars=calendars)
    return replace(report, notes=_notes(report, every))


def _notes(report: ControlReport, columns: Columns) -> dict[str, str]:
    """What has happened to the values of each bad series: their median since then, and that of four weeks before."""
    values, place = columns.values["y"], {name: at for at, name in enumerate(columns.unique_ids)}
    bad = report.series[report.series["state"] == "bad"]
    notes = {}
    for name, since in zip(bad["unique_id"], bad["since"], strict=True):
        first = int((np.datetime64(since, "D") - columns.days[0]).astype(np.int64))
        own = values[place[name]]
        before, after = (of[np.isfinite(of)] for of in (own[max(0, first - NOTED_DAYS) : first], own[first:]))
        if len(before) and len(after):
            notes[name] = _moved(float(np.median(before)), float(np.median(after)))
    return notes


def _moved(before: float, after: float) -> str:
    if abs(after) < ABOUT_ZERO * abs(before):
        return "its values fell to zero"
    return f"its values {'rose' if after > before else 'fell'} from {before:.4g} to {after:.4g}"


_NO_REFERENCE = DriftReference(None, (), "it has no reference yet")


def _least_reference(due: DueDays) -> int:
    """How many values a reference needs: half a year of them, and as many as a chart."""
    return max(MIN_CHART_DAYS, round(MIN_REFERENCE_DAYS * due.share_of_weekdays))


def _newest_means(values: Floats) -> Floats:
    """Means of the newest 7, 28 and 90 known values of each series; shape (S, 3), NaN where there is none."""
    known = np.isfinite(values)
    from_end = known[:, ::-1].cumsum(axis=1)[:, ::-1]
    means = []
    for window in WINDOWS:
        newest = known & (from_end <= window)
        with np.errstate(invalid="ignore"):
            means.append(np.where(newest, values, 0.0).sum(axis=1) / newest.sum(axis=1))
    return np.column_stack(means)


def _fit_seasons(values: Floats, days: Days) -> Floats:
    """Weights of `seasons_of` by least squares over the known days; shape (S, 13)."""
    waves = seasons_of(days)
    weights = np.empty((len(values), waves.shape[1]))
    # Series with the same known days are fitted at once, and nearly all of a feed have the same.
    patterns, of_series = np.unique(np.isfinite(values), axis=0, return_inverse=True)
    for position, known in enumerate(patterns):
        own = of_series == position
        found, *_ = np.linalg.lstsq(waves[known], values[own][:, known].T, rcond=None)
        weights[own] = found.T
    return weights
