"""Whether the forecasts still hold: each question answered per series, from what was said and what came.

A series is judged only by days that have matured; until then, and where nothing is there to compare
with, it is unknown, which is neither good nor bad. What it is compared with was learnt from its
model's backtest (`control_reference`); when a page is sent follows from a budget (`charts`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.models.steps_ahead import bucket_of
from forecasting_platform.forecasting.monitoring.control_charts import Chart, Reference, accumulate_evidence, is_paging
from forecasting_platform.forecasting.monitoring.references import (
    BIAS,
    CHURN,
    COVERAGE,
    NAIVE,
    RMSE,
    SeriesReference,
)
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.calendar import season_of
from forecasting_platform.forecasting.series.lifetime import last_days

WINDOWS = (7, 28, 90)
CONTROL_DAYS = 120
"""A chart starts this many days back, with no evidence."""
MIN_DAYS = 7
MAX_AGE_DAYS = 7
MAX_REVISION_EFFECT = 0.25
EPOCH = pd.Timestamp("1970-01-01")

State = Literal["good", "bad", "unknown"]
References = Mapping[str, SeriesReference]

SERIES_COLUMNS = [
    "unique_id",
    "state",
    "days",
    "evidence",
    "threshold",
    "since",
    *(f"value_{w}" for w in WINDOWS),
    "why",
]
DAILY_COLUMNS = ["unique_id", "ds", "value", "evidence", "threshold"]


@dataclass(frozen=True, slots=True)
class ControlReport:
    """One question's answer.

    Attributes:
        series: one row a series: `unique_id`, `state`, `days` that were judged, `evidence` of a change
            and the `threshold` where it pages, `since` when the evidence grows (an estimate of when
            the change began), what was measured over 7, 28 and 90 days, and `why` it is unknown.
        daily: `unique_id`, `ds`, the day's `value`, and the chart over it.
        summary: one sentence for a person.
    """

    series: pd.DataFrame
    daily: pd.DataFrame
    summary: str

    @property
    def passed(self) -> bool:
        """No series is bad."""
        return not (self.series["state"] == "bad").any()

    @property
    def state(self) -> State:
        """`bad` where a series is, else `good` where one is, else `unknown`."""
        states = set(self.series["state"])
        return "bad" if "bad" in states else "good" if "good" in states else "unknown"


@dataclass(frozen=True, slots=True)
class Stream:
    """One series as a chart sees it.

    Attributes:
        daily: `ds`, ascending, and the `value` of each day that has one.
        reference: None where there is nothing to compare with; `why` then says why.
        measures: what a person wants to know of the newest 7, 28 and 90 days.
    """

    daily: pd.DataFrame
    reference: Reference | None
    measures: dict[int, float] = field(default_factory=dict)
    why: str = "its model's backtest is too short, or nobody errs in it"


def judge(
    question: str, chart: Chart, streams: Mapping[str, Stream], *, pages_a_year: float, as_of: date | None = None
) -> ControlReport:
    """Each stream's state at the end of `as_of` (by default of the newest day of any stream).

    Args:
        question: what is asked, for the summary.
        pages_a_year: how many false pages a series may send in a year.
    """
    newest = (stream.daily["ds"].max() for stream in streams.values() if len(stream.daily))
    end = pd.Timestamp(as_of) if as_of is not None else max(newest, default=EPOCH)
    judged = [_judge(unique_id, chart, stream, pages_a_year, end) for unique_id, stream in sorted(streams.items())]
    series = pd.DataFrame([row for row, _ in judged], columns=SERIES_COLUMNS)
    daily = [path for _, path in judged if len(path)]
    return ControlReport(
        series,
        pd.concat(daily, ignore_index=True) if daily else pd.DataFrame(columns=DAILY_COLUMNS),
        _summary(question, series, pages_a_year),
    )


def _judge(
    unique_id: str, chart: Chart, stream: Stream, pages_a_year: float, end: pd.Timestamp
) -> tuple[dict[str, Any], pd.DataFrame]:
    recent = stream.daily[stream.daily["ds"] > end - timedelta(days=CONTROL_DAYS)]
    row = dict.fromkeys(SERIES_COLUMNS) | {"unique_id": unique_id, "state": "unknown", "days": len(recent), "why": ""}
    row |= {f"value_{window}": stream.measures.get(window, float("nan")) for window in WINDOWS}
    row |= {"evidence": float("nan"), "threshold": float("nan"), "since": None}
    if stream.reference is None or (why := _immature(recent, end)):
        return row | {"why": stream.why if stream.reference is None else why}, pd.DataFrame(columns=DAILY_COLUMNS)
    threshold = stream.reference.threshold(pages_a_year)
    evidence = accumulate_evidence(chart, stream.reference, recent["value"].to_numpy(), threshold)
    path = recent.assign(unique_id=unique_id, evidence=evidence.max(axis=0), threshold=threshold)[DAILY_COLUMNS]
    return row | {
        "state": "bad" if is_paging(evidence, threshold) else "good",
        "evidence": float(evidence[:, -1].max()),
        "threshold": threshold,
        "since": _since(recent["ds"], evidence),
    }, path


def _immature(recent: pd.DataFrame, end: pd.Timestamp) -> str:
    if len(recent) < MIN_DAYS:
        return f"{len(recent)} of the {MIN_DAYS} days needed have matured"
    age = (end - recent["ds"].max()).days
    return f"its newest matured day is {age} days old" if age > MAX_AGE_DAYS else ""


def _since(ds: "pd.Series[pd.Timestamp]", evidence: Floats) -> str | None:
    """The day after the evidence was last used up (Page 1954: where a change most likely began)."""
    side = evidence[evidence[:, -1].argmax()]
    if side[-1] == 0:
        return None
    quiet = np.flatnonzero(side == 0)
    return str(ds.iloc[quiet[-1] + 1 if len(quiet) else 0].date())


def _summary(question: str, series: pd.DataFrame, pages_a_year: float) -> str:
    bad, good = series[series["state"] == "bad"], int((series["state"] == "good").sum())
    if len(bad):
        worst = ", ".join(
            f"{row.unique_id} ({row.value_28:.3g} over 28 days, since {row.since})" for row in bad.head(5).itertuples()
        )
        return f"{question}: {len(bad)} series out of a budget of {pages_a_year:g} false pages a year: {worst}"
    unknown = series[series["state"] == "unknown"]
    reasons = f"; {len(unknown)} unknown ({unknown['why'].iloc[0]})" if len(unknown) else ""
    return (
        f"{question}: {good} of {len(series)} series within budget{reasons}" if len(series) else f"{question}: no data"
    )


# --- the questions ---


def bias_report(
    errors: pd.DataFrame, references: References, *, pages_a_year: float, as_of: date | None = None
) -> ControlReport:
    """Means of predictions against means of actuals; what is measured is `y_hat - y` in the series' unit.

    Args:
        errors: rows of `FORECAST_ERRORS`.
        references: by series, of the champion's backtest.
    """
    return _answer("bias", BIAS, errors, references, _standardised, _bias, pages_a_year, as_of)


def rmse_report(
    errors: pd.DataFrame, references: References, *, pages_a_year: float, as_of: date | None = None
) -> ControlReport:
    """RMSE against the backtest's of the same season and step bucket; what is measured is their ratio."""
    return _answer("RMSE to the backtest's", RMSE, errors, references, _standardised, _ratio, pages_a_year, as_of)


def coverage_report(
    errors: pd.DataFrame, references: References, *, pages_a_year: float, as_of: date | None = None
) -> ControlReport:
    """Share of actuals inside the 80 % interval, against the backtest's."""
    return _answer("coverage of 80 %", COVERAGE, errors, references, _misses, _coverage, pages_a_year, as_of)


def naive_report(
    errors: pd.DataFrame, references: References, *, pages_a_year: float, as_of: date | None = None
) -> ControlReport:
    """Whether the better of the two naive forecasts is beaten; what is measured is 1 - MAE / its MAE.

    The claim fails where forecasts are clearly behind naive, not where their lead only shrank.
    """
    as_good = {uid: _no_better_than_naive(reference) for uid, reference in references.items()}
    return _answer("skill against naive", NAIVE, errors, as_good, _behind_naive, _skill, pages_a_year, as_of)


def churn_report(
    forecasts: pd.DataFrame, references: References, *, pages_a_year: float, as_of: date | None = None
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
    return judge("churn of forecasts", CHURN, measured, pages_a_year=pages_a_year, as_of=as_of)


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


def watermark(observations: pd.DataFrame) -> date | None:
    """The day up to which actuals are complete: the oldest of the series' newest days; None without any.

    Args:
        observations: `unique_id` and `ds` of what is known. A series that has ended is not waited for.

    >>> rows = [("a", "2023-07-05"), ("b", "2023-07-03"), ("gone", "2023-01-01")]
    >>> frame = pd.DataFrame(rows, columns=["unique_id", "ds"]).assign(ds=lambda f: pd.to_datetime(f["ds"]))
    >>> str(watermark(frame))
    '2023-07-03'
    """
    known = last_days(observations)
    return known.loc[~known["ended"], "last"].min().date() if len(known) else None


# --- what they are made of ---


def _answer(
    question: str,
    chart: Chart,
    errors: pd.DataFrame,
    references: References,
    values: Callable[[pd.DataFrame, SeriesReference], "pd.Series[float]"],
    measure: Callable[[pd.DataFrame, SeriesReference | None], float],
    pages_a_year: float,
    as_of: date | None,
) -> ControlReport:
    streams = {}
    for unique_id, rows in forecasts_of_record(errors).groupby("unique_id", sort=True):
        reference = references.get(str(unique_id))
        daily = _daily(rows["ds"], values(rows, reference)) if reference is not None else _no_days(rows)
        measures = {window: measure(_newest(rows, window), reference) for window in WINDOWS}
        streams[str(unique_id)] = _stream(chart, daily, reference, measures)
    return judge(question, chart, streams, pages_a_year=pages_a_year, as_of=as_of)


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
    unit: Floats = reference.rmse[season_of(ds), bucket_of(step)]
    return unit


def _standardised(rows: pd.DataFrame, reference: SeriesReference) -> "pd.Series[float]":
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
    return float(np.sqrt((_standardised(rows, reference) ** 2).mean())) if reference is not None else float("nan")


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
