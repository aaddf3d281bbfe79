"""How a feed writes a day, and proof that a document's days are read in that order.

Day and month are never guessed: text that fits the declared format only with day and month swapped, days that only
make sense the other way round, or no day in most of the rows condemn the whole document. A row whose text is no day at
all, such as a total at the end, says nothing about the others. Values do not belong here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

from forecasting_platform.errors import ConfigurationError, FeedDocumentError

_PARTS = {"dd": "(?P<day>[0-9]{2})", "mm": "(?P<month>[0-9]{2})", "yyyy": "(?P<year>[0-9]{4})"}


@dataclass(frozen=True, slots=True)
class DateFormat:
    """A declared date format: `dd`, `mm` and `yyyy`, each once, in any order, with separators.

    >>> DateFormat.compile("dd/mm/yyyy").parse("01/02/2018")
    datetime.date(2018, 2, 1)
    >>> DateFormat.compile("yyyy-mm-dd").parse("2018-13-01") is None
    True
    """

    declared: str
    pattern: re.Pattern[str]

    @classmethod
    def compile(cls, declared: str) -> Self:
        """The format that `declared` describes.

        Raises:
            ConfigurationError: a part is missing, stands twice, or other letters stand in it.
        """
        pieces = re.split(r"(dd|mm|yyyy)", declared)
        if sorted(pieces[1::2]) != sorted(_PARTS) or re.search(r"\w", "".join(pieces[::2])):
            raise ConfigurationError(
                "FORECASTING_FEED_DATE_FORMAT",
                f"{declared!r} is no date format; write dd, mm and yyyy once each, such as dd/mm/yyyy or yyyy-mm-dd",
            )
        return cls(declared, re.compile("".join(_PARTS.get(piece, re.escape(piece)) for piece in pieces)))

    def parse(self, text: str) -> date | None:
        """The day, or None when the text does not fit the format or names a day there is not."""
        return self._day(text, "month", "day")

    def is_swapped(self, text: str) -> bool:
        """Whether the text names no day, but would with day and month swapped.

        >>> [DateFormat.compile("dd/mm/yyyy").is_swapped(text) for text in ("02/13/2018", "31/06/2018", "Total")]
        [True, False, False]
        """
        return self.parse(text) is None and self._day(text, "day", "month") is not None

    def _day(self, text: str, month: str, day: str) -> date | None:
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        try:
            return date(int(found["year"]), int(found[month]), int(found[day]))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class DatedRow:
    """The number of a row in its document (from 1) and the text of its date."""

    number: int
    text: str


def read_days(rows: Sequence[DatedRow], date_format: DateFormat, source: str) -> list[date | None]:
    """The day of each row; None where its text is no day.

    Raises:
        FeedDocumentError: most rows have none, a date runs backwards, or fits only with day and month swapped; the
            message names the row.

    >>> rows = [DatedRow(1, "01/05/2018"), DatedRow(2, "01/06/2018")]
    >>> read_days(rows, DateFormat.compile("mm/dd/yyyy"), "feed")
    [datetime.date(2018, 1, 5), datetime.date(2018, 1, 6)]
    >>> read_days(rows, DateFormat.compile("dd/mm/yyyy"), "feed")
    Traceback (most recent call last):
    forecasting_platform.errors.FeedDocumentError: the document of feed was refused and nothing of it was stored: \
the date '01/06/2018' of row 2, read as dd/mm/yyyy, lies a month after the row before, as do 1 of 1 rows. Set \
FORECASTING_FEED_DATE_FORMAT to the format the feed is written in, or have the publisher mend the dates.
    """
    days = [date_format.parse(row.text) for row in rows]
    without = [row for row, day in zip(rows, days, strict=True) if day is None]
    swapped = next((row for row in without if date_format.is_swapped(row.text)), None)
    if swapped is not None:
        raise _refusal(swapped, date_format, source, "names no day, and would with day and month swapped")
    if len(without) * 2 > len(rows):
        raise _refusal(without[0], date_format, source, f"names no day, as in {len(without):,} of {len(rows):,} rows")
    dated = [(row, day) for row, day in zip(rows, days, strict=True) if day is not None]
    _refuse_days_of_another_format([row for row, _ in dated], [day for _, day in dated], date_format, source)
    return days


def _refuse_days_of_another_format(
    rows: Sequence[DatedRow], days: Sequence[date], date_format: DateFormat, source: str
) -> None:
    seen: set[date] = set()
    newest = date.min
    month_steps: list[DatedRow] = []
    for row, before, day, after in zip(rows, [None, *days], days, [*days[1:], None], strict=False):
        if _fits_only_swapped(before, day, after):
            raise _refusal(row, date_format, source, "fits the rows around it only with day and month swapped")
        if before is not None and _is_month_later(before, day):
            month_steps.append(row)
        # A day seen before is a duplicate, which is judged by its values.
        if day < newest and day not in seen:
            raise _refusal(row, date_format, source, "lies before the row above it; rows must run forwards")
        newest = max(newest, day)
        seen.add(day)
    # A single gap of exactly a month is possible; a document made of them is written month first.
    if month_steps and len(month_steps) * 2 > len(days) - 1:
        problem = f"lies a month after the row before, as do {len(month_steps)} of {len(days) - 1} rows"
        raise _refusal(month_steps[0], date_format, source, problem)


def _fits_only_swapped(before: date | None, day: date, after: date | None) -> bool:
    """Whether `day` is next to neither neighbour, and would be next to one if day and month were swapped."""

    def is_next(other: date) -> bool:
        return (before is not None and (other - before).days == 1) or (after is not None and (after - other).days == 1)

    return day.day <= 12 and not is_next(day) and is_next(day.replace(month=day.day, day=day.month))


def _is_month_later(before: date, day: date) -> bool:
    return day.day == before.day and (day.year - before.year) * 12 + day.month - before.month == 1


def _refusal(row: DatedRow, date_format: DateFormat, source: str, problem: str) -> FeedDocumentError:
    return FeedDocumentError(
        source,
        f"the date {row.text[:40]!r} of row {row.number}, read as {date_format.declared}, {problem}",
        "Set FORECASTING_FEED_DATE_FORMAT to the format the feed is written in, or have the publisher mend the dates.",
    )
