"""The feed's document format: bytes in, the values of a `FeedDocument` out. Pure: no network, no clock.

A row has a `Date` and one numeric column a series. How rows are read is in `feed_rows`, how days are in `feed_dates`;
fetching is elsewhere.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import pandas as pd

from forecasting_platform.adapters.feeds.feed_dates import DatedRow, DateFormat, read_days
from forecasting_platform.adapters.feeds.feed_rows import (
    DATE_COLUMN,
    MEND,
    Quarantine,
    RefusedCell,
    Row,
    as_written,
    day_column,
    read_rows,
)
from forecasting_platform.errors import FeedDocumentError, examples
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.limits import legal_name, series_name_problem
from forecasting_platform.forecasting.series.refusals import Refusals, varied_examples
from forecasting_platform.ports.observation_feed import FeedDocument


def parse_feed_document(
    content: bytes,
    *,
    content_type: str | None,
    source: str,
    fetched_at: datetime,
    date_format: DateFormat,
    period: DateRange,
    today: date,
    may_be_empty: bool = False,
) -> FeedDocument:
    """The document's values for the days of `period`.

    Every date of the document is read and judged; values are read only for the days of `period`.

    Args:
        content: the bytes after decompression.
        content_type: the header; without a telling one the first character decides.
        source: names the document in messages, without credentials.
        today: the last day that may have a value, inclusive; a row of a later day is quarantined
            without its day, whatever the period.
        may_be_empty: whether a document without rows is a result: of a feed that was asked for these
            days only, it says that they have no values; of a whole history, that something is wrong.

    Raises:
        FeedDocumentError: the document must not be used at all; the message says why and what to do.

    >>> from datetime import UTC
    >>> document = parse_feed_document(
    ...     b'[{"Date": "01/01/2018", "Corrib production": 102.065496}]',
    ...     content_type="application/json", source="feed", fetched_at=datetime(2018, 1, 2, tzinfo=UTC),
    ...     date_format=DateFormat.compile("dd/mm/yyyy"), today=date(2018, 1, 2),
    ...     period=DateRange(date(2018, 1, 1), date(2018, 1, 1)),
    ... )
    >>> document.observations
               unique_id         ds           y
    0  Corrib production 2018-01-01  102.065496
    """
    quarantine = Quarantine(source)
    rows = read_rows(content, content_type, source, quarantine)
    if not rows and not may_be_empty:
        raise FeedDocumentError(source, "it holds no rows", "Ask the publisher, or load again later.")
    names = _series_names(rows, source) if rows else []
    row_count = len(rows) + len(quarantine.refused)
    dated = _dated(rows, date_format, source, quarantine)
    _quarantine_future(dated, today, quarantine)
    refused_rows = len(quarantine.refused)
    wanted = [(day, row) for day, row in dated if day in period and day <= today]
    observations, unpublished = _read_values(wanted, names, quarantine)
    return FeedDocument(
        source=source,
        fetched_at=fetched_at,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        observations=observations,
        quarantined=quarantine.frame(),
        unpublished=unpublished,
        last_published=_last_published(dated, today),
        refusals=Refusals(
            rows=row_count,
            refused_rows=refused_rows,
            values=len(observations),
            refused_values=len(quarantine.refused) - refused_rows,
            unpublished=len(unpublished),
            published=DateRange(dated[0][0], dated[-1][0]) if dated else None,
            examples=varied_examples(quarantine.refused),
        ),
    )


def _series_names(rows: Sequence[Row], source: str) -> list[str]:
    """The columns of all rows but the date's, sorted: a new column is a new series."""
    names = sorted({name for row in rows for name in row.cells} - {DATE_COLUMN})
    if not names:
        raise FeedDocumentError(source, f"it has no series: no column beside {DATE_COLUMN!r}", MEND)
    return names


def _dated(rows: Sequence[Row], date_format: DateFormat, source: str, quarantine: Quarantine) -> list[tuple[date, Row]]:
    """The rows that have a day, ordered by it; one whose text is no day is quarantined."""
    days = read_days([DatedRow(row.number, row.cells[DATE_COLUMN]) for row in rows], date_format, source)
    dated: list[tuple[date, Row]] = []
    for day, row in zip(days, rows, strict=True):
        if day is None:
            reason = f"its date names no day, read as {date_format.declared}"
            quarantine.add(row.number, reason, as_written(dict(row.cells)))
        else:
            dated.append((day, row))
    return sorted(dated, key=lambda pair: pair[0])


def _quarantine_future(dated: Iterable[tuple[date, Row]], today: date, quarantine: Quarantine) -> None:
    for day, row in dated:
        if day > today:
            quarantine.add(row.number, "a day in the future", as_written(dict(row.cells)))


def _last_published(dated: Sequence[tuple[date, Row]], today: date) -> date | None:
    published = (day for day, row in reversed(dated) if day <= today and _has_value(row))
    return next(published, None)


def _has_value(row: Row) -> bool:
    return any(isinstance(cell, float) for cell in row.cells.values())


@dataclass(slots=True)
class _Published:
    """Values by series and day, with the number of their row; a series' values stand together."""

    ids: list[str] = field(default_factory=list)
    days: list[date] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    def add(self, name: str, day: date, value: float, row: int) -> None:
        self.ids.append(name)
        self.days.append(day)
        self.values.append(value)
        self.rows.append(row)

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "unique_id": pd.Series(self.ids, dtype="object"),
                "ds": day_column(self.days),
                "y": pd.Series(self.values, dtype="float64"),
                "row": pd.Series(self.rows, dtype="int64"),
            }
        )


def _read_values(
    wanted: Sequence[tuple[date, Row]], names: Sequence[str], quarantine: Quarantine
) -> tuple[pd.DataFrame, tuple[tuple[str, date], ...]]:
    """`unique_id`, `ds`, `y` ordered by key, and the values announced but not known. `wanted` is ordered by day."""
    published = _Published()
    unpublished: list[tuple[str, date]] = []
    by_name = _rows_by_name(wanted)
    for name in names:
        if problem := series_name_problem(name):
            _quarantine_unnamed(name, problem, by_name[name], quarantine)
        else:
            unpublished += [(name, day) for day in _read_series(name, by_name[name], published, quarantine)]
    return _one_value_a_day(published.frame(), quarantine), tuple(unpublished)


def _read_series(
    name: str, rows: Iterable[tuple[date, Row]], published: _Published, quarantine: Quarantine
) -> list[date]:
    """Add a series' values to those published; the days on which one is announced but not known."""
    announced: dict[date, None] = {}
    first = len(published.days)
    for day, row in rows:
        cell = row.cells[name]
        if type(cell) is float:
            published.add(name, day, cell, row.number)
        elif _is_unpublished(cell):
            announced[day] = None
        else:
            _quarantine_value(cell, row.number, name, day, quarantine)
    known = set(published.days[first:]) if announced else set()
    return [day for day in announced if day not in known]


def _rows_by_name(wanted: Iterable[tuple[date, Row]]) -> dict[str, list[tuple[date, Row]]]:
    """The rows that have a cell of each column: those of JSON may each have columns of their own."""
    by_name: dict[str, list[tuple[date, Row]]] = defaultdict(list)
    for dated in wanted:
        for name in dated[1].cells:
            by_name[name].append(dated)
    return by_name


def _is_unpublished(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _quarantine_value(cell: object, number: int, name: str, day: date, quarantine: Quarantine) -> None:
    reason = cell.reason if isinstance(cell, RefusedCell) else "not a number"
    quarantine.add(number, reason, as_written(cell), name, day)


def _quarantine_unnamed(name: str, problem: str, rows: Iterable[tuple[date, Row]], quarantine: Quarantine) -> None:
    """The values of a column that cannot name a series; an empty cell of one is nothing."""
    shown = legal_name(name)
    for day, row in rows:
        if not _is_unpublished(row.cells[name]):
            quarantine.add(row.number, problem, as_written(row.cells[name]), shown, day)


def _one_value_a_day(published: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    """Without repeats: equal ones are one, differing ones are all refused, since none can be trusted."""
    key = ["unique_id", "ds"]
    distinct = published.drop_duplicates([*key, "y"])
    differs = distinct.duplicated(key, keep=False)
    conflicts = distinct[differs].groupby(key, as_index=False).agg(rows=("row", list), values=("y", list))
    names, days = conflicts["unique_id"], conflicts["ds"].dt.date
    for name, day, numbers, values in zip(names, days, conflicts["rows"], conflicts["values"], strict=True):
        reason = f"different values for one day: {examples(values)}"
        for number, value in zip(numbers, values, strict=True):
            quarantine.add(number, reason, repr(value), name, day)
    return distinct.loc[~differs, [*key, "y"]].reset_index(drop=True)
