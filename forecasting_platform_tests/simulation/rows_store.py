"""The simulation's table store: rows in dictionaries. The contract suite holds it to what the port promises."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from operator import itemgetter

import pandas as pd

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.adapters.postgres.schema import TABLES
from forecasting_platform.adapters.table_writes import check_load, conform, one_replacement, versions_to_add
from forecasting_platform.forecasting.models.issuing import newly_issued
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import (
    FORECASTS,
    OBSERVATIONS,
    PREDICTION_ERRORS,
    QUARANTINED_OBSERVATIONS,
    REPLACEABLE_TABLES,
)
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.ports.table_store import COUNTS, LoadReport
from forecasting_platform_tests.simulation.rows import (
    MAX_REMEMBERED,
    Row,
    Rows,
    RowsFrame,
    frame_of,
    nanoseconds,
    rows_of,
    within,
)

FED = replace(OBSERVATIONS, name="fed", columns=OBSERVATIONS.columns[:3], key=("unique_id", "ds"))
"""What the simulation's feed gives."""
WHOLE = {table.name: table for table in (FED, *TABLES)}
"""With all their columns, by name."""
MICROSECOND = 1_000


class RowsTableStore(MemoryTableStore):
    """As the memory store, much faster for few rows; what is no `RowsFrame` is checked and compared as it does.

    Args:
        shares: hand out the one frame of the same rows, which the caller does not change, instead of a copy.
    """

    def __init__(self, *, shares: bool = False) -> None:
        super().__init__()
        self._shares = shares
        self._rows: dict[str, dict[Row, Row]] = {}

    def rows(self, table: Table) -> Rows:
        """All rows, by key."""
        return tuple(self._rows.get(table.name, {}).values())

    def record_observations(
        self,
        observations: pd.DataFrame,
        period: DateRange,
        *,
        available_at: datetime,
        quarantined: pd.DataFrame | None = None,
    ) -> LoadReport:
        """See `TableStore`."""
        if not isinstance(observations, RowsFrame) or (quarantined is not None and len(quarantined)):
            load = check_load(observations, period, available_at, quarantined)
            with self._lock:
                added, report = versions_to_add(load, self.read_observations(period))
                self._insert(OBSERVATIONS, rows_of(OBSERVATIONS, added))
                self._insert(QUARANTINED_OBSERVATIONS, rows_of(QUARANTINED_OBSERVATIONS, load.refused))
            return report
        at, newest = nanoseconds(available_at), self._newest(period)
        if any(row[3] >= at for row in newest):
            # As a plain frame, some of which may be refused.
            plain = pd.DataFrame(observations)
            return self.record_observations(plain, period, available_at=available_at, quarantined=quarantined)
        loaded, outcomes = observations.rows, _outcomes(observations.rows, newest)
        self._insert(
            OBSERVATIONS,
            tuple((*row, at) for row, became in zip(loaded, outcomes, strict=True) if became != "unchanged"),
        )
        return _report(period, tuple(zip(outcomes, (row[1] for row in loaded), strict=True)))

    def read_observations(
        self,
        period: DateRange | None = None,
        *,
        unique_ids: Sequence[str] | None = None,
        as_of: datetime | None = None,
    ) -> pd.DataFrame:
        """See `TableStore`."""
        return self._frame(OBSERVATIONS, self._newest(period, unique_ids, as_of))

    def replace(self, table: Table, rows: pd.DataFrame, period: DateRange) -> int:
        """See `TableStore`."""
        day = table.column_names.index(table.day_column)
        if (
            table not in REPLACEABLE_TABLES
            or not _is_of(table, rows)
            or len(within(rows.rows, day, period)) < len(rows)
        ):
            replacement = rows_of(table, one_replacement(table, rows, period))
        else:
            replacement = rows.rows
        with self._lock:
            held = self.rows(table)
            inside = set(within(held, day, period))
            self._rows[table.name] = _by_key(table, (*(row for row in held if row not in inside), *replacement))
        return len(replacement)

    def record_forecasts(self, forecasts: pd.DataFrame) -> int:
        """See `TableStore`."""
        issued = forecasts.rows if _is_of(FORECASTS, forecasts) else rows_of(FORECASTS, conform(FORECASTS, forecasts))
        with self._lock:
            return self._insert(FORECASTS, _newly_issued(issued, self.rows(FORECASTS)))

    def read(
        self, table: Table, period: DateRange | None = None, *, unique_ids: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `TableStore`."""
        if table == PREDICTION_ERRORS:
            return super().read(table, period, unique_ids=unique_ids)
        if table not in WHOLE.values():
            return self.read(WHOLE[table.name], period, unique_ids=unique_ids)[table.column_names]
        return self._frame(table, self._asked(table, period, unique_ids))

    def read_newest(
        self, table: Table, *, at_or_before: date | None = None, unique_ids: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `TableStore`."""
        if table == PREDICTION_ERRORS:
            return super().read_newest(table, at_or_before=at_or_before, unique_ids=unique_ids)
        if table not in WHOLE.values():
            newest_rows = self.read_newest(WHOLE[table.name], at_or_before=at_or_before, unique_ids=unique_ids)
            return newest_rows[table.column_names]
        series, day = (table.column_names.index(name) for name in ("unique_id", table.day_column))
        last = None if at_or_before is None else nanoseconds(at_or_before)
        newest: dict[str, Row] = {}
        for row in self._asked(table, None, unique_ids):
            if last is None or row[day] <= last:
                newest.pop(row[series], None)
                newest[row[series]] = row
        return self._frame(table, tuple(newest.values()))

    def count(self, table: Table, period: DateRange) -> int:
        """See `TableStore`."""
        return len(self._asked(table, period, None)) if table != PREDICTION_ERRORS else super().count(table, period)

    def _newest(
        self, period: DateRange | None, unique_ids: Sequence[str] | None = None, as_of: datetime | None = None
    ) -> Rows:
        versions = self._asked(OBSERVATIONS, period, unique_ids)
        at = None if as_of is None else nanoseconds(as_of)
        return tuple({row[:2]: row for row in versions if at is None or row[3] <= at}.values())

    def _asked(self, table: Table, period: DateRange | None, unique_ids: Sequence[str] | None) -> Rows:
        rows, names = self.rows(table), table.column_names
        if period is not None:
            rows = within(rows, names.index(table.day_column), period)
        if unique_ids is not None:
            asked, series = set(unique_ids), names.index("unique_id")
            rows = tuple(row for row in rows if row[series] in asked)
        return rows

    def _frame(self, table: Table, rows: Rows) -> pd.DataFrame:
        return frame_of(table, rows) if self._shares else pd.DataFrame(frame_of(table, rows)).copy()

    def _held(self, table: Table) -> pd.DataFrame:
        return super()._held(table) if table == PREDICTION_ERRORS else self._frame(table, self.rows(table))

    def _add(self, table: Table, rows: pd.DataFrame) -> int:
        return self._insert(table, rows_of(table, rows))

    def _insert(self, table: Table, rows: Rows) -> int:
        """Add the rows whose key is not there yet; how many were."""
        with self._lock:
            before = self._rows.get(table.name, {})
            # The first of a key stays.
            after = _by_key(table, (*reversed(rows), *before.values()))
            self._rows[table.name] = after
        return len(after) - len(before)


def _by_key(table: Table, rows: Iterable[Row]) -> dict[Row, Row]:
    """Ordered by key; of several rows of one key the last."""
    key = itemgetter(*map(table.column_names.index, table.key))
    return dict(sorted({key(row): row for row in rows}.items(), key=itemgetter(0)))


def _is_of(table: Table, frame: pd.DataFrame) -> bool:
    return isinstance(frame, RowsFrame) and frame.table == table.name


def _outcomes(loaded: Rows, newest: Rows) -> list[str]:
    """What becomes of each loaded row."""
    known = {row[:2]: row[2] for row in newest}
    said = {None: "new", True: "unchanged", False: "revised"}
    return [said[known[row[:2]] == row[2] if row[:2] in known else None] for row in loaded]


@lru_cache(MAX_REMEMBERED)
def _report(period: DateRange, outcomes: tuple[tuple[str, int], ...]) -> LoadReport:
    counts = Counter(outcomes)
    days = list(period)
    by_day = {name: [counts[name, nanoseconds(day)] for day in days] for name in COUNTS}
    return LoadReport(pd.DataFrame(by_day, index=pd.Index(days, name="ds"), dtype="int64"))


def _newly_issued(issued: Rows, recorded: Rows) -> Rows:
    """`newly_issued`, which is asked only where a time must be raised."""
    known = {(*row[:2], row[3]) for row in recorded}
    newest: dict[Row, int] = {}
    for row in recorded:
        newest[row[:2]] = max(row[4], newest.get(row[:2], row[4]))
    if any(row[4] < newest.get(row[:2], 0) + MICROSECOND for row in issued if row[:2] in newest):
        raised = newly_issued(frame_of(FORECASTS, issued), frame_of(FORECASTS, recorded))
        return rows_of(FORECASTS, FORECASTS.conform(raised))
    return tuple(row for row in issued if (*row[:2], row[3]) not in known)
