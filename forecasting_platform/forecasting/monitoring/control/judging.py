"""Judges the daily values of many series by their charts: each good, bad or unknown, alone or together with others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.monitoring.control.charts import Chart, Judged, Reference, judge_each
from forecasting_platform.forecasting.monitoring.control.report import (
    CONTROL_DAYS,
    DAILY_COLUMNS,
    MAX_AGE_DAYS,
    MIN_DAYS,
    SERIES_COLUMNS,
    WINDOWS,
    ControlReport,
    summarise,
)
from forecasting_platform.forecasting.monitoring.control.shared_budget import (
    SharedThresholds,
    find_moved_together,
    share_budget,
)
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars

EPOCH = np.datetime64("1970-01-01")


@dataclass(frozen=True, slots=True)
class Streams:
    """Many series as a chart sees them.

    Attributes:
        unique_ids: S series, ascending.
        series, days, values: of each value the position of its series, its day and itself; shape (N,), ordered by
            series and day.
        references: of each series; None where there is nothing to compare with, `why` then says why.
        measures: what a person wants to know of the newest 7, 28 and 90 days; shape (S, 3).
        left_out: series and day of what has come and judges nothing, since it is not normal; shapes (M,).
    """

    unique_ids: Sequence[str]
    series: npt.NDArray[np.int64]
    days: Days
    values: Floats
    references: Sequence[Reference | None]
    measures: Floats
    why: Sequence[str]
    left_out: tuple[npt.NDArray[np.int64], Days] = (np.empty(0, np.int64), np.empty(0, "datetime64[D]"))

    def after(self, day: np.datetime64) -> "Streams":
        """With only the values after a day."""
        chosen, (series, days) = self.days > day, self.left_out
        return replace(
            self,
            series=self.series[chosen],
            days=self.days[chosen],
            values=self.values[chosen],
            left_out=(series[days > day], days[days > day]),
        )

    def count_left_out(self) -> npt.NDArray[np.int64]:
        """How many days of each series are left out; shape (S,)."""
        return np.bincount(self.left_out[0], minlength=len(self.unique_ids))


def judge_streams(
    question: str,
    chart: Chart,
    streams: Streams,
    *,
    pages_a_year: float,
    as_of: date | None = None,
    calendars: Calendars = DAILY,
) -> ControlReport:
    """Each stream's state at the end of `as_of` (by default of the newest day of any stream).

    Args:
        question: what is asked, for the summary.
        pages_a_year: how many false pages all series together may send in a year.
        calendars: the days on which values of each series are due.
    """
    # A day that is left out has come all the same: what is known before it grows old.
    come = np.concatenate([streams.days, streams.left_out[1]])
    newest = come.max() if len(come) else EPOCH
    end = np.datetime64(as_of, "D") if as_of is not None else newest
    recent = streams.after(end - CONTROL_DAYS)
    counts = np.bincount(recent.series, minlength=len(recent.unique_ids))
    why = _why_unknown(recent, counts, end, calendars)
    judged = np.flatnonzero([not said for said in why])
    # Of each value of a judged series its row among them, and how many values are before it.
    row_of = np.full(len(why), -1)
    row_of[judged] = np.arange(len(judged))
    starts = np.cumsum(counts) - counts
    shown = row_of[recent.series] >= 0
    rows, columns = row_of[recent.series[shown]], (np.arange(len(shown)) - starts[recent.series])[shown]
    # One rectangle, filled from the left, so that the charts of all series are computed side by side.
    values = np.zeros((len(judged), int(counts[judged].max(initial=1))))
    values[rows, columns] = recent.values[shown]
    references = [of for position in judged.tolist() if (of := recent.references[position]) is not None]
    shared = share_budget(references, _shares(recent, judged, calendars), pages_a_year)
    alone, together = (
        judge_each(chart, references, values, counts[judged], of) for of in (shared.alone, shared.together)
    )
    verdicts = _judge_together(alone, together, shared, partial(_begins, recent.days, starts[judged]))

    series = _unknown(recent, counts, why)
    series["state"][judged] = np.where(verdicts.paging, "bad", "good")
    series["day_before"][judged] = np.where(verdicts.was_paging, "bad", "good")
    series["threshold"][judged] = verdicts.thresholds
    series["evidence"][judged] = verdicts.evidence[np.arange(len(judged)), counts[judged] - 1]
    grows = ~np.isnat(verdicts.since)
    series["since"][judged[grows]] = verdicts.since[grows].astype(str)
    daily = {
        "unique_id": series["unique_id"][recent.series[shown]],
        "ds": recent.days[shown].astype("datetime64[ns]"),
        "value": recent.values[shown],
        "evidence": verdicts.evidence[rows, columns],
        "threshold": verdicts.thresholds[rows],
    }
    table = pd.DataFrame(series, columns=SERIES_COLUMNS)
    summary = summarise(question, table, pages_a_year)
    return ControlReport(table, pd.DataFrame(daily, columns=DAILY_COLUMNS), summary, question)


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """Of each judged series; shape (S,), `evidence` of each of its values."""

    paging: npt.NDArray[np.bool_]
    was_paging: npt.NDArray[np.bool_]
    thresholds: Floats
    since: Days
    evidence: Floats


def _judge_together(
    alone: Judged, together: Judged, shared: SharedThresholds, begins: Callable[[npt.NDArray[np.int64]], Days]
) -> _Verdicts:
    """A series pages by its own evidence, or as one of many that moved within a week, for which less is needed."""
    began = begins(together.since)
    moved, moved_before = (find_moved_together(of, began, shared.many) for of in (together.paging, together.was_paging))
    only_moved = moved & ~alone.paging
    thresholds = np.where(only_moved, shared.together, shared.alone)
    return _Verdicts(
        alone.paging | moved,
        alone.was_paging | moved_before,
        thresholds,
        np.where(only_moved, began, begins(alone.since)),
        # Shown up to the threshold that paged; a chart by itself goes on to its own, which may be higher.
        np.minimum(alone.evidence, thresholds[:, None]),
    )


def _why_unknown(
    streams: Streams, counts: npt.NDArray[np.int64], end: np.datetime64, calendars: Calendars
) -> list[str]:
    """Why each series cannot be judged; empty of one that can."""
    why = [said if of is None else "" for of, said in zip(streams.references, streams.why, strict=True)]
    for position, said in _immature(streams, counts, end, calendars):
        why[position] = why[position] or said
    left_out = zip(why, streams.count_left_out().tolist(), strict=True)
    return [f"{said}; {days} more are left out as not normal" if said and days else said for said, days in left_out]


def _unknown(streams: Streams, counts: npt.NDArray[np.int64], why: Sequence[str]) -> dict[str, Any]:
    """The columns of `ControlReport.series`, as if none could be judged."""
    return {
        "unique_id": np.array(streams.unique_ids, dtype=object),
        "state": np.full(len(why), "unknown", dtype=object),
        "day_before": np.full(len(why), "unknown", dtype=object),
        "days": counts,
        "evidence": np.full(len(why), np.nan),
        "threshold": np.full(len(why), np.nan),
        "since": np.full(len(why), None, dtype=object),
        **{f"value_{window}": streams.measures[:, at] for at, window in enumerate(WINDOWS)},
        "why": np.array(why, dtype=object),
        "left_out": streams.count_left_out(),
    }


def _immature(
    streams: Streams, counts: npt.NDArray[np.int64], end: np.datetime64, calendars: Calendars
) -> Iterator[tuple[int, str]]:
    """The series of which too few or too old days have matured, and why they are unknown."""
    for position in np.flatnonzero(counts < MIN_DAYS):
        yield int(position), f"{counts[position]} of the {MIN_DAYS} days needed have matured"
    enough = np.flatnonzero(counts >= MIN_DAYS)
    newest = streams.days[np.cumsum(counts)[enough] - 1]
    covered = calendars.covered_until([streams.unique_ids[position] for position in enough.tolist()], newest)
    for at in np.flatnonzero((end - covered).astype(np.int64) > MAX_AGE_DAYS):
        yield int(enough[at]), f"its newest matured day is {(end - newest[at]).astype(np.int64)} days old"


def _shares(streams: Streams, judged: npt.NDArray[np.int64], calendars: Calendars) -> Floats:
    """The share of days on which a value of each judged series is due."""
    shares = np.empty(len(judged))
    for due, positions in calendars.groups([streams.unique_ids[position] for position in judged.tolist()]):
        shares[positions] = due.share_of_weekdays
    return shares


def _begins(days: Days, starts: npt.NDArray[np.int64], since: npt.NDArray[np.int64]) -> Days:
    """The day on which the evidence of each judged series began to grow, NaT without evidence."""
    begins = np.full(len(since), np.datetime64("NaT"), dtype="datetime64[D]")
    grows = since >= 0
    begins[grows] = days[starts[grows] + since[grows]]
    return begins
