"""Whether the forecasts still hold: one report a question, from what was forecast and the actuals that came.

The references come from the champion's backtest (`references`); when a series pages follows from a budget of false
pages (`control_charts`); how a state is reached is in `control_report`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.monitoring.control_charts import Chart
from forecasting_platform.forecasting.monitoring.control_report import (
    DAILY_COLUMNS,
    MIN_DAYS,
    SERIES_COLUMNS,
    WINDOWS,
    ControlReport,
    Stream,
    judge_streams,
)
from forecasting_platform.forecasting.monitoring.references import (
    BIAS,
    CHURN,
    COVERAGE,
    NAIVE,
    RMSE,
    SeriesReference,
    unit_of_errors,
)
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.lifetime import last_days
from forecasting_platform.forecasting.series.series_calendars import DAILY, Calendars

MAX_REVISION_EFFECT = 0.25

References = Mapping[str, SeriesReference]


def bias_report(
    errors: pd.DataFrame,
    references: References,
    *,
    pages_a_year: float,
    as_of: date | None = None,
    calendars: Calendars = DAILY,
) -> ControlReport:
    """Means of predictions against means of actuals; what is measured is `y_hat - y` in the series' unit.

    Args:
        errors: rows of `FORECAST_ERRORS`.
        references: by series, of the champion's backtest.
        calendars: the days on which values of each series are due.
    """
    return _answer("bias", BIAS, errors, references, _standardise_errors, _bias, pages_a_year, as_of, calendars)


def rmse_report(
    errors: pd.DataFrame,
    references: References,
    *,
    pages_a_year: float,
    as_of: date | None = None,
    calendars: Calendars = DAILY,
) -> ControlReport:
    """RMSE against the backtest's of the same season and step bucket; what is measured is their ratio."""
    return _answer(
        "RMSE to the backtest's", RMSE, errors, references, _standardise_errors, _ratio, pages_a_year, as_of, calendars
    )


def coverage_report(
    errors: pd.DataFrame,
    references: References,
    *,
    pages_a_year: float,
    as_of: date | None = None,
    calendars: Calendars = DAILY,
) -> ControlReport:
    """Share of actuals inside the 80 % interval, against the backtest's."""
    return _answer("coverage of 80 %", COVERAGE, errors, references, _misses, _coverage, pages_a_year, as_of, calendars)


def naive_report(
    errors: pd.DataFrame,
    references: References,
    *,
    pages_a_year: float,
    as_of: date | None = None,
    calendars: Calendars = DAILY,
) -> ControlReport:
    """Whether the better of the two naive forecasts is beaten; what is measured is 1 - MAE / its MAE.

    The claim fails where forecasts are clearly behind naive, not where their lead only shrank.
    """
    as_good = {uid: _no_better_than_naive(reference) for uid, reference in references.items()}
    return _answer("skill against naive", NAIVE, errors, as_good, _behind_naive, _skill, pages_a_year, as_of, calendars)


def churn_report(
    forecasts: pd.DataFrame,
    references: References,
    *,
    pages_a_year: float,
    as_of: date | None = None,
    calendars: Calendars = DAILY,
) -> ControlReport:
    """How far forecasts of the same days move from one cutoff to the next, in units of the backtest's RMSE.

    Args:
        forecasts: rows of `FORECASTS`.
    """
    streams = {
        str(unique_id): _stream(CHURN, _moves(rows, references.get(str(unique_id))), references.get(str(unique_id)))
        for unique_id, rows in forecasts_of_record(forecasts).groupby("unique_id", sort=True)
    }
    measured = {uid: _with_means(stream) for uid, stream in streams.items()}
    return judge_streams(
        "churn of forecasts", CHURN, measured, pages_a_year=pages_a_year, as_of=as_of, calendars=calendars
    )


def revision_report(errors: pd.DataFrame, references: References) -> ControlReport:
    """Whether revisions of actuals change the judgement: errors by first published values against latest.

    What is measured is |RMSE by first - RMSE by latest| in units of the backtest's RMSE. No backtest
    knows how values are revised, so this threshold is fixed: a quarter.
    """
    judged = []
    for unique_id, rows in errors.groupby("unique_id", sort=True):
        reference = references.get(str(unique_id))
        known = rows.dropna(subset=["y_first"])
        days = known["ds"].nunique()
        effects = {window: _revision_effect(_newest(known, window), reference) for window in WINDOWS}
        effect = effects[28]
        is_known = days >= MIN_DAYS and np.isfinite(effect)
        judged.append(
            {
                "unique_id": unique_id,
                "state": ("bad" if effect > MAX_REVISION_EFFECT else "good") if is_known else "unknown",
                "days": days,
                "evidence": effect,
                "threshold": MAX_REVISION_EFFECT,
                **{f"value_{window}": value for window, value in effects.items()},
                "why": "" if is_known else "too few days with both vintages, or no backtest",
            }
        )
    series = pd.DataFrame(judged, columns=SERIES_COLUMNS)
    bad = series.loc[series["state"] == "bad", "unique_id"].tolist()
    summary = f"effect of revisions: {len(bad)} of {len(series)} series are judged differently by first values"
    return ControlReport(
        series, pd.DataFrame(columns=DAILY_COLUMNS), summary + (f": {', '.join(bad[:5])}" if bad else "")
    )


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


def _answer(
    question: str,
    chart: Chart,
    errors: pd.DataFrame,
    references: References,
    values: Callable[[pd.DataFrame, SeriesReference], "pd.Series[float]"],
    measure: Callable[[pd.DataFrame, SeriesReference | None], float],
    pages_a_year: float,
    as_of: date | None,
    calendars: Calendars,
) -> ControlReport:
    streams = {}
    for unique_id, rows in forecasts_of_record(errors).groupby("unique_id", sort=True):
        reference = references.get(str(unique_id))
        daily = _daily(rows["ds"], values(rows, reference)) if reference is not None else _no_days(rows)
        measures = {window: measure(_newest(rows, window), reference) for window in WINDOWS}
        streams[str(unique_id)] = _stream(chart, daily, reference, measures)
    return judge_streams(
        question,
        chart,
        streams,
        pages_a_year=pages_a_year,
        as_of=as_of,
        calendars=calendars,
    )


def _stream(
    chart: Chart, daily: pd.DataFrame, reference: SeriesReference | None, measures: dict[int, float] | None = None
) -> Stream:
    if reference is None:
        return Stream(daily, None, measures or {}, why="the champion has no backtest of it")
    if reference.constant:
        return Stream(daily, None, measures or {}, why="constant in its model's backtest")
    return Stream(daily, reference.charts.get(chart.name), measures or {})


def _with_means(stream: Stream) -> Stream:
    means = {window: float(_newest(stream.daily, window)["value"].mean()) for window in WINDOWS}
    return Stream(stream.daily, stream.reference, means, stream.why)


def _daily(ds: "pd.Series[Any]", values: "pd.Series[float]") -> pd.DataFrame:
    found = pd.DataFrame({"ds": ds, "value": values}).dropna()
    return found.groupby("ds", sort=True)["value"].mean().reset_index()


def _no_days(_rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"ds": pd.Series(dtype="datetime64[ns]"), "value": pd.Series(dtype=float)})


def _newest(rows: pd.DataFrame, days: int) -> pd.DataFrame:
    return rows[rows["ds"] > rows["ds"].max() - timedelta(days=days)] if len(rows) else rows


def _unit(rows: pd.DataFrame, reference: SeriesReference) -> Floats:
    ds = rows["ds"].to_numpy().astype("datetime64[D]")
    step = (rows["ds"] - rows["cutoff"]).dt.days.to_numpy().astype(np.int64)
    return unit_of_errors(reference.rmse, ds, step)


def _standardise_errors(rows: pd.DataFrame, reference: SeriesReference) -> "pd.Series[float]":
    return (rows["y_hat"] - rows["y"]) / _unit(rows, reference)


def _misses(rows: pd.DataFrame, _reference: SeriesReference) -> "pd.Series[float]":
    return 1.0 - rows["y"].between(rows["y_hat_lo_80"], rows["y_hat_hi_80"]).astype(float)


def _behind_naive(rows: pd.DataFrame, reference: SeriesReference) -> "pd.Series[float]":
    baseline = rows[f"y_hat_{reference.baseline}"]
    return ((rows["y_hat"] - rows["y"]).abs() - (baseline - rows["y"]).abs()) / _unit(rows, reference)


def _no_better_than_naive(reference: SeriesReference) -> SeriesReference:
    chart = reference.charts.get(NAIVE.name)
    if chart is None:
        return reference
    as_good = replace(chart, centre=max(chart.centre, 0.0))
    return replace(reference, charts={**reference.charts, NAIVE.name: as_good})


def _moves(rows: pd.DataFrame, reference: SeriesReference | None) -> pd.DataFrame:
    """Mean move of each cutoff since the one a day before: `ds` is the cutoff."""
    if reference is None:
        return _no_days(rows)
    before = rows[["cutoff", "ds", "y_hat"]].assign(cutoff=rows["cutoff"] + timedelta(days=1))
    both = rows.merge(before, on=["cutoff", "ds"], suffixes=("", "_before"))
    moved = (both["y_hat"] - both["y_hat_before"]).abs() / _unit(both, reference)
    return _daily(both["cutoff"], moved)


def _bias(rows: pd.DataFrame, _reference: SeriesReference | None) -> float:
    return float((rows["y_hat"] - rows["y"]).mean())


def _ratio(rows: pd.DataFrame, reference: SeriesReference | None) -> float:
    return float(np.sqrt((_standardise_errors(rows, reference) ** 2).mean())) if reference is not None else float("nan")


def _coverage(rows: pd.DataFrame, _reference: SeriesReference | None) -> float:
    return float(rows["y"].between(rows["y_hat_lo_80"], rows["y_hat_hi_80"]).mean())


def _skill(rows: pd.DataFrame, reference: SeriesReference | None) -> float:
    if reference is None:
        return float("nan")
    against = float((rows[f"y_hat_{reference.baseline}"] - rows["y"]).abs().mean())
    return 1 - float((rows["y_hat"] - rows["y"]).abs().mean()) / against if against > 0 else float("nan")


def _revision_effect(rows: pd.DataFrame, reference: SeriesReference | None) -> float:
    if reference is None or rows.empty:
        return float("nan")
    unit = _unit(rows, reference)
    by_first, by_latest = (np.sqrt(np.mean(((rows["y_hat"] - rows[name]) / unit) ** 2)) for name in ("y_first", "y"))
    return float(abs(by_first - by_latest))
