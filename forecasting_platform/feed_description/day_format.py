"""How a feed writes a day, and the moment of a row within it. Pure: text in, moments out.

A format is written with the directives of strptime, as in the Frictionless standards (`%d/%m/%Y`), or with `dd`, `mm`
and `yyyy`. It must match the whole text: a day is never guessed. `...` at its end stands for any text, such as the end
of an interval.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Self

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if number}
_SHORT_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if number}

_DIRECTIVES = {
    "Y": r"(?P<year>[0-9]{4})",
    "y": r"(?P<short_year>[0-9]{2})",
    "m": r"(?P<month>[0-9]{1,2})",
    "d": r"(?P<day>[0-9]{1,2})",
    "j": r"(?P<day_of_year>[0-9]{1,3})",
    "b": rf"(?P<short_month>{'|'.join(_SHORT_MONTHS)})",
    "B": rf"(?P<month_name>{'|'.join(_MONTHS)})",
    "H": r"(?P<hour>[0-9]{1,2})",
    "I": r"(?P<half_day_hour>[0-9]{1,2})",
    "M": r"(?P<minute>[0-9]{2})",
    "S": r"(?P<second>[0-9]{2})",
    "f": r"(?P<fraction>[0-9]{1,9})",
    "p": r"(?P<half>[ap]\.?m\.?)",
    "z": r"(?P<offset>Z|UTC|[+-][0-9]{2}:?[0-9]{2})",
    "a": rf"(?:{'|'.join(calendar.day_abbr)})",
    "A": rf"(?:{'|'.join(calendar.day_name)})",
    "%": "%",
}
_WORDS = {"yyyy": r"(?P<year>[0-9]{4})", "mm": r"(?P<month>[0-9]{2})", "dd": r"(?P<day>[0-9]{2})"}
_ANYTHING = "..."
_UNIX = {"unix": 1, "unix_ms": 1000}
_IS_A_DAY = ({"day", "month"}, {"day", "short_month"}, {"day", "month_name"}, {"day_of_year"})


@dataclass(frozen=True, slots=True)
class DayFormat:
    """A declared format.

    >>> DayFormat.compile("dd/mm/yyyy").moment("01/02/2018")
    datetime.datetime(2018, 2, 1, 0, 0)
    >>> DayFormat.compile("%Y-%m-%d %H:%M - ...").moment("2018-01-02 23:00 - 2018-01-03 00:00")
    datetime.datetime(2018, 1, 2, 23, 0)
    >>> DayFormat.compile("%Y-%m-%d").moment("2018-13-01") is None
    True
    >>> DayFormat.compile("%Y-%m-%dT%H:%M%z").moment("2018-01-02T03:04+02:00").isoformat()
    '2018-01-02T03:04:00+02:00'

    Attributes:
        declared: as written in the description.
        pattern: what a text must match; None of `unix` and `unix_ms`.
    """

    declared: str
    pattern: re.Pattern[str] | None

    @classmethod
    def compile(cls, declared: str) -> Self:
        """The format that `declared` describes: strptime's directives, `dd`, `mm`, `yyyy`, `unix` or `unix_ms`.

        `...` at the end stands for any text.

        Raises:
            ValueError: a directive is unknown or occurs twice, or the parts make no day.
        """
        if declared in _UNIX:
            return cls(declared, None)
        read = declared.removesuffix(_ANYTHING)
        known = _DIRECTIVES if "%" in declared else _WORDS
        split = r"%(.)" if "%" in declared else "(yyyy|mm|dd)"
        pieces = re.split(split, read)
        unknown = [piece for piece in pieces[1::2] if piece not in known]
        parts = {name for piece in pieces[1::2] for name in re.findall(r"\?P<(\w+)>", known.get(piece, ""))}
        if unknown or ("%" not in declared and re.search(r"\w", "".join(pieces[::2]))):
            raise ValueError(_problem(declared))
        has_year = len(parts & {"year", "short_year"}) == 1
        if not has_year or not any(day <= parts for day in _IS_A_DAY) or len(set(pieces[1::2])) < len(pieces[1::2]):
            raise ValueError(_problem(declared))
        text = "".join(known[piece] if place % 2 else re.escape(piece) for place, piece in enumerate(pieces))
        # Separate directives need no separator between them only where their digits are all there.
        if re.search(r"%[Ymdj]%[mdjHMS]", declared):
            text = text.replace("{1,2}", "{2}").replace("{1,3}", "{3}")
        return cls(declared, re.compile(text + (".*" if read != declared else ""), re.IGNORECASE))

    @property
    def has_time(self) -> bool:
        """Whether a text names a moment of the day, and not only the day."""
        return self.pattern is None or bool({"hour", "half_day_hour"} & set(self.pattern.groupindex))

    @property
    def has_offset(self) -> bool:
        """Whether a text says its distance from UTC, so that it needs no time zone to be understood."""
        return self.pattern is None or "offset" in self.pattern.groupindex

    @property
    def may_be_swapped(self) -> bool:
        """Whether day and month are both digits and the year is not before them, so that each may be the other."""
        if self.pattern is None or not {"day", "month"} <= set(self.pattern.groupindex):
            return False
        at = self.pattern.groupindex
        year = at.get("year", at.get("short_year", 0))
        return not year < at["month"] < at["day"]

    def moment(self, text: str) -> datetime | None:
        """The moment a text names (midnight where it names a day only; aware where it says an offset), or None."""
        return self._moment(text, "month", "day")

    def swapped(self, text: str) -> date | None:
        """The day that a text names with day and month the other way round; None where it is none."""
        found = (
            self._moment(text, "day", "month")
            if self.pattern and {"day", "month"} <= set(self.pattern.groupindex)
            else None
        )
        return found.date() if found else None

    def _moment(self, text: str, month: str, day: str) -> datetime | None:
        try:
            if self.pattern is None:
                return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(text) / _UNIX[self.declared])
            found = self.pattern.fullmatch(text.strip())
            return _moment_of(found.groupdict(), month, day) if found else None
        except (ValueError, OverflowError):
            return None


def _moment_of(parts: dict[str, str], month: str, day: str) -> datetime:
    year = int(parts["year"]) if "year" in parts else _century(int(parts["short_year"]))
    if "day_of_year" in parts:
        number = int(parts["day_of_year"])
        named = datetime(year, 1, 1) + timedelta(days=number - 1)  # noqa: DTZ001 # of the feed's own clock
        if number < 1 or named.year != year:
            raise ValueError(number)
    else:
        named = datetime(year, _month_of(parts, month), int(parts[day]))  # noqa: DTZ001 # of the feed's own clock
    if "hour" not in parts and "half_day_hour" not in parts:
        return named
    hour = int(parts.get("hour", 0))
    if "half_day_hour" in parts:
        hour = int(parts["half_day_hour"]) % 12 + 12 * parts.get("half", "a").lower().startswith("p")
    minute, second = int(parts.get("minute", 0)), int(parts.get("second", 0))
    microsecond = int(parts.get("fraction", "0").ljust(6, "0")[:6])
    # 24:00 is the end of the day, as many feeds of intervals write it.
    next_day = timedelta(days=1) if hour == 24 and not minute and not second else timedelta()
    moment = named.replace(hour=hour % 24 if next_day else hour, minute=minute, second=second, microsecond=microsecond)
    return (moment + next_day).replace(tzinfo=_offset_of(parts["offset"]) if "offset" in parts else None)


def _month_of(parts: dict[str, str], numeric: str) -> int:
    if "short_month" in parts:
        return _SHORT_MONTHS[parts["short_month"].lower()]
    return _MONTHS[parts["month_name"].lower()] if "month_name" in parts else int(parts[numeric])


def _century(short_year: int) -> int:
    """The year of two digits, as POSIX has it: 69 to 99 are of the last century."""
    return short_year + (1900 if short_year >= 69 else 2000)


def _offset_of(text: str) -> timezone:
    if text.upper() in {"Z", "UTC"}:
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


def _problem(declared: str) -> str:
    return (
        f"{declared!r} is no format of a day; write dd, mm and yyyy once each (dd/mm/yyyy), strptime's directives "
        "(%d/%m/%Y, %Y-%m-%dT%H:%M), unix or unix_ms; ... at the end stands for any text"
    )
