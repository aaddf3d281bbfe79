"""Whether the forecasts still hold: one report a question, from what was forecast and the actuals that came.

The references come from the champion's backtest (`references`); when a series pages follows from a budget of false
pages (`charts`); how a state is reached is in `report`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.models.training.scores import BASELINES
from forecasting_platform.forecasting.monitoring.control.charts import Chart
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
    daily_means,
    newest_means,
)
from forecasting_platform.forecasting.series.arrays import Days, Floats, code_names
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
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
        day: the column of days that the chart goes by.
        compare_with: what the rows of a series are compared with, of its backtest.
    """

    name: str
    chart: Chart
    answer: Callable[[SeriesRows], Answer]
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
        """The state of each series at the end of `as_of` (by default of the newest day).

        Args:
            rows: of `FORECAST_ERRORS`; of `FORECASTS` for churn, which needs no actuals.
            references: by series, of the champion's backtest.
            calendars: the days on which values of each series are due.
            not_normal: periods of which no day is judged, nor a forecast that was made on one.
        """
        compared = {unique_id: self.compare_with(reference) for unique_id, reference in references.items()}
        normal, left_out = _normal(forecasts_of_record(rows), compared, not_normal, self.day)
        daily, measures = self.answer(normal)
        streams = replace(_streams(self.chart, daily, measures, normal), left_out=left_out)
        return judge_streams(
            self.name, self.chart, streams, pages_a_year=pages_a_year, as_of=as_of, calendars=calendars
        )


def revision_report(
    errors: pd.DataFrame, references: References, *, not_normal: NotNormal = ALL_NORMAL
) -> ControlReport:
    """Whether revisions of actuals change the judgement: errors by first published values against latest.

    What is measured is |RMSE by first - RMSE by latest| in units of the backtest's RMSE. No backtest
    knows how values are revised, so this threshold is fixed: a quarter.
    """
    normal, left_out = _normal(errors, references, not_normal, "ds")
    rows = SeriesRows.of(normal.frame.dropna(subset=["y_first"]), references, normal.unique_ids)
    days = rows.count_days()
    by_first, by_latest = ((rows["y_hat"] - rows[name]) / rows.unit() for name in ("y_first", "y"))

    def effect(window: int) -> Floats:
        newest = rows.newest(window)
        first, latest = (np.sqrt(newest.mean(of**2, skip_nan=False)) for of in (by_first, by_latest))
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
        "left_out": np.bincount(left_out[0], minlength=len(rows.unique_ids)),
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


def _normal(
    every: pd.DataFrame, references: References, not_normal: NotNormal, day: str
) -> tuple[SeriesRows, tuple[npt.NDArray[np.int64], Days]]:
    """The rows that are not left out, of all series, and series and day of which none is kept.

    Args:
        day: the column of days that a chart goes by.
    """
    is_out = not_normal.rows(every, "cutoff", "ds")
    normal = every[~is_out] if is_out.any() else every
    # Series that are left out whole are kept, as unknown: a person must see that nothing is judged of them.
    rows = SeriesRows.of(normal, references, code_names(every["unique_id"].to_numpy(dtype=object))[1])
    if not is_out.any():
        return rows, (np.empty(0, np.int64), np.empty(0, "datetime64[D]"))
    days = every[["unique_id", day]].assign(kept=~is_out).groupby(["unique_id", day], sort=True)["kept"].any()
    gone = days[~days].index
    series = pd.Index(rows.unique_ids, dtype=object).get_indexer(gone.get_level_values(0))
    return rows, (series.astype(np.int64), gone.get_level_values(1).to_numpy().astype("datetime64[D]"))


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
    measures = np.column_stack([measure(rows.newest(window)) for window in WINDOWS])
    return daily_means(rows, rows.series, rows.days, each), measures


def _bias(rows: SeriesRows) -> Answer:
    return _of_errors(rows, _standardised(rows), lambda newest: newest.mean(rows["y_hat"] - rows["y"]))


def _rmse(rows: SeriesRows) -> Answer:
    standardised = _standardised(rows)
    return _of_errors(rows, standardised, lambda newest: np.sqrt(newest.mean(standardised**2)))


def _standardised(rows: SeriesRows) -> Floats:
    return (rows["y_hat"] - rows["y"]) / rows.unit()


def _coverage(rows: SeriesRows) -> Answer:
    is_inside = (rows["y"] >= rows["y_hat_lo_80"]) & (rows["y"] <= rows["y_hat_hi_80"])
    inside = is_inside.astype(np.float64)
    return _of_errors(rows, 1.0 - inside, lambda newest: newest.mean(inside))


def _against_naive(rows: SeriesRows) -> Answer:
    own, naive = (np.abs(of - rows["y"]) for of in (rows["y_hat"], _better_naive(rows)))

    def skill(newest: SeriesRows) -> Floats:
        mean, naive_mean = newest.mean(own), newest.mean(naive)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(naive_mean > 0, 1 - mean / naive_mean, np.nan)

    return _of_errors(rows, (own - naive) / rows.unit(), skill)


def _better_naive(rows: SeriesRows) -> Floats:
    """The better naive forecast of each row's series; NaN without a backtest."""
    chosen = np.full(len(rows.series), np.nan)
    for name in BASELINES:
        is_better = np.array([found is not None and found.baseline == name for found in rows.references], dtype=bool)
        chosen = np.where(is_better[rows.series], rows[f"y_hat_{name}"], chosen)
    return chosen


def _no_better_than_naive(backtest: SeriesReference) -> SeriesReference:
    """A lead on naive that only shrinks is no fault: the chart starts from being as good."""
    chart = backtest.charts.get(NAIVE.name)
    if chart is None:
        return backtest
    as_good = replace(chart, centre=max(chart.centre, 0.0))
    return replace(backtest, charts={**backtest.charts, NAIVE.name: as_good})


def _churn(rows: SeriesRows) -> Answer:
    moves = daily_means(rows, *_moves(rows))
    return moves, np.column_stack([newest_means(moves, window, len(rows.unique_ids)) for window in WINDOWS])


def _moves(rows: SeriesRows) -> DailyValues:
    """How far each forecast moved since the cutoff a day before, in units of the backtest's; its day is the cutoff."""
    cutoffs = rows.frame["cutoff"].to_numpy().astype("datetime64[D]")
    # By series, day and cutoff: forecasts of one day that were made a day apart are then neighbours.
    order = np.lexsort((cutoffs, rows.days, rows.series))
    before, after = order[:-1], order[1:]
    is_next = (rows.series[before] == rows.series[after]) & (rows.days[before] == rows.days[after])
    # Over a gap of several cutoffs a forecast may move more, and rightly so.
    is_next &= cutoffs[after] - cutoffs[before] == np.timedelta64(1, "D")
    # In the order of the rows, so that a mean is the same sum.
    before, after = before[is_next], after[is_next]
    in_order = np.argsort(after)
    before, after = before[in_order], after[in_order]
    moved = np.abs(rows["y_hat"][after] - rows["y_hat"][before]) / rows.unit()[after]
    return rows.series[after], cutoffs[after], moved


bias_report = ControlQuestion("bias", BIAS, _bias)
"""Means of predictions against means of actuals; a person sees `y_hat - y` in the series' unit."""
rmse_report = ControlQuestion("RMSE to the backtest's", RMSE, _rmse)
"""RMSE against the backtest's of the same season and step bucket; a person sees their ratio."""
coverage_report = ControlQuestion("coverage of 80 %", COVERAGE, _coverage)
"""Share of actuals inside the 80 % interval, against the backtest's."""
naive_report = ControlQuestion("skill against naive", NAIVE, _against_naive, compare_with=_no_better_than_naive)
"""Whether the better of the two naive forecasts is beaten; a person sees 1 - MAE / its MAE. The claim fails where
forecasts are clearly behind naive, not where their lead only shrank."""
churn_report = ControlQuestion("churn of forecasts", CHURN, _churn, day="cutoff")
"""How far forecasts of the same days move from one cutoff to the next, in units of the backtest's RMSE."""
