"""Reads the day and moment of each row, and proves that day and month are read in the right order.

Day and month are never guessed: text that fits the declared format only with day and month swapped, days that only
make sense the other way round, or no day in most of the rows condemn the whole document. A row whose text is no day at
all, such as a total at the end, says nothing about the others. Values do not belong here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from forecasting_platform.adapters.feeds.documents.text_table import Positions, TextTable
from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.feed_description.day_format import DayFormat
from forecasting_platform.feed_description.parts import Day
from forecasting_platform.forecasting.series.arrays import Days

NO_DAY = np.datetime64("NaT", "D")
_ISO = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z")


@dataclass(frozen=True, slots=True)
class RowDays:
    """When the rows of a document are.

    Attributes:
        texts: of the day of each row; empty where there is none.
        days: of each row; NaT where its text names none.
        moments: of each row, in microseconds since 1970 (UTC, or the clock of the feed where nothing says the
            offset); rows of one moment have one number. 0 where there is no day.
    """

    texts: pa.Array
    days: Days
    moments: Positions

    @classmethod
    def of_no_rows(cls) -> Self:
        """Those of a document without rows."""
        return cls(pa.array([], pa.string()), np.array([], dtype="datetime64[D]"), np.array([], dtype=np.int64))

    def keep(self, wanted: npt.NDArray[np.bool_]) -> "RowDays":
        """Those of some rows."""
        return RowDays(self.texts.filter(pa.array(wanted)), self.days[wanted], self.moments[wanted])

    def text(self, row: int) -> str:
        """As written."""
        return self.texts[row].as_py() or ""


def read_days(table: TextTable, day: Day, source: str, *, typed: bool = False) -> RowDays:
    """The days of the rows of a table.

    Args:
        typed: whether the table is of a format that knows days by itself, which it writes as ISO 8601.

    Raises:
        FeedDocumentError: most rows have no day, or a date speaks for another order of day and month; the message
            names the row.
    """
    formats = [DayFormat.compile(declared) for declared in (*day.format, *(_ISO if typed else ()))]
    texts = _texts(table, day)
    encoded = texts.dictionary_encode()
    words: list[str] = encoded.dictionary.to_pylist()
    at = encoded.indices.to_numpy(zero_copy_only=False)
    read = [formats[0].moment(word) for word in words] if len(formats) == 1 else [_first(formats, w) for w in words]
    zone = ZoneInfo(day.time_zone)
    has_time = any(each.has_time for each in formats)
    of_words = [moment and _day_of(moment, day, zone, has_time=has_time) for moment in read]
    found = RowDays(
        texts,
        np.array(of_words, dtype="datetime64[D]")[at],
        np.array([_microseconds(moment) for moment in read], dtype=np.int64)[at],
    )
    _refuse_another_order(found, table.numbers, words, at, formats, source)
    return found


def _texts(table: TextTable, day: Day) -> pa.Array:
    parts = [pc.fill_null(pc.utf8_trim_whitespace(table.columns[name]), "") for name in day.column]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, " ")


def _first(formats: Sequence[DayFormat], text: str) -> datetime | None:
    return next((moment for each in formats if (moment := each.moment(text)) is not None), None)


def _day_of(moment: datetime, day: Day, zone: ZoneInfo, *, has_time: bool) -> date:
    if not has_time:
        return moment.date()
    local = moment if moment.tzinfo is None else moment.astimezone(zone).replace(tzinfo=None)
    start = day.begins_at
    local -= timedelta(hours=start.hour, minutes=start.minute, seconds=start.second)
    if day.stamp == "end":
        local -= timedelta(microseconds=1)
    return local.date()


def _microseconds(moment: datetime | None) -> int:
    if moment is None:
        return 0
    naive = moment if moment.tzinfo is None else moment.replace(tzinfo=None) - (moment.utcoffset() or timedelta())
    return (naive - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001 # of the feed's own clock


def _refuse_another_order(
    found: RowDays,
    numbers: Positions,
    words: Sequence[str],
    at: npt.NDArray[np.int64],
    formats: Sequence[DayFormat],
    source: str,
) -> None:
    declared = " or ".join(each.declared for each in formats[:3])
    without = np.flatnonzero(np.isnat(found.days))

    def refusal(row: int, problem: str) -> FeedDocumentError:
        return FeedDocumentError(
            source,
            f"the date {found.text(row)[:40]!r} of row {int(numbers[row])}, read as {declared}, {problem}",
            "Declare the format that the feed is written in (FORECASTING_FEED_DATE_FORMAT, or day.format in its "
            "description), or have the publisher mend the dates.",
        )

    swapped = {word for word in np.unique(at[without]).tolist() if any(each.swapped(words[word]) for each in formats)}
    if swapped:
        row = next(row for row in without.tolist() if at[row] in swapped)
        raise refusal(row, "names no day, and would with day and month swapped")
    if len(without) * 2 > len(found.days):
        raise refusal(int(without[0]), f"names no day, as in {len(without):,} of {len(found.days):,} rows")
    if any(each.may_be_swapped for each in formats):
        _refuse_unlikely_days(found, refusal)


def _refuse_unlikely_days(found: RowDays, refusal: Callable[[int, str], FeedDocumentError]) -> None:
    """Refuse a document of which some days, or most steps from day to day, make sense only the other way round."""
    rows = np.flatnonzero(~np.isnat(found.days))
    # Rows of one day in a row say no more than one.
    rows = rows[np.append(True, found.days[rows][1:] != found.days[rows][:-1])] if len(rows) else rows
    days = found.days[rows]
    if len(days) < 2:
        return
    before, after = np.append(NO_DAY, days[:-1]), np.append(days[1:], NO_DAY)
    swapped = np.array([_other_way(day) for day in days.tolist()], dtype="datetime64[D]")
    fits = _is_beside(swapped, before) | _is_beside(swapped, after)
    only_swapped = fits & ~_is_beside(days, before) & ~_is_beside(days, after)
    if only_swapped.any():
        row = int(rows[only_swapped.argmax()])
        raise refusal(row, "fits the rows around it only with day and month swapped")
    months = days.astype("datetime64[M]")
    is_month = (np.abs(np.diff(months.astype(np.int64))) == 1) & (np.diff((days - months).astype(np.int64)) == 0)
    # A single gap of exactly a month is possible; a document made of them is written the other way round.
    if is_month.sum() * 2 > len(is_month):
        problem = f"lies a month from the row before, as do {is_month.sum():,} of {len(is_month):,} rows"
        raise refusal(int(rows[is_month.argmax() + 1]), problem)


def _other_way(day: date) -> date | None:
    return day.replace(month=day.day, day=day.month) if day.day <= 12 else None


def _is_beside(days: Days, others: Days) -> npt.NDArray[np.bool_]:
    return np.abs((days - others).astype("timedelta64[D]")) == np.timedelta64(1, "D")
