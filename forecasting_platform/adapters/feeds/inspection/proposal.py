"""From the bytes of an unknown document to a proposed description, checked by a dry load with the real reader."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from forecasting_platform.adapters.feeds.documents.document_table import read_table
from forecasting_platform.adapters.feeds.documents.feed_document import read_document
from forecasting_platform.adapters.feeds.documents.oriented_rows import VALUE, turned
from forecasting_platform.adapters.feeds.documents.quarantine import Quarantine
from forecasting_platform.adapters.feeds.documents.text_table import TextTable
from forecasting_platform.adapters.feeds.inspection.clock import ClockFinding, find_clock
from forecasting_platform.adapters.feeds.inspection.columns import Layout, find_layout
from forecasting_platform.adapters.feeds.inspection.day_formats import looks_like_day
from forecasting_platform.adapters.feeds.inspection.days import DayFinding, find_day
from forecasting_platform.adapters.feeds.inspection.document_format import Words, find_format, one_or_more
from forecasting_platform.adapters.feeds.inspection.due_days import DueDays, find_due_days, step_days
from forecasting_platform.adapters.feeds.inspection.newest_day import newest_day_doubts
from forecasting_platform.adapters.feeds.inspection.notes import Doubt, Found, NoLayoutError, quoted
from forecasting_platform.adapters.feeds.inspection.numbers import NumberFinding, find_numbers
from forecasting_platform.adapters.feeds.inspection.proposed_file import proposed_file
from forecasting_platform.adapters.feeds.inspection.text import are_days
from forecasting_platform.errors import FeedDocumentError, shortened
from forecasting_platform.feed_description.day_format import DayFormat
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument

EVERY_DAY = DateRange(date(1700, 1, 1), date(2200, 12, 31))
MAX_CLOSED_DAYS = 40
"""Single days that a proposal declares as closed; more are gaps."""
DAY = "Date"
"""The column of the day by default."""
_MAX_ROWS = 200_000
_AVERAGED = re.compile(
    r"temp|price|rate|level|humid|speed|wind|volt|percent|%|ratio|index|mean|avg|(^|[^a-z])[kmg]w([^h]|$)|power|load",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed description.

    Attributes:
        description: of the likeliest reading.
        yaml: the file for it; where something has to be chosen it says so, and a load refuses it.
        found: what was found, in the order of reading.
        doubts: what is not sure.
        left_out: columns that are no series, with the reason.
        document: what a load by the description would give.
        due: on which days there are values.
    """

    description: FeedDescription
    yaml: str
    found: tuple[Found, ...]
    doubts: tuple[Doubt, ...]
    left_out: Mapping[str, str]
    document: FeedDocument
    due: DueDays

    @property
    def choices(self) -> tuple[Doubt, ...]:
        """What has to be chosen before the description can be used."""
        return tuple(doubt for doubt in self.doubts if doubt.choices)


def propose(
    content: bytes, *, content_type: str | None, source_words: Mapping[str, Any], source: str, fetched_at: datetime
) -> Proposal:
    """The description of a document.

    Args:
        content: the bytes after decompression.
        source_words: the description's `source`, as the document was asked for.
        source: names the document in messages, without credentials.

    Raises:
        NoLayoutError: no series with a value a day, a week or more often was found; says what to do.
    """
    words: Words = {"source": dict(source_words)}
    try:
        return _Inspection(content, content_type, source, fetched_at, words).proposal()
    except FeedDocumentError as error:
        raise NoLayoutError(source, error.problem, error.remedy) from error


class _Inspection:
    """One document while it is looked at; `words` grows into its description."""

    def __init__(
        self, content: bytes, content_type: str | None, source: str, fetched_at: datetime, words: Words
    ) -> None:
        self._content, self._content_type, self._source, self._fetched_at = content, content_type, source, fetched_at
        self._words = words
        self._found: list[Found] = []
        self._doubts: list[Doubt] = []

    def proposal(self) -> Proposal:
        """The proposal, with the result of a dry load."""
        found = find_format(self._content, self._content_type, self._source, self._rows)
        self._words |= found.words
        self._note(found.found, found.doubts)
        table = self._table(self._words)
        is_turned = are_days(table.columns)
        if is_turned:
            table = turned(table, looks_like_day, DAY, VALUE, self._source)
            self._found.append(Found("columns", "a day each"))
        day, rows = self._find_day(table)
        moments = [moment for moment in day.moments if moment is not None]
        cells = {
            name: [column[row] for row in rows] for name, column in table.texts().items() if name not in day.columns
        }
        if not cells:
            raise NoLayoutError(
                self._source, f"it has no column beside {quoted(day.columns)}", "Give a table with values."
            )
        self._refuse_months(moments)
        numbers = self._find_numbers(cells, native=found.native)
        has_time = any(DayFormat.compile(each).has_time for each in day.formats)
        layout = find_layout(cells, moments, numbers)
        if is_turned:
            layout = layout.of_values(VALUE)
        self._note(layout.found, layout.doubts)
        if not layout.value_columns:
            why = "; ".join(f"{name!r}: {reason}" for name, reason in list(layout.left_out.items())[:5])
            raise NoLayoutError(
                self._source, f"no column is a series ({why})", "Give a table with a column of numbers."
            )
        clock = self._find_clock(day, cells, moments, layout, has_time)
        self._declare_layout(layout, clock, has_time=has_time)
        if is_turned:
            names = [name for name in table.columns if name not in {DAY, VALUE}]
            long = {"series": names[:1], "value": VALUE} | self._words.get("long", {})
            self._words |= {"days_are_columns": True, "long": long}
        return self._checked(layout)

    def _note(self, found: Sequence[Found], doubts: Sequence[Doubt]) -> None:
        self._found += found
        self._doubts += doubts

    def _rows(self, words: Words) -> list[list[str]]:
        """The rows of a sheet at their places, the empty ones among them."""
        table = self._table(self._words | words)
        rows = [[""] * len(table.columns) for _ in range(int(table.numbers.max(initial=0)))]
        for number, *cells in zip(table.numbers.tolist(), *table.texts().values(), strict=True):
            rows[number - 1] = cells
        return rows

    def _table(self, words: Words) -> TextTable:
        description = FeedDescription.model_validate(words)
        table = read_table(self._content, self._content_type, description, self._source, Quarantine(self._source))
        return table.sample(_MAX_ROWS)

    def _find_day(self, table: TextTable) -> tuple[DayFinding, list[int]]:
        cells = table.texts()
        if not len(table):
            raise NoLayoutError(self._source, "it has no rows", "Ask the publisher, or inspect it again later.")
        day = find_day(cells, table.numbers.tolist(), self._fetched_at.date())
        if day is None:
            problem = f"no column names a day in most rows; found: {quoted(cells, 8)}"
            remedy = "Give a document with a row a day; docs/your-own-feed.md lists the ways to write a day."
            raise NoLayoutError(self._source, problem, remedy)
        self._note([Found("day", quoted(day.columns)), *day.found], day.doubts)
        self._words["day"] = {} if day.columns == (DAY,) else {"column": one_or_more(day.columns)}
        formats = day.formats[0] if len(day.formats) == 1 else list(day.formats)
        self._words["day"] |= {} if formats == "%Y-%m-%d" and day.decided else {"format": formats}
        return day, [row for row, moment in enumerate(day.moments) if moment is not None]

    def _find_numbers(self, cells: Mapping[str, Sequence[str]], *, native: bool) -> NumberFinding:
        numbers = find_numbers(cells, native=native)
        dialect = self._words.get("dialect", {})
        style = numbers.style
        dialect |= {} if style.decimal_char == "." and not numbers.undecided else {"decimalChar": style.decimal_char}
        dialect |= {} if style.group_char is None else {"groupChar": style.group_char}
        dialect |= {} if len(numbers.missing_values) == 1 else {"missingValues": list(numbers.missing_values)}
        if dialect:
            self._words["dialect"] = dialect
        self._note(numbers.found, numbers.doubts)
        return numbers

    def _find_clock(
        self,
        day: DayFinding,
        cells: Mapping[str, Sequence[str]],
        moments: Sequence[datetime],
        layout: Layout,
        has_time: bool,
    ) -> ClockFinding:
        of_series = list(moments)
        if layout.id_columns:
            keys = list(zip(*(cells[name] for name in layout.id_columns), strict=True))
            # The clock of one series: rows of several at one moment would look like a step of 0. Counting is quadratic.
            commonest = max(set(keys), key=keys.count) if len(set(keys)) <= 200 else keys[0]
            of_series = [moment for moment, key in zip(moments, keys, strict=True) if key == commonest]
        has_offset = all(DayFormat.compile(each).has_offset for each in day.formats)
        clock = find_clock(of_series, has_time=has_time, has_offset=has_offset, says_24=day.says_24)
        self._note(clock.found, clock.doubts)
        self._words["day"] |= {} if clock.time_zone == "UTC" else {"time_zone": clock.time_zone}
        self._words["day"] |= {} if clock.stamp == "start" else {"stamp": clock.stamp}
        return clock

    def _declare_layout(self, layout: Layout, clock: ClockFinding, *, has_time: bool) -> None:
        values = layout.value_columns
        if layout.id_columns:
            self._words["long"] = {"series": one_or_more(layout.id_columns), "value": one_or_more(values)}
        if clock.rows_a_day > 1.02:
            # A sum of temperatures means nothing, and neither does the mean of an hour's sales as a day's.
            method = "mean" if all(map(_AVERAGED.search, values)) else "sum"
            self._words["aggregate"] = {"method": method}
            if clock.every_minutes:
                self._words["aggregate"]["every_minutes"] = clock.every_minutes
            other = "mean" if method == "sum" else "sum"
            methods = ("sum", "mean", "max", "min", "last", "count")
            if has_time and not clock.every_minutes:
                why = (
                    "the rows of a day are events at no fixed step; are they to be counted, or their numbers combined?"
                )
                self._doubts.append(Doubt("aggregate.method", why, methods))
            elif has_time or "counts the rows of a day" in layout.left_out.values():
                why = f"the rows of a day become their {method}; is their {other} meant, or the last, or the largest?"
                self._doubts.append(Doubt("aggregate.method", why))
            else:
                why = "a day has several rows, and no column tells them apart"
                self._doubts.append(Doubt("aggregate.method", why, methods))
        if not layout.id_columns and layout.left_out:
            self._words["series"] = {"exclude": list(layout.left_out)}
        if layout.left_out:
            reasons = "; ".join(f"{name!r}: {shortened(why)}" for name, why in layout.left_out.items())
            key = "long.value" if layout.id_columns else "series.exclude"
            self._doubts.append(Doubt(key, f"left out are {reasons}"))

    def _refuse_months(self, moments: Sequence[datetime]) -> None:
        step = step_days({moment.date() for moment in moments})
        # A few rows say nothing about the distance of all.
        if step > 7 and len(set(moments)) > 3:
            problem = f"its values are about {step} days apart; the platform forecasts daily and weekly values"
            raise NoLayoutError(self._source, problem, "Give a document with a value a day or a week.")

    def _find_due_days(self, document: FeedDocument) -> DueDays:
        """The calendar of the days that a load gives: of the zone's clock, and without those that have no value."""
        due = find_due_days(document.observations["ds"].dt.date)
        calendar: Words = {}
        if len(due.weekdays) < 7:
            calendar["weekdays"] = list(due.weekdays)
        if due.holidays:
            calendar["holidays"] = due.holidays
        refused = set(document.quarantined["ds"].dropna().dt.date)
        closed = [day for day in due.missing if day not in refused]
        # Without any calendar a day without a value is a gap of the feed, and not closed.
        if 0 < len(closed) <= MAX_CLOSED_DAYS and calendar:
            calendar["closed"] = [day.isoformat() for day in closed]
            why = f"{len(closed)} days have no value and no calendar explains them: closed, or missing?"
            self._doubts.append(Doubt("calendar.closed", why))
        if calendar:
            self._words["calendar"] = calendar
        self._note(due.found, due.doubts)
        if due.missing:
            shown = quoted(due.missing, 3).replace("'", "")
            self._found.append(Found("gaps", f"{len(due.missing)} due days without a value: {shown}"))
        return due

    def _read(self, description: FeedDescription) -> FeedDocument:
        document = read_document(
            self._content,
            description=description,
            content_type=self._content_type,
            source=self._source,
            fetched_at=self._fetched_at,
            period=EVERY_DAY,
        )
        if document.observations.empty:
            remedy = "Look at its rows."
            if description.aggregate:
                remedy = "A day needs all of its rows; give a document with whole days, or write aggregate.min_share."
            raise NoLayoutError(self._source, f"no value of it can be read: {document.refusals}", remedy)
        return document

    def _checked(self, layout: Layout) -> Proposal:
        description = FeedDescription.model_validate(self._words)
        document = self._read(description)
        due = self._find_due_days(document)
        # Which days are due decides nothing about what is read.
        description = FeedDescription.model_validate(self._words)
        observations, refused = document.observations, document.refusals
        first, last = observations["ds"].min().date(), observations["ds"].max().date()
        self._found.append(Found("series", quoted(observations["unique_id"].unique(), 6)))
        self._found.append(Found("values", f"{len(observations):,} from {first} to {last}"))
        self._doubts += newest_day_doubts(observations, self._fetched_at.date(), due.step_days)
        if description.aggregate and refused.refused_values:
            why = f"{refused.refused_values} days of a series lack some of their rows, and are refused"
            self._doubts.append(Doubt("aggregate.min_share", f"{why}: 0.9 takes those that have nine in ten"))
        elif refused.share > 0.05:
            self._doubts.append(Doubt("day", f"much cannot be read: {refused}"))
        doubts = tuple(self._doubts)
        text = proposed_file(self._words, doubts, layout.weather)
        return Proposal(description, text, tuple(self._found), doubts, layout.left_out, document, due)
