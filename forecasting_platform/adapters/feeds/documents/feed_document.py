"""Reads one document by its feed's description: bytes in, a `FeedDocument` out. Pure: no network, no clock.

Steps: bytes → table of text → day of each row → cells of each series → numbers → one value a series and day. Every
row's day is read and judged; values are read only for the days asked for.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from forecasting_platform.adapters.feeds.documents.cell_values import Cell, CellValues, count_values, read_values
from forecasting_platform.adapters.feeds.documents.daily_values import (
    DailyValues,
    DatedCells,
    Refuse,
    added_up,
    one_a_day,
)
from forecasting_platform.adapters.feeds.documents.document_table import TYPED, read_table
from forecasting_platform.adapters.feeds.documents.oriented_rows import turned
from forecasting_platform.adapters.feeds.documents.quarantine import MEND, Quarantine
from forecasting_platform.adapters.feeds.documents.row_days import RowDays, read_days
from forecasting_platform.adapters.feeds.documents.series_cells import (
    SeriesCells,
    long_cells,
    published_names,
    refuse_missing_columns,
    wide_cells,
)
from forecasting_platform.adapters.feeds.documents.text_table import Positions, TextTable
from forecasting_platform.adapters.feeds.documents.unusable_series import refuse_names, refuse_text_columns
from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.feed_description.day_format import DayFormat
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.covariates.exogenous import is_exogenous
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.quality.refusals import Refusals, varied_examples
from forecasting_platform.ports.observation_feed import FeedDocument, no_values

FUTURE = "a day in the future"
MAX_PLANNED_DAYS = 731
"""How far ahead a plan may be."""


def read_document(
    content: bytes,
    *,
    description: FeedDescription,
    content_type: str | None,
    source: str,
    fetched_at: datetime,
    period: DateRange,
    may_be_empty: bool = False,
) -> FeedDocument:
    """The document's values for the days of `period`.

    Args:
        content: the bytes after decompression.
        content_type: the header; without a telling one the first character decides, where no format is described.
        source: names the document in messages, without credentials.
        fetched_at: when it was received: later days cannot have a value, and a row of one is quarantined without its
            day, whatever the period. Days that are not complete yet by `description.publication` have none so far.
        may_be_empty: whether a document without rows is a result: of a feed that was asked for these days only, it
            says that they have no values; of a whole history, that something is wrong.

    Raises:
        FeedDocumentError: the document must not be used at all; the message says why and what to do.

    >>> from datetime import UTC
    >>> document = read_document(
    ...     b'[{"Date": "01/01/2018", "Corrib production": 102.065496}]',
    ...     description=FeedDescription.of_default_shape("http://feed", "dd/mm/yyyy"), content_type="application/json",
    ...     source="feed", fetched_at=datetime(2018, 1, 2, tzinfo=UTC),
    ...     period=DateRange(date(2018, 1, 1), date(2018, 1, 1)),
    ... )
    >>> document.observations
               unique_id         ds           y
    0  Corrib production 2018-01-01  102.065496
    """
    quarantine = Quarantine(source)
    table = read_table(content, content_type, description, source, quarantine)
    if not len(table) and not may_be_empty:
        raise _without_rows(quarantine, source)
    if description.days_are_columns and description.long and len(table):
        table = turned(table, _names_day(description), description.day.column[0], description.long.value[0], source)
    refuse_missing_columns(table, description, source)
    return _Reading(description, source, quarantine, fetched_at, period).document(table, content)


def _names_day(description: FeedDescription) -> Callable[[str], bool]:
    formats = [DayFormat.compile(declared) for declared in description.day.format]
    return lambda name: any(each.moment(name) is not None for each in formats)


def _without_rows(quarantine: Quarantine, source: str) -> FeedDocumentError:
    if not quarantine.refused:
        return FeedDocumentError(source, "it holds no rows", "Ask the publisher, or load again later.")
    first = quarantine.refused[0]
    return FeedDocumentError(
        source, f"no row of it can be used; of the first, {first.reason}: {first.raw[:80]!r}", MEND
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is known of a document beside its bytes."""

    description: FeedDescription
    source: str
    quarantine: Quarantine
    fetched_at: datetime
    period: DateRange

    def document(self, table: TextTable, content: bytes) -> FeedDocument:
        row_count = len(table) + len(self.quarantine.refused)
        names = [] if self.description.long else published_names(table, self.description, self.source)
        table, days = self._dated(table)
        refused_rows = len(self.quarantine.refused)
        planned = self._planned(table, days, names)
        is_past = days.days <= self._today
        table, days = table.keep(is_past), days.keep(is_past)
        newest = np.datetime64(self.description.newest_day(self.fetched_at), "D")
        start, end = np.datetime64(self.period.start, "D"), np.datetime64(self.period.end, "D")
        rows = np.flatnonzero((days.days >= start) & (days.days <= end) & (days.days <= newest))
        cells, read, unusable = self._read(table, days, rows, names)
        series, daily = self._daily(table, days, cells, read)
        places, announced = daily.unpublished
        unpublished = tuple((series[at], day) for at, day in zip(places.tolist(), announced.tolist(), strict=True))
        observations = self._frame(series, daily)
        return FeedDocument(
            source=self.source,
            fetched_at=self.fetched_at,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            observations=observations,
            planned=planned,
            quarantined=self.quarantine.frame(),
            unpublished=unpublished,
            last_published=self._last_published(table, days, names, newest, daily),
            series=tuple(name for place, name in enumerate(series) if place not in unusable),
            refusals=Refusals(
                rows=row_count,
                refused_rows=refused_rows,
                values=len(observations),
                refused_values=len(self.quarantine.refused) - refused_rows,
                unpublished=len(unpublished),
                published=DateRange(days.days.min().item(), days.days.max().item()) if len(days.days) else None,
                examples=varied_examples(self.quarantine.refused),
            ),
        )

    def _dated(self, table: TextTable) -> tuple[TextTable, RowDays]:
        """The rows that have a day, no later than one may be planned; the others are quarantined."""
        if not len(table):
            return table, RowDays.of_no_rows()
        day = self.description.day
        days = read_days(table, day, self.source, typed=self.description.format in TYPED)
        ahead = MAX_PLANNED_DAYS if self.description.planned else 0
        is_later = days.days > self._today + ahead
        refused = np.isnat(days.days) | is_later
        for row in np.flatnonzero(refused).tolist():
            reason = f"its date names no day, read as {' or '.join(day.format)}"
            if is_later[row]:
                reason = FUTURE
            elif not days.text(row):
                reason = f"the row has no text in {', '.join(day.column)}"
            self.quarantine.add(int(table.numbers[row]), reason, table.row(row))
        return table.keep(~refused), days.keep(~refused)

    @property
    def _today(self) -> np.datetime64:
        return np.datetime64(self.description.today(self.fetched_at), "D")

    def _planned(self, table: TextTable, days: RowDays, names: Sequence[str]) -> pd.DataFrame:
        """The values of this day and of days to come; one of a series that is not known before its day is quarantined.

        Of this day too: a load asks for complete days, and what was planned of this one is not in them yet.
        """
        rows = np.flatnonzero(days.days >= self._today)
        if not (self.description.planned and len(rows)):
            return no_values()
        cells = self._cells(table, rows, names).ordered(days.days, days.moments)
        read, is_planned = self._values(cells.texts), self._is_planned(cells)
        is_to_come = days.days[cells.rows] > self._today
        for cell in np.flatnonzero(~is_planned & is_to_come & (read.kinds == Cell.VALUE)).tolist():
            row, name = int(cells.rows[cell]), cells.names[cells.series[cell]]
            self.quarantine.add(int(table.numbers[row]), FUTURE, cells.texts[cell].as_py(), name)
        # What of this day is no value is told where its values are read.
        kept = is_planned & (is_to_come | (read.kinds == Cell.VALUE))
        return self._frame(*self._daily(table, days, cells.keep(kept), read.keep(kept)))

    def _is_planned(self, cells: SeriesCells) -> npt.NDArray[np.bool_]:
        of_names = is_exogenous(cells.names, self.description.planned)
        return of_names[cells.series]

    def _frame(self, series: Sequence[str], daily: DailyValues) -> pd.DataFrame:
        """`unique_id`, `ds`, `y`."""
        return pd.DataFrame(
            {
                "unique_id": np.array(series, dtype=object)[daily.series],
                "ds": daily.days.astype("datetime64[ns]"),
                "y": daily.values,
            }
        ).astype({"unique_id": object})

    def _read(
        self, table: TextTable, days: RowDays, rows: Positions, names: Sequence[str]
    ) -> tuple[SeriesCells, CellValues, list[int]]:
        """The cells of some rows, by series and day, what they say, and the places of the series that are none.

        Those, by their names or for want of any number, are quarantined.
        """
        if not self.description.long:
            rows = rows[np.lexsort((days.moments[rows], days.days[rows]))]
        cells = self._cells(table, rows, names).ordered(days.days, days.moments)
        read = self._values(cells.texts)
        unusable = [
            *refuse_names(self.quarantine, table, days, cells, read),
            *refuse_text_columns(self.quarantine, table, cells, read, self._values),
        ]
        if unusable:
            kept = ~np.isin(cells.series, unusable)
            cells, read = cells.keep(kept), read.keep(kept)
        return cells, read, unusable

    def _daily(
        self, table: TextTable, days: RowDays, cells: SeriesCells, read: CellValues
    ) -> tuple[list[str], DailyValues]:
        """The names of the series, and their values on each day; cells without one are quarantined."""

        def refuse(cell: int, reason: str) -> None:
            row = int(cells.rows[cell])
            name, day = cells.names[cells.series[cell]], days.days[row].item()
            self.quarantine.add(int(table.numbers[row]), reason, cells.texts[cell].as_py(), name, day)

        for cell in np.flatnonzero(read.kinds == Cell.REFUSED).tolist():
            refuse(cell, read.reason(cell))
        return cells.names, self._values_of_days(days, cells, read, refuse)

    def _values_of_days(self, days: RowDays, cells: SeriesCells, read: CellValues, refuse: Refuse) -> DailyValues:
        dated = DatedCells(cells.series, days.days[cells.rows], days.moments[cells.rows], read.values, read.kinds)
        if self.description.aggregate is None:
            return one_a_day(dated, refuse)
        newest = days.days.max().item() if len(days.days) else None
        return added_up(dated, self.description.aggregate, self.description.day, newest, refuse)

    def _values(self, texts: pa.Array) -> CellValues:
        counts = self.description.aggregate is not None and self.description.aggregate.method == "count"
        read = count_values if counts else read_values
        return read(texts, self.description.dialect, self.description.series.unit_factor)

    def _cells(self, table: TextTable, rows: Positions, names: Sequence[str]) -> SeriesCells:
        if self.description.long:
            return long_cells(table, rows, self.description.long, self.description.series, self.source)
        return wide_cells(table, rows, names, self.description.series, self.source)

    def _last_published(
        self, table: TextTable, days: RowDays, names: Sequence[str], newest: np.datetime64, daily: DailyValues
    ) -> date | None:
        """The newest day with a value that is no plan: looked for among ever more of the newest days."""
        known = np.unique(days.days[days.days <= newest])[::-1]
        if not self.description.planned and len(daily.days) and daily.days.max() == known[0]:
            return _as_date(known[0])
        start = 0
        while start < len(known):
            some = known[start : start + max(1, start * 8)]
            cells = self._cells(table, np.flatnonzero(np.isin(days.days, some)), names)
            cells = cells.keep(~self._is_planned(cells)).ordered(days.days, days.moments)
            found = self._values_of_days(days, cells, self._values(cells.texts), lambda _cell, _reason: None)
            if len(found.days):
                return _as_date(found.days.max())
            start += len(some)
        return None


def _as_date(day: np.datetime64) -> date:
    return date.fromisoformat(str(day))
