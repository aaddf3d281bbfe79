"""A control question's answer: each series good, bad or unknown, from its daily values and its control chart.

A series is judged only by days whose actuals have come; until then, and without a reference to compare with, it is
unknown, which is neither good nor bad. The values of each question are made in `questions` and `drift`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.monitoring.control_charts import Chart, Reference, accumulate_evidence, is_paging
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.due_days import DueDays
from forecasting_platform.forecasting.series.series_calendars import DAILY, Calendars

WINDOWS = (7, 28, 90)
CONTROL_DAYS = 120
"""A chart starts this many days back, with no evidence."""
MIN_DAYS = 7
MAX_AGE_DAYS = 7
EPOCH = pd.Timestamp("1970-01-01")

State = Literal["good", "bad", "unknown"]

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
    why: str = "its model's backtest is too short, or has no errors"


def judge_streams(
    question: str,
    chart: Chart,
    streams: Mapping[str, Stream],
    *,
    pages_a_year: float,
    as_of: date | None = None,
    calendars: Calendars = DAILY,
) -> ControlReport:
    """Each stream's state at the end of `as_of` (by default of the newest day of any stream).

    Args:
        question: what is asked, for the summary.
        pages_a_year: how many false pages a series may send in a year.
        calendars: the days on which values of each series are due.
    """
    newest = (stream.daily["ds"].max() for stream in streams.values() if len(stream.daily))
    end = pd.Timestamp(as_of) if as_of is not None else max(newest, default=EPOCH)
    judged = [
        _judge_stream(unique_id, chart, stream, pages_a_year, end, calendars.of(unique_id))
        for unique_id, stream in sorted(streams.items())
    ]
    series = pd.DataFrame([row for row, _ in judged], columns=SERIES_COLUMNS)
    daily = [path for _, path in judged if len(path)]
    return ControlReport(
        series,
        pd.concat(daily, ignore_index=True) if daily else pd.DataFrame(columns=DAILY_COLUMNS),
        _summary(question, series, pages_a_year),
    )


def _judge_stream(
    unique_id: str, chart: Chart, stream: Stream, pages_a_year: float, end: pd.Timestamp, due: DueDays
) -> tuple[dict[str, Any], pd.DataFrame]:
    recent = stream.daily[stream.daily["ds"] > end - timedelta(days=CONTROL_DAYS)]
    row = dict.fromkeys(SERIES_COLUMNS) | {"unique_id": unique_id, "state": "unknown", "days": len(recent), "why": ""}
    row |= {f"value_{window}": stream.measures.get(window, float("nan")) for window in WINDOWS}
    row |= {"evidence": float("nan"), "threshold": float("nan"), "since": None}
    if stream.reference is None or (why := _immature(recent, end, due)):
        return row | {"why": stream.why if stream.reference is None else why}, pd.DataFrame(columns=DAILY_COLUMNS)
    # Thresholds are of 365 values: a year of a weekly series has a seventh of them.
    threshold = stream.reference.threshold(pages_a_year / due.share_of_weekdays)
    evidence = accumulate_evidence(chart, stream.reference, recent["value"].to_numpy(), threshold)
    path = recent.assign(unique_id=unique_id, evidence=evidence.max(axis=0), threshold=threshold)[DAILY_COLUMNS]
    return row | {
        "state": "bad" if is_paging(evidence, threshold) else "good",
        "evidence": float(evidence[:, -1].max()),
        "threshold": threshold,
        "since": _since(recent["ds"], evidence),
    }, path


def _immature(recent: pd.DataFrame, end: pd.Timestamp, due: DueDays) -> str:
    if len(recent) < MIN_DAYS:
        return f"{len(recent)} of the {MIN_DAYS} days needed have matured"
    newest = np.array([recent["ds"].max()], dtype="datetime64[D]")
    waiting = (end - pd.Timestamp(due.covered_until(newest)[0])).days
    age = (end - recent["ds"].max()).days
    return f"its newest matured day is {age} days old" if waiting > MAX_AGE_DAYS else ""


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
