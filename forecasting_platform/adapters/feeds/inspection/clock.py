"""Recognizes the clock of a feed's rows: time zone, minutes between rows, starts or ends of intervals. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from forecasting_platform.adapters.feeds.inspection.day_formats import of_utc_clock
from forecasting_platform.adapters.feeds.inspection.notes import Doubt, Found

_DAY_MINUTES = 1440
_COMMON_ZONES = (
    "UTC", "Europe/London", "Europe/Berlin", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Toronto", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Tokyo", "Asia/Shanghai",
    "Asia/Singapore", "Australia/Sydney", "Australia/Brisbane", "Pacific/Auckland", "Africa/Johannesburg",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClockFinding:
    """The clock of the rows.

    Attributes:
        time_zone: whose days the rows are of.
        every_minutes: from row to row within a day; None where a day has one row, or no regular step.
        rows_a_day: the usual number of rows of a day and series.
        stamp: `end` where a row names the end of what its value is of.
    """

    time_zone: str
    every_minutes: int | None
    rows_a_day: float
    stamp: str
    found: tuple[Found, ...]
    doubts: tuple[Doubt, ...]


def find_clock(moments: Sequence[datetime], *, has_time: bool, has_offset: bool, says_24: bool = False) -> ClockFinding:
    """The clock of the rows of one series.

    Args:
        moments: in any order; aware where the format has an offset.
        says_24: whether a row is of 24:00.
    """
    instants = sorted({of_utc_clock(moment) for moment in moments})
    days = {moment.date() for moment in moments}
    rows_a_day = len(instants) / max(len(days), 1)
    if not has_time:
        return ClockFinding("UTC", None, len(moments) / max(len(days), 1), "start", (), ())
    steps = Counter(int((after - before).total_seconds() // 60) for before, after in pairwise(instants))
    step, count = steps.most_common(1)[0] if steps else (_DAY_MINUTES, 0)
    # A feed with gaps still has one step in most places, and only one that divides a day is a clock's.
    is_regular = count >= 0.6 * sum(steps.values()) and 0 < step < _DAY_MINUTES and _DAY_MINUTES % step == 0
    within_day = is_regular or rows_a_day > 1.5
    zone, zone_found, zone_doubts = _zone(moments, within_day, has_offset, step if is_regular else None)
    if not within_day:
        return ClockFinding(zone, None, 1.0, "start", zone_found, zone_doubts)
    stamp, stamp_doubts = _stamp(moments, zone, step, says_24) if is_regular else ("start", ())
    step_found = Found(
        "rows", f"every {step} minutes" if is_regular else f"about {rows_a_day:.1f} a day, at no fixed step"
    )
    return ClockFinding(
        zone, step if is_regular else None, rows_a_day, stamp, (step_found, *zone_found), (*zone_doubts, *stamp_doubts)
    )


def _zone(
    moments: Sequence[datetime], within_day: bool, has_offset: bool, step: int | None
) -> tuple[str, tuple[Found, ...], tuple[Doubt, ...]]:
    if not has_offset:
        return _zone_of_clock_changes(moments, within_day, step)
    offsets = sorted({moment.utcoffset() or timedelta() for moment in moments})
    if not within_day:
        return _zone_of_midnights(moments)
    if offsets == [timedelta()]:
        if step is not None and (name := _zone_of_whole_days(moments, step)):
            why = f"the rows are in UTC, and begin and end at midnight in {name}: its days are taken"
            return name, (Found("time zone", name, why),), (Doubt("day.time_zone", why),)
        doubt = Doubt("day.time_zone", "the rows are in UTC, so the days are UTC's; name the zone whose days are meant")
        return "UTC", (), (doubt,)
    shown = " and ".join(f"{datetime.min.replace(tzinfo=timezone(each)):%z}" for each in offsets)
    zone = next((name for name in _zones() if _has_offsets(name, moments)), None)
    if zone is None:
        doubt = Doubt("day.time_zone", f"no zone has the offsets {shown} of these rows; their days are taken as UTC's")
        return "UTC", (), (doubt,)
    doubt = Doubt("day.time_zone", f"the offsets {shown} fit {zone}, and other zones too")
    return zone, (Found("time zone", zone, f"its clock has the offsets {shown} at these rows"),), (doubt,)


def _zone_of_midnights(moments: Sequence[datetime]) -> tuple[str, tuple[Found, ...], tuple[Doubt, ...]]:
    """One row a day with an offset: it is midnight in the zone whose days are meant."""
    times = {moment.astimezone(UTC).time() for moment in moments}
    midnights = [name for name in _zones() if _is_always_midnight(moments, name)]
    if len(times) == 1 and (time(0) in times or {moment.date() for moment in moments} == _days_in(moments, midnights)):
        return "UTC", (), ()
    if len(times) == 1 and midnights:
        why = f"each row is {times.pop():%H:%M} in UTC, which is the midnight before the next day in {midnights[0]}"
        return midnights[0], (), (Doubt("day.time_zone", why, ("UTC", midnights[0])),)
    if midnights:
        why = f"each row is midnight in {midnights[0]}"
        return (
            midnights[0],
            (Found("time zone", midnights[0], why),),
            (Doubt("day.time_zone", f"{why}, and in other zones"),),
        )
    for name in _zones():
        zone = ZoneInfo(name)
        if len({moment.astimezone(zone).time() for moment in moments}) == 1:
            why = f"each row is at {moments[0].astimezone(zone):%H:%M} in {name}; its days are taken"
            return name, (Found("time zone", name, why),), (Doubt("day.time_zone", why),)
    return "UTC", (), (Doubt("day.time_zone", "the rows are at differing times of the day; UTC's days are taken"),)


def _is_always_midnight(moments: Sequence[datetime], name: str) -> bool:
    zone = ZoneInfo(name)
    return all(moment.astimezone(zone).time() == time(0) for moment in moments)


def _days_in(moments: Sequence[datetime], names: Sequence[str]) -> set[date]:
    """The days of the moments in the first of the zones, or in UTC."""
    zone = ZoneInfo(names[0]) if names else UTC
    return {moment.astimezone(zone).date() for moment in moments}


def _zone_of_whole_days(moments: Sequence[datetime], step: int) -> str | None:
    """A zone other than UTC in which the rows are of whole days."""
    first, last = min(moments), max(moments) + timedelta(minutes=step)
    # Whole days of UTC need no other zone.
    if first.astimezone(UTC).time() == time(0):
        return None
    return next((name for name in _zones() if _is_always_midnight((first, last), name)), None)


def _zone_of_clock_changes(
    moments: Sequence[datetime], within_day: bool, step: int | None
) -> tuple[str, tuple[Found, ...], tuple[Doubt, ...]]:
    if not within_day:
        return "UTC", (), ()
    present, counts = set(moments), Counter(moments)
    # Longer steps may leap over the hour that a clock leaves out.
    if step is not None and step <= 60:
        for name in _COMMON_ZONES[1:]:
            gaps = _clock_changes(name, min(moments).year, max(moments).year)
            # Of a change at the edge of the document nobody knows whether the hour was left out or never there.
            inside = [change for change in gaps if min(moments) < change < max(moments) - timedelta(hours=3)]
            known = [change for change in inside if change - timedelta(minutes=step) in present]
            if known and not any(change in present for change in known):
                why = f"the hour from {known[0]:%Y-%m-%d %H:%M} is left out, as the clock does in {name}"
                return name, (Found("time zone", name, why),), (Doubt("day.time_zone", f"{why}, and in other zones"),)
    twice = sum(1 for count in counts.values() if count > 1)
    more = f"; {twice} moments stand there twice, as where a clock is put back" if twice else ""
    return "UTC", (), (Doubt("day.time_zone", f"no row says its zone; UTC is taken{more}"),)


@cache
def _clock_changes(name: str, first: int, last: int) -> tuple[datetime, ...]:
    """The first local moments that do not exist, one a spring."""
    zone, found = ZoneInfo(name), []
    at = datetime(first, 1, 1, tzinfo=UTC)
    while at.year <= last:
        before, after = at.astimezone(zone), (at + timedelta(hours=1)).astimezone(zone)
        # Spring: an hour that is left out is seen at once, one that is repeated may be a repeated row.
        if (after.utcoffset() or timedelta()) > (before.utcoffset() or timedelta()):
            found.append((before + timedelta(hours=1)).replace(tzinfo=None))
        at += timedelta(hours=1)
    return tuple(found)


@cache
def _zones() -> tuple[str, ...]:
    places = ("Europe/", "America/", "Asia/", "Australia/", "Africa/", "Pacific/", "Atlantic/", "Indian/")
    others = sorted(name for name in available_timezones() if name.startswith(places) and name not in _COMMON_ZONES)
    return (*_COMMON_ZONES, *others)


def _has_offsets(name: str, moments: Iterable[datetime]) -> bool:
    zone = ZoneInfo(name)
    return all(moment.astimezone(zone).utcoffset() == moment.utcoffset() for moment in moments)


def _stamp(moments: Sequence[datetime], name: str, step: int, says_24: bool) -> tuple[str, tuple[Doubt, ...]]:
    """`end` where a row is of 24:00, or not sure where the rows run from the first step of a day to a midnight."""
    if says_24:
        return "end", ()
    zone = ZoneInfo(name)
    local = [moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment for moment in moments]
    first, last = min(local), max(local)
    if first.hour * 60 + first.minute == step and last.time() == time(0) and last > first:
        why = (
            f"the rows run from {first:%H:%M} to midnight: do they name the start or the end of what their value is of?"
        )
        return "start", (Doubt("day.stamp", why, ("start", "end")),)
    return "start", ()
