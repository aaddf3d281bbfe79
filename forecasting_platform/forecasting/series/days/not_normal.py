"""Periods that somebody declared as not normal: a pandemic, an outage, a strike.

A day of such a period stays what it was: it is stored, shown, forecast, and a lag of later days. But nothing is learned
from it and nothing judged by it, neither as the day that is forecast nor as the day that a forecast is made from.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.arrays import Days

SETTING = "not_normal"
"""The key of the periods in a recipe and its file."""

MAX_TABLES_NAMED = 5


@dataclass(frozen=True, slots=True)
class NotNormalPeriod:
    """One period, both days inclusive.

    Attributes:
        unique_id: the series that it is of; empty for every series.
    """

    start: date
    end: date
    reason: str
    unique_id: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.start} to {self.end} ({self.reason})"

    def holds(self, days: Days) -> npt.NDArray[np.bool_]:
        """Which days lie in it; of the shape of `days`."""
        inside: npt.NDArray[np.bool_] = (days >= np.datetime64(self.start)) & (days <= np.datetime64(self.end))
        return inside

    def is_of(self, unique_id: str) -> bool:
        """Whether a series has it."""
        return not self.unique_id or unique_id in self.unique_id


@dataclass(frozen=True, slots=True)
class NotNormal:
    """All periods of a recipe, in the order of its file."""

    periods: tuple[NotNormalPeriod, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.periods)

    def __or__(self, other: "NotNormal") -> "NotNormal":
        """The periods of both, each once."""
        return NotNormal(tuple(dict.fromkeys((*self.periods, *other.periods))))

    def of(self, unique_id: str) -> list[NotNormalPeriod]:
        """Those of a series."""
        return [period for period in self.periods if period.is_of(unique_id)]

    def mask(self, unique_ids: Sequence[str], days: Days) -> npt.NDArray[np.bool_]:
        """Which days of each series are not normal; shape (S, T)."""
        found = np.zeros((len(unique_ids), len(days)), dtype=bool)
        for period in self.periods:
            own = np.array([period.is_of(unique_id) for unique_id in unique_ids], dtype=bool)
            found |= own[:, None] & period.holds(days)
        return found

    def rows(self, frame: pd.DataFrame, *columns: str) -> npt.NDArray[np.bool_]:
        """Which rows have a day that is not normal in any of some columns; shape (n,).

        Args:
            frame: `unique_id` and the columns of days.
        """
        found = np.zeros(len(frame), dtype=bool)
        if not self.periods or frame.empty:
            return found
        names = frame["unique_id"].to_numpy(dtype=object)
        days = [frame[column].to_numpy().astype("datetime64[D]") for column in columns]
        for period in self.periods:
            own = np.isin(names, np.array(period.unique_id, dtype=object)) if period.unique_id else True
            found |= own & np.logical_or.reduce([period.holds(of) for of in days])
        return found

    def unknown_series(self, unique_ids: Iterable[str]) -> list[str]:
        """The series that a period names and that there are none of, sorted."""
        return sorted({name for period in self.periods for name in period.unique_id} - set(unique_ids))

    def to_document(self) -> list[dict[str, Any]]:
        """JSON-ready; `unique_id` only where a period has some."""
        return [
            {"start": period.start.isoformat(), "end": period.end.isoformat(), "reason": period.reason}
            | ({"unique_id": list(period.unique_id)} if period.unique_id else {})
            for period in self.periods
        ]

    @classmethod
    def from_document(cls, document: Sequence[Mapping[str, Any]]) -> "NotNormal":
        """The inverse of `to_document`."""
        return cls(
            tuple(
                NotNormalPeriod(
                    date.fromisoformat(found["start"]),
                    date.fromisoformat(found["end"]),
                    found["reason"],
                    tuple(found.get("unique_id", ())),
                )
                for found in document
            )
        )


ALL_NORMAL = NotNormal()
"""No period."""


def not_normal_of(metadata: Mapping[str, Any]) -> NotNormal:
    """The periods of the recipe that a model was trained by.

    Args:
        metadata: of the model.
    """
    return NotNormal.from_document(metadata.get("recipe", {}).get(SETTING, ()))


def refuse_too_few_normal_days(
    not_normal: NotNormal, unique_ids: Sequence[str], days: Days, observed: npt.NDArray[np.bool_], least: int
) -> None:
    """Refuse periods that leave too little to learn from: of all days, or of those of a series that they name.

    A series that has too few for a period of every series does not stop the others: it counts as new.

    Args:
        days: T consecutive days.
        observed: which of them have a value; shape (S, T).
        least: how many days must be left.

    Raises:
        ConfigurationError: says which periods leave how many days of what.
    """
    if not not_normal:
        return
    normal = observed & ~not_normal.mask(unique_ids, days)
    if (left := int(normal.any(axis=0).sum())) < least <= len(days):
        raise ConfigurationError(SETTING, _too_few(not_normal, days, left, len(days), least))
    named = {name for period in not_normal.periods for name in period.unique_id}
    for position, unique_id in enumerate(unique_ids):
        left, known = int(normal[position].sum()), int(observed[position].sum())
        if unique_id in named and left < least <= known:
            raise ConfigurationError(SETTING, _too_few(not_normal, days, left, known, least, unique_id))


def _too_few(not_normal: NotNormal, days: Days, left: int, known: int, least: int, unique_id: str | None = None) -> str:
    of = not_normal.periods if unique_id is None else not_normal.of(unique_id)
    tables = [f"table {not_normal.periods.index(period) + 1}, {period}" for period in of if period.holds(days).any()]
    whose = "" if unique_id is None else f" of {unique_id!r}"
    return (
        f"leaves {left} of {known} days{whose} to learn from, at least {least} are needed; shorten or remove "
        + "; ".join(tables[:MAX_TABLES_NAMED])
    )
