"""Events of one's own, as a person declares them: a sale, a local holiday, with the days before and after.

An event becomes columns of the input frame like those of a plan (`KnownByTargetDay`): 1 on its days, else 0, on the
cutoff day and on each day ahead. They follow from the declaration and the day alone, so no feed brings them and nothing
can leak: what is declared of days to come is a plan.
"""

from calendar import isleap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.covariates.exogenous import (
    MAX_DAYS_AHEAD,
    KnownByTargetDay,
)
from forecasting_platform.forecasting.series.days.calendar import public_holidays
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES

PREFIX = "event: "
"""Begins the name of each column of an event."""

MAX_WINDOW_DAYS = 30
Part = Literal["", "before ", "after "]


@dataclass(frozen=True, slots=True)
class Event:
    """Days of one event. Several of one name are one event, such as one of other days in other series.

    Attributes:
        days: single days.
        every: days of each year, such as `12-06`.
        holidays_of: a country, or a part of one, whose public holidays are its days.
        days_before, days_after: how many days around each are told apart from others.
        unique_id: the series that it is of; empty for every series.
    """

    name: str
    days: tuple[date, ...] = ()
    every: tuple[str, ...] = ()
    holidays_of: str = ""
    days_before: int = 0
    days_after: int = 0
    unique_id: tuple[str, ...] = ()

    def is_of(self, unique_ids: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Which series have it; shape (S,)."""
        return np.array([not self.unique_id or name in self.unique_id for name in unique_ids], dtype=bool)

    def holds(self, part: Part, days: Days) -> npt.NDArray[np.bool_]:
        """Which days are its own, before it or after it; of the shape of `days`."""
        if not days.size:
            return np.zeros(days.shape, dtype=bool)
        around = MAX_WINDOW_DAYS
        first, last = days.min() - around, days.max() + around
        own = np.zeros((last - first).astype(int) + 1, dtype=bool)
        own[(_days_between(self, first, last) - first).astype(int)] = True
        if part:
            count, back = (self.days_before, -1) if part == "before " else (self.days_after, 1)
            shifted = [np.roll(own, back * by) for by in range(1, count + 1)]
            own = np.logical_or.reduce([np.zeros_like(own), *shifted]) & ~own
        found: npt.NDArray[np.bool_] = own[(days - first).astype(int)]
        return found


def _days_between(event: Event, first: np.datetime64, last: np.datetime64) -> Days:
    years = range(
        *(int(day.astype("datetime64[Y]").astype(int)) + 1970 + more for day, more in ((first, 0), (last, 1)))
    )
    yearly = [f"{year}-{day}" for year in years for day in event.every if day != "02-29" or isleap(year)]
    public = [day for year in years for day in _holidays(event.holidays_of, year)] if event.holidays_of else []
    every = np.array([*event.days, *yearly, *public], dtype="datetime64[D]")
    return every[(every >= first) & (every <= last)]


@lru_cache(maxsize=512)
def _holidays(country: str, year: int) -> tuple[date, ...]:
    return tuple(public_holidays(country, year))


@dataclass(frozen=True)
class Events:
    """All events of a recipe, in the order of its file."""

    each: tuple[Event, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.each)

    @cached_property
    def parts(self) -> tuple[tuple[str, Part], ...]:
        """The event and its days, those before, or those after, of each group of columns."""
        found: list[tuple[str, Part]] = []
        for name in dict.fromkeys(event.name for event in self.each):
            own = [event for event in self.each if event.name == name]
            found.append((name, ""))
            found += [(name, "before ")] if any(event.days_before for event in own) else []
            found += [(name, "after ")] if any(event.days_after for event in own) else []
        return tuple(found)

    @property
    def declared(self) -> tuple[KnownByTargetDay, ...]:
        """What their columns are declared by."""
        return tuple(KnownByTargetDay(f"{PREFIX}{part}{name}", days_ahead=MAX_DAYS_AHEAD) for name, part in self.parts)

    def values(self, unique_ids: Sequence[str], days: Days, horizon: int) -> Floats:
        """The values of their columns in series and consecutive days; shape (S, D, columns), 0 or 1."""
        ahead = min(horizon, MAX_DAYS_AHEAD)
        reached = np.arange(days[0], days[-1] + ahead + 1)
        found = [self._holds(name, part, unique_ids, reached[None]) for name, part in self.parts]
        columns = [is_day[:, step : step + len(days)] for is_day in found for step in range(ahead + 1)]
        return np.stack(columns, axis=2).astype(float)

    def fill_rows(
        self, features: Floats, exogenous: Sequence[str], unique_ids: Sequence[str], days: Days, horizon: int
    ) -> Floats:
        """Feature rows with the values of their columns.

        Args:
            features: `FEATURE_NAMES`, then the exogenous columns; shape (n, F + E).
            exogenous: names of these.
            unique_ids: of each row.
            days: of each row; shape (n,).
        """
        if not self.each:
            return features
        filled = features.copy()
        targets = days.astype("datetime64[D]")[:, None] + np.arange(min(horizon, MAX_DAYS_AHEAD) + 1).astype("m8[D]")
        for (name, part), declared in zip(self.parts, self.declared, strict=True):
            is_day = self._holds(name, part, unique_ids, targets)
            place = [len(FEATURE_NAMES) + exogenous.index(column) for column in declared.columns(horizon)]
            filled[:, place] = is_day
        return filled

    def unknown_series(self, unique_ids: Iterable[str]) -> list[str]:
        """The series that an event names and that there are none of, sorted."""
        return sorted({name for event in self.each for name in event.unique_id} - set(unique_ids))

    def without_days(self, first: date, last: date) -> list[str]:
        """The events that have no day in a range: nothing can be learned of them."""
        days = np.arange(np.datetime64(first), np.datetime64(last) + 1)
        known = {event.name for event in self.each if event.holds("", days).any()}
        return [name for name in dict.fromkeys(event.name for event in self.each) if name not in known]

    def to_document(self) -> list[dict[str, Any]]:
        """JSON-ready; what has its default is left out."""
        return [_document(event) for event in self.each]

    @classmethod
    def from_document(cls, document: Sequence[Mapping[str, Any]]) -> "Events":
        """The inverse of `to_document`."""
        return cls(tuple(_event(found) for found in document))

    def _holds(self, name: str, part: Part, unique_ids: Sequence[str], days: Days) -> npt.NDArray[np.bool_]:
        """Which days are of the part of an event; shape (S, D), of `days` with shape (S, D) or (1, D)."""
        found = np.zeros((len(unique_ids), days.shape[1]), dtype=bool)
        for event in self.each:
            if event.name == name:
                found |= event.is_of(unique_ids)[:, None] & event.holds(part, days)
        return found


NO_EVENTS = Events()


def _document(event: Event) -> dict[str, Any]:
    own = {
        "days": [day.isoformat() for day in event.days],
        "every": list(event.every),
        "holidays_of": event.holidays_of,
        "days_before": event.days_before,
        "days_after": event.days_after,
        "unique_id": list(event.unique_id),
    }
    return {"name": event.name, **{name: value for name, value in own.items() if value}}


def _event(document: Mapping[str, Any]) -> Event:
    days = tuple(date.fromisoformat(day) for day in document.get("days", ()))
    lists = {name: tuple(document.get(name, ())) for name in ("every", "unique_id")}
    return Event(**{**document, "days": days, **lists})


def is_event(column: str) -> bool:
    """Whether an exogenous column is of an event."""
    return column.startswith(PREFIX)
