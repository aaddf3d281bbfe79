"""Finds the formats in which a text may be a day. Pure.

One text is looked at alone; which format a column is written in is `days`'.
"""

import re
from datetime import UTC, datetime
from itertools import product

from forecasting_platform.feed_description.day_format import DayFormat

FIRST_YEAR = 1800
_MONTH = r"(?P<name>[A-Za-z]{3,9})\.?"
_DATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\d{4}(?P<s>[-/. ])\d{1,2}(?P=s)\d{1,2}", ("%Y{s}%m{s}%d", "%Y{s}%d{s}%m")),
    (r"\d{1,2}(?P<s>[-/. ])\d{1,2}(?P=s)\d{4}", ("%d{s}%m{s}%Y", "%m{s}%d{s}%Y")),
    (r"\d{1,2}(?P<s>[-/. ])\d{1,2}(?P=s)\d{2}", ("%d{s}%m{s}%y", "%m{s}%d{s}%y", "%y{s}%m{s}%d")),
    (rf"\d{{1,2}}(?P<s>[-/. ]|){_MONTH}(?P<r>[-/. ]|)\d{{4}}", ("%d{s}{month}{r}%Y",)),
    (rf"\d{{1,2}}(?P<s>[-/. ]|){_MONTH}(?P<r>[-/. ]|)\d{{2}}", ("%d{s}{month}{r}%y", "%y{s}{month}{r}%d")),
    (rf"{_MONTH} \d{{1,2}}(?P<s>,? )\d{{4}}", ("{month} %d{s}%Y",)),
    (rf"\d{{4}}(?P<s>[-/. ]|){_MONTH}(?P<r>[-/. ]|)\d{{1,2}}", ("%Y{s}{month}{r}%d",)),
    (r"\d{4}(?P<s>-)\d{3}", ("%Y-%j",)),
    (r"\d{8}", ("%Y%m%d", "%d%m%Y", "%m%d%Y")),
    (r"\d{7}", ("%Y%j",)),
    (r"\d{6}", ("%y%m%d", "%d%m%y", "%m%d%y")),
)
_WHOLE = {
    10: ("%Y%m%d%H", "unix"),
    9: ("unix",),
    12: ("%Y%m%d%H%M", "unix_ms"),
    13: ("unix_ms",),
    14: ("%Y%m%d%H%M%S",),
}
_WEEKDAY = r"(?P<weekday>(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*)(?P<after>,? )"
_BETWEEN = r" +(?:[-–—]|to|bis) +|--|[-–—/]"
"""Between the start and the end of an interval."""
_TIME = (
    r"(?P<t>[T ]| +- +)(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?(?::(?P<second>\d{2}))?(?P<fraction>\.\d{1,9})?"
    r"(?P<half> ?[AaPp]\.?[Mm]\.?)?(?P<gap> ?)(?P<offset>Z|UTC|[+-]\d{2}:?\d{2})?"
)


def looks_like_day(text: str) -> bool:
    """Whether a text is a day in one of the formats known here; a bare number only where it is a day of eight digits.

    >>> looks_like_day("1.2.2018"), looks_like_day("20180131"), looks_like_day("5147"), looks_like_day("12.5")
    (True, True, False, False)
    """
    text = text.strip()
    if text.isdecimal() and len(text) != len("20180131"):
        return False
    return any(moment_of(DayFormat.compile(declared), text) for declared in formats_of(text))


def formats_of(text: str) -> list[str]:
    """The formats that may have written a text, without a look at its digits; of an interval, those of its start.

    >>> formats_of("01/02/2018 13:00")
    ['%d/%m/%Y %H:%M', '%m/%d/%Y %H:%M']
    >>> formats_of("2018-02-01 13:00 - 2018-02-01 14:00")[0]
    '%Y-%m-%d %H:%M - ...'
    """
    return _formats_of_moment(text.strip()) or _formats_of_interval(text.strip())


def _formats_of_interval(text: str) -> list[str]:
    for between in re.finditer(_BETWEEN, text):
        start, end = text[: between.start()], text[between.end() :]
        if looks_like_time(end) or _formats_of_moment(end):
            return [f"{declared}{between.group()}..." for declared in _formats_of_moment(start)]
    return []


def _formats_of_moment(text: str) -> list[str]:
    if text.isdecimal() and len(text) in _WHOLE:
        return list(_WHOLE[len(text)])
    if re.fullmatch(r"\d{9,10}\.\d+", text):
        return ["unix"]
    weekday = re.match(_WEEKDAY, text, re.IGNORECASE)
    before = ""
    if weekday:
        before = ("%a" if len(weekday["weekday"]) == 3 else "%A") + weekday["after"]
        text = text[weekday.end() :]
    found = []
    for pattern, formats in _DATES:
        match = re.fullmatch(f"(?P<date>{pattern})(?P<rest>.*)", text)
        rest = _time_format(match["rest"]) if match else None
        if match is None or rest is None:
            continue
        parts = match.groupdict()
        months = ("%b", "%B") if "name" in parts else ("",)
        for declared, month in product(formats, months):
            found.append(
                before
                + declared.format(s=parts.get("s", ""), r=parts.get("r", ""), month=month).replace("%%", "%")
                + rest
            )
    return found


def looks_like_time(text: str) -> bool:
    """Whether a text is a time of day, with or without an offset.

    >>> looks_like_time("13:00"), looks_like_time("01:00 PM"), looks_like_time("00:00:00+01:00"), looks_like_time("13")
    (True, True, True, False)
    """
    return ":" in text and re.fullmatch(_TIME, f" {text.strip()}") is not None


def moment_of(compiled: DayFormat, text: str) -> datetime | None:
    """The moment a text names in a format; None where it names none, or one long ago."""
    moment = compiled.moment(text)
    return moment if moment is not None and moment.year >= FIRST_YEAR else None


def _time_format(rest: str) -> str | None:
    if not rest:
        return ""
    time = re.fullmatch(_TIME, rest)
    if time is None:
        return None
    parts = time.groupdict()
    return "".join(
        (
            parts["t"],
            "%I" if parts["half"] else "%H",
            ":%M" if parts["minute"] else "",
            ":%S" if parts["second"] else "",
            ".%f" if parts["fraction"] else "",
            (" %p" if parts["half"].startswith(" ") else "%p") if parts["half"] else "",
            parts["gap"],
            "%z" if parts["offset"] else "",
        )
    )


def of_utc_clock(moment: datetime) -> datetime:
    """The moment without its offset, on UTC's clock; as it is where it has none."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
