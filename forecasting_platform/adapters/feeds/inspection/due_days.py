"""Infers on which days a feed has values: the calendar that explains the days without one. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import pairwise

import holidays

from forecasting_platform.adapters.feeds.inspection.notes import Doubt, Found
from forecasting_platform.feed_description.parts import WEEKDAYS, Weekday
from forecasting_platform.forecasting.series.days.due_days import holidays_of_year

_YEARS_COMPARED = 12
_FIRST_CHOICES = ("XNYS", "XECB", "US", "GB", "DE", "FR", "IE")
"""Of calendars that explain the closed days equally well."""


@dataclass(frozen=True, slots=True)
class DueDays:
    """The calendar of a feed.

    Attributes:
        weekdays: on which values are due.
        holidays: the country or market on whose holidays none is; None for none.
        missing: due days of the span without a value.
        step_days: the usual distance of two values: 1, 7, or more of a feed that has fewer.
    """

    weekdays: tuple[Weekday, ...]
    holidays: str | None
    missing: tuple[date, ...]
    step_days: int
    found: tuple[Found, ...]
    doubts: tuple[Doubt, ...]


def find_due_days(days: Iterable[date]) -> DueDays:
    """The calendar of the days that have values; at least one."""
    there = sorted(set(days))
    step = step_days(there)
    possible = Counter(day.weekday() for day in _span(there[0], there[-1]))
    share = [
        count / possible[weekday] if possible[weekday] else 0.0
        for weekday in range(7)
        for count in [sum(day.weekday() == weekday for day in there)]
    ]
    due = tuple(weekday for weekday in range(7) if _is_due(share, weekday, step))
    if len(there) < 14 or not due or len(due) == 7:
        return _answer(tuple(range(7)), None, there, step, [], [])
    best = max(share)
    few = [day for day in there if day.weekday() not in due]
    doubts = (
        [Doubt("calendar", f"{len(few)} values are of other weekdays, such as {few[0]} ({few[0]:%A})")] if few else []
    )
    names = ", ".join(WEEKDAYS[weekday] for weekday in due)
    found = [
        Found("due days", names if len(due) != 5 else "business days", f"{best:.0%} of these weekdays have a value")
    ]
    if len(due) == 1:
        return _answer(due, None, there, step, found, doubts)
    closed = [day for day in _span(there[0], there[-1]) if day.weekday() in due and day not in set(there)]
    calendar, explained, runner_up = _explaining(closed, there)
    if calendar is not None:
        seen = f"explains {explained} of {len(closed)} closed days; {runner_up[0]} explains {runner_up[1]}"
        found.append(Found("holidays", calendar, seen))
        doubts.append(Doubt("calendar.holidays", f"{calendar} {seen}"))
    elif closed:
        doubts.append(
            Doubt("calendar.holidays", f"no country's or market's holidays explain {len(closed)} closed days")
        )
    return _answer(due, calendar, there, step, found, doubts)


def step_days(days: Iterable[date]) -> int:
    """The usual distance of two days; 1 of fewer than two.

    >>> step_days([date(2024, 3, 1), date(2024, 3, 15), date(2024, 3, 8)])
    7
    """
    there = sorted(set(days))
    steps = Counter((after - before).days for before, after in pairwise(there))
    return steps.most_common(1)[0][0] if steps else 1


def _answer(
    due: tuple[int, ...], calendar: str | None, there: list[date], step: int, found: list[Found], doubts: list[Doubt]
) -> DueDays:
    closed = _holidays_of(calendar, there[0].year, there[-1].year) if calendar else frozenset()
    have = set(there)
    missing = tuple(
        day for day in _span(there[0], there[-1]) if day.weekday() in due and day not in have and day not in closed
    )
    return DueDays(tuple(WEEKDAYS[weekday] for weekday in due), calendar, missing, step, tuple(found), tuple(doubts))


def _span(first: date, last: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _is_due(share: list[float], weekday: int, step: int) -> bool:
    return share[weekday] >= (0.6 if step < 7 else 0.5) * max(share) and share[weekday] > 0.05


def _explaining(closed: list[date], there: list[date]) -> tuple[str | None, int, tuple[str, int]]:
    """The calendar that explains the closed days best, how many, and the one that comes next."""
    newest = there[-1].year
    first = max(there[0].year, newest - _YEARS_COMPARED)
    compared = {day for day in closed if day.year >= first}
    have = {day for day in there if day.year >= first}
    if len(compared) < 2:
        return None, 0, ("", 0)
    scores = []
    for name in _calendars():
        days = _holidays_of(name, first, newest)
        hits, wrong = len(days & compared), len(days & have)
        place = _FIRST_CHOICES.index(name) if name in _FIRST_CHOICES else len(_FIRST_CHOICES)
        scores.append((hits - 2 * wrong, -place, name, hits))
    scores.sort(key=lambda score: (-score[0], -score[1]))
    best = scores[0]
    if best[0] < 0.5 * len(compared):
        return None, 0, ("", 0)
    every = _holidays_of(best[2], there[0].year, newest)
    others = ((name, _holidays_of(name, there[0].year, newest)) for *_, name, _ in scores[1:])
    runner_up = next((name, len(days & set(closed))) for name, days in others if days != every)
    return best[2], len(every & set(closed)), runner_up


@cache
def _calendars() -> tuple[str, ...]:
    markets = [code for code in holidays.list_supported_financial() if len(code) == 4]
    countries = [code for code in holidays.list_supported_countries(include_aliases=False) if len(code) == 2]
    return tuple(sorted({*markets, *countries}))


@cache
def _holidays_of(name: str, first: int, last: int) -> frozenset[date]:
    return frozenset(day for year in range(first, last + 1) for day in holidays_of_year(name, year).tolist())
