"""The calendar of each series, where several feeds come together: a value that is handed on and stored as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.series.arrays import Days
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import EVERY_DAY, ClosedDaysAre, DueDays


@dataclass(frozen=True, slots=True)
class SeriesCalendar:
    """The calendar of some series.

    Attributes:
        names: of the series; None for all whose name begins with `prefix`.
    """

    due: DueDays
    names: frozenset[str] | None = None
    prefix: str = ""

    def owns(self, unique_id: str) -> bool:
        """Whether a series has this calendar."""
        return unique_id.startswith(self.prefix) if self.names is None else unique_id in self.names


@dataclass(frozen=True, slots=True)
class Calendars:
    """The calendar of each series: the first that owns it, and every day of one that none owns."""

    each: tuple[SeriesCalendar, ...] = ()

    @property
    def is_every_day(self) -> bool:
        """Whether no series has a closed day."""
        return all(found.due.is_every_day for found in self.each)

    def of(self, unique_id: str) -> DueDays:
        """The calendar of a series."""
        return next((found.due for found in self.each if found.owns(unique_id)), EVERY_DAY)

    def groups(self, unique_ids: Sequence[str]) -> list[tuple[DueDays, npt.NDArray[np.int64]]]:
        """The calendars of some series, each once, with the positions of its series, ascending.

        >>> weekly = DueDays(weekdays=(4,))
        >>> [at.tolist() for _, at in Calendars((SeriesCalendar(weekly, prefix="w"),)).groups(["a", "wa", "b"])]
        [[0, 2], [1]]
        """
        found: dict[DueDays, list[int]] = {}
        for position, unique_id in enumerate(unique_ids):
            found.setdefault(self.of(unique_id), []).append(position)
        return [(due, np.array(positions, dtype=np.int64)) for due, positions in found.items()]

    def is_due(self, unique_ids: Sequence[str], days: Days) -> npt.NDArray[np.bool_]:
        """Whether a value of each series is due on each day; shape (S, T)."""
        due = np.ones((len(unique_ids), len(days)), dtype=bool)
        if not self.is_every_day:
            for calendar, positions in self.groups(unique_ids):
                due[positions] = calendar.is_due(days)
        return due

    def closed_rows(
        self, unique_ids: Sequence[str] | npt.NDArray[np.object_], days: Days, kind: ClosedDaysAre | None = None
    ) -> npt.NDArray[np.bool_]:
        """Whether no value is due in each row of a series and a day; shape (n,).

        Args:
            kind: only those rows whose closed days are left out, or 0.
        """
        closed = np.zeros(len(days), dtype=bool)
        if self.is_every_day or not len(days):
            return closed
        names, codes = np.unique(np.asarray(unique_ids, dtype=object).astype(str), return_inverse=True)
        for calendar, positions in self.groups(names.tolist()):
            if kind in {None, calendar.closed_days_are}:
                own = np.isin(codes, positions)
                closed[own] = ~calendar.is_due(days[own])
        return closed

    def closed_for_all(self, period: DateRange) -> frozenset[date]:
        """The days of a period on which no series has a value."""
        if not self.each:
            return frozenset()
        days = np.arange(np.datetime64(period.start), np.datetime64(period.end) + 1)
        due = np.logical_or.reduce([found.due.is_due(days) for found in self.each])
        return frozenset(days[~due].tolist())

    def covered_until(self, unique_ids: Sequence[str], days: Days) -> Days:
        """Of the last day of each series, until when nothing else is expected; shape (S,)."""
        if self.is_every_day:
            return days
        covered = days.copy()
        for calendar, positions in self.groups(unique_ids):
            covered[positions] = calendar.covered_until(days[positions])
        return covered

    def newest_complete(self, unique_ids: Sequence[str], moment: datetime) -> Days:
        """The newest complete day of each series; shape (S,)."""
        return np.array([self.of(unique_id).newest_complete(moment) for unique_id in unique_ids], dtype="datetime64[D]")

    def to_document(self) -> list[dict[str, Any]]:
        """JSON-ready."""
        return [
            {
                "names": None if found.names is None else sorted(found.names),
                "prefix": found.prefix,
                "due_days": found.due.to_document(),
            }
            for found in self.each
        ]

    @classmethod
    def from_document(cls, document: Sequence[Mapping[str, Any]]) -> "Calendars":
        """The inverse of `to_document`."""
        return cls(
            tuple(
                SeriesCalendar(
                    DueDays.from_document(found["due_days"]),
                    None if found["names"] is None else frozenset(found["names"]),
                    found["prefix"],
                )
                for found in document
            )
        )


DAILY = Calendars()
"""Every day of every series."""


def without_zeros_of_closed_days(observations: pd.DataFrame, calendars: Calendars) -> pd.DataFrame:
    """The observations but the zeros of closed days that are forecast as 0: they say no more than the calendar does."""
    if calendars.is_every_day:
        return observations
    days = observations["ds"].to_numpy().astype("datetime64[D]")
    closed = calendars.closed_rows(observations["unique_id"].tolist(), days, "zero")
    return observations[~(closed & (observations["y"].to_numpy() == 0))].reset_index(drop=True)
