"""Whether the forecasts still hold: one report a question, from what was forecast and the actuals that came.

Errors and moves are summed up by day first (`daily_sums`). The references come from the champion's backtest
(`references`); when a series pages follows from a budget of false pages (`charts`); how a state is reached is in
`report`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.models.training.scores import BASELINES
from forecasting_platform.forecasting.monitoring.control.charts import Chart
from forecasting_platform.forecasting.monitoring.control.daily_sums import DailySums, judged_errors, judged_moves
from forecasting_platform.forecasting.monitoring.control.judging import Streams, judge_streams
from forecasting_platform.forecasting.monitoring.control.references import (
    BIAS,
    CHURN,
    COVERAGE,
    NAIVE,
    RMSE,
    SeriesReference,
)
from forecasting_platform.forecasting.monitoring.control.report import (
    DAILY_COLUMNS,
    MIN_DAYS,
    SERIES_COLUMNS,
    WINDOWS,
    ControlReport,
    describe_left_out,
)
from forecasting_platform.forecasting.monitoring.control.series_rows import (
    DailyValues,
    SeriesRows,
    newest_means,
    places,
)
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.frames import baseline_error_column
from forecasting_platform.forecasting.series.lifetime import last_days

MAX_REVISION_EFFECT = 0.25

References = Mapping[str, SeriesReference]


Answer = tuple[DailyValues, Floats]
"""What a chart sees each day, and what a person wants to know of the newest 7, 28 and 90 days; shape (S, 3)."""


@dataclass(frozen=True, slots=True)
class ControlQuestion:
    """A question about the forecasts of every series; calling it answers.

    Attributes:
        name: begins the summary.
        chart: decides how much evidence pages.
        answer: of the rows that are judged.
        sum_up: makes daily sums of the rows that it is called with.
        day: the column of days that the chart goes by.
        compare_with: what the rows of a series are compared with, of its backtest.
    """

    name: str
    chart: Chart
    answer: Callable[[SeriesRows], Answer]
    sum_up: Callable[[pd.DataFrame, NotNormal], DailySums] = judged_errors
    day: str = "ds"
    compare_with: Callable[[SeriesReference], SeriesReference] = lambda backtest: backtest

    def __call__(
        self,
        rows: pd.DataFrame,
        references: References,
        *,
        pages_a_year: float,
        as_of: date | None = None,
        calendars: Calendars = DAILY,
        not_normal: NotNormal = ALL_NORMAL,
    ) -> ControlReport:
        """`judge` of the sums of some rows.

        Args:
            rows: of `FORECAST_ERRORS`; of `FORECASTS` for churn, which needs no actuals.
            not_normal: periods of which no day is judged, nor a forecast that was made on one.
        """
        sums = self.sum_up(rows, not_normal)
        return self.judge(sums, references, pages_a_year=pages_a_year, as_of=as_of, calendars=calendars)

    def judge(
        self,
        sums: DailySums,
        references: References,
        *,
        pages_a_year: float,
        as_of: date | None = None,
        calendars: Calendars = DAILY,
    ) -> ControlReport:
        """The state of each series at the end of `as_of` (by default of the newest day).

        Args:
            references: by series, of the champion's backtest.
            calendars: the days on which values of each series are due.
        """
        unique_ids = sums.unique_ids
        compared = {name: self.compare_with(references[name]) for name in unique_ids if name in references}
        rows = SeriesRows.of(sums.sums, compared, unique_ids, self.day)
        daily, measures = self.answer(rows)
        streams = replace(
            _streams(self.chart, daily, measures, rows), left_out=_left_out(sums.left_out, unique_ids, self.day)
        )
        return judge_streams(
            self.name, self.chart, streams, pages_a_year=pages_a_year, as_of=as_of, calendars=calendars
        )


def revision_report(
    errors: pd.DataFrame, references: References, *, not_normal: NotNormal = ALL_NORMAL
) -> ControlReport:
    """`judge_revisions` of the sums of rows of `FORECAST_ERRORS`."""
    return judge_revisions(judged_errors(errors, not_normal), references)


def judge_revisions(sums: DailySums, references: References) -> ControlReport:
    """Whether revisions of actuals change the judgement: errors by first published values against latest.

    What is measured is |RMSE by first - RMSE by latest| in units of the backtest's RMSE. No backtest
    knows how values are revised, so this threshold is fixed: a quarter.
    """
    rows = SeriesRows.of(sums.sums.dropna(subset=["rmse_first"]), references, sums.unique_ids)
    days = rows.count_days()
    by_first, by_latest = (rows[name] / rows.unit() for name in ("rmse_first", "rmse"))

    def effect(window: int) -> Floats:
        newest = rows.newest(window)
        first, latest = (np.sqrt(newest.mean(of**2)) for of in (by_first, by_latest))
        return np.abs(first - latest)

    effects = {window: effect(window) for window in WINDOWS}
    # Four weeks decide, which hold all weekdays several times; the other windows are shown.
    is_known = (days >= MIN_DAYS) & np.isfinite(effects[28])
    judged = {
        "unique_id": rows.unique_ids,
        "state": np.where(is_known, np.where(effects[28] > MAX_REVISION_EFFECT, "bad", "good"), "unknown"),
        "day_before": "unknown",
        "days": days,
        "evidence": effects[28],
        "threshold": MAX_REVISION_EFFECT,
        **{f"value_{window}": found for window, found in effects.items()},
        "why": np.where(is_known, "", "too few days with both vintages, or no backtest"),
        "left_out": np.bincount(_left_out(sums.left_out, rows.unique_ids, "ds")[0], minlength=len(rows.unique_ids)),
    }
    series = pd.DataFrame(judged, columns=SERIES_COLUMNS)
    bad = series.loc[series["state"] == "bad", "unique_id"].tolist()
    summary = f"effect of revisions: {len(bad)} of {len(series)} series are judged differently by first values"
    summary += (f": {', '.join(bad[:5])}" if bad else "") + describe_left_out(series)
    return ControlReport(series, pd.DataFrame(columns=DAILY_COLUMNS), summary)


def watermark(observations: pd.DataFrame, calendars: Calendars = DAILY) -> date | None:
    """The day up to which actuals are complete: the oldest of the series' newest days; None without any.

    Args:
        observations: `unique_id` and `ds` of what is known. A series that has ended is not waited for, nor one whose
            next value is not due yet.

    >>> rows = [("a", "2023-07-05"), ("b", "2023-07-03"), ("gone", "2023-01-01")]
    >>> frame = pd.DataFrame(rows, columns=["unique_id", "ds"]).assign(ds=lambda f: pd.to_datetime(f["ds"]))
    >>> str(watermark(frame))
    '2023-07-03'
    """
    known = last_days(observations, calendars=calendars)
    if known.empty:
        return None
    oldest: date = min(known.loc[~known["ended"], "covered"].min(), known["last"].max()).date()
    return oldest


def _left_out(days: pd.DataFrame, unique_ids: list[str], day: str) -> tuple[npt.NDArray[np.int64], Days]:
    """Series and day of which nothing is judged."""
    series = places(unique_ids, days["unique_id"].tolist()).astype(np.int64)
    return series, days[day].to_numpy().astype("datetime64[D]")


def _streams(chart: Chart, daily: DailyValues, measures: Floats, rows: SeriesRows) -> Streams:
    # A series whose actual never changed has errors of rounding, which would still give a chart.
    references = [
        None if found is None or found.constant else found.charts.get(chart.name) for found in rows.references
    ]
    return Streams(rows.unique_ids, *daily, references, measures, [_why_no_chart(found) for found in rows.references])


def _why_no_chart(reference: SeriesReference | None) -> str:
    if reference is None:
        return "the champion has no backtest of it"
    if reference.constant:
        return "constant in its model's backtest"
    return "its model's backtest is too short, or has no errors"


def _of_errors(rows: SeriesRows, each: Floats, measure: Callable[[SeriesRows], Floats]) -> Answer:
    """The chart sees each day's mean value; a person sees a measure of the newest days."""
    return rows.daily_means(each), np.column_stack([measure(rows.newest(window)) for window in WINDOWS])


def _bias(rows: SeriesRows) -> Answer:
    return _of_errors(rows, rows["mean_error"] / rows.unit(), lambda newest: newest.mean(rows["mean_error"]))


def _rmse(rows: SeriesRows) -> Answer:
    squares = (rows["rmse"] / rows.unit()) ** 2
    return _of_errors(rows, rows["mean_error"] / rows.unit(), lambda newest: np.sqrt(newest.mean(squares)))


def _coverage(rows: SeriesRows) -> Answer:
    return _of_errors(rows, 1.0 - rows["inside_80"], lambda newest: newest.mean(rows["inside_80"]))


def _against_naive(rows: SeriesRows) -> Answer:
    own, naive = rows["mean_absolute_error"], _better_naive(rows)

    def skill(newest: SeriesRows) -> Floats:
        mean, naive_mean = newest.mean(own), newest.mean(naive)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(naive_mean > 0, 1 - mean / naive_mean, np.nan)

    return _of_errors(rows, (own - naive) / rows.unit(), skill)


def _better_naive(rows: SeriesRows) -> Floats:
    """The error of the better naive forecast of each row's series; NaN without a backtest."""
    chosen = np.full(len(rows.series), np.nan)
    for name in BASELINES:
        is_better = np.array([found is not None and found.baseline == name for found in rows.references], dtype=bool)
        chosen = np.where(is_better[rows.series], rows[baseline_error_column(name)], chosen)
    return chosen


def _no_better_than_naive(backtest: SeriesReference) -> SeriesReference:
    """A lead on naive that only shrinks is no fault: the chart starts from being as good."""
    chart = backtest.charts.get(NAIVE.name)
    if chart is None:
        return backtest
    as_good = replace(chart, centre=max(chart.centre, 0.0))
    return replace(backtest, charts={**backtest.charts, NAIVE.name: as_good})


def _churn(rows: SeriesRows) -> Answer:
    moves = rows.daily_means(rows["mean_move"] / rows.unit())
    return moves, np.column_stack([newest_means(moves, window, len(rows.unique_ids)) for window in WINDOWS])


bias_report = ControlQuestion("bias", BIAS, _bias)
"""Means of predictions against means of actuals; a person sees `y_hat - y` in the series' unit."""
rmse_report = ControlQuestion("RMSE to the backtest's", RMSE, _rmse)
"""RMSE against the backtest's of the same season and step bucket; a person sees their ratio."""
coverage_report = ControlQuestion("coverage of 80 %", COVERAGE, _coverage)
"""Share of actuals inside the 80 % interval, against the backtest's."""
naive_report = ControlQuestion("skill against naive", NAIVE, _against_naive, compare_with=_no_better_than_naive)
"""Whether the better of the two naive forecasts is beaten; a person sees 1 - MAE / its MAE. The claim fails where
forecasts are clearly behind naive, not where their lead only shrank."""
churn_report = ControlQuestion("churn of forecasts", CHURN, _churn, judged_moves, "cutoff")
"""How far forecasts of the same days move from one cutoff to the next, in units of the backtest's RMSE."""
