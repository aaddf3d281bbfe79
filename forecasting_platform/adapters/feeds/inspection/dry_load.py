"""Summarises what a load by a description would store: counts by series and month, missing due days. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np

from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.feed_description.due_days import due_days
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.ports.observation_feed import FeedDocument


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """What a document has of one series; its missing days are those between its first and last one."""

    unique_id: str
    values: int
    days: DateRange
    missing: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class DryLoad:
    """The result of a load that stores nothing.

    Attributes:
        series: by name.
        months: number of values, by month (`2024-05`) and then series.
        missing: due days from the first to the last one on which no series has a value.
        refused: rows and values.
    """

    values: int
    series: tuple[SeriesCount, ...]
    months: dict[str, dict[str, int]]
    days: DateRange | None
    missing: tuple[date, ...]
    refused: int


def dry_load(document: FeedDocument, description: FeedDescription) -> DryLoad:
    """Counts of what a document gives by its description."""
    due = due_days(description)
    values = document.observations.assign(day=document.observations["ds"].dt.date)
    months: dict[str, dict[str, int]] = {}
    for (month, name), rows in values.groupby([values["ds"].dt.strftime("%Y-%m"), "unique_id"], sort=True):
        months.setdefault(str(month), {})[str(name)] = len(rows)
    series = tuple(_count(str(name), rows["day"], due) for name, rows in values.groupby("unique_id", sort=True))
    days = DateRange(values["day"].min(), values["day"].max()) if len(values) else None
    missing = _missing(days, values["day"], due) if days else ()
    return DryLoad(len(values), series, months, days, missing, len(document.quarantined))


def _count(name: str, days: Iterable[date], due: DueDays) -> SeriesCount:
    there = sorted(days)
    reach = DateRange(there[0], there[-1])
    return SeriesCount(name, len(there), reach, _missing(reach, there, due))


def _missing(reach: DateRange, there: Iterable[date], due: DueDays) -> tuple[date, ...]:
    have = set(there)
    every = due.between(np.datetime64(reach.start, "D"), np.datetime64(reach.end, "D"))
    return tuple(day for day in every.tolist() if day not in have)
