"""A table store in memory, for fast tests; also the shortest description of what the port means."""

import threading
from collections.abc import Iterable, Sequence
from datetime import date, datetime

import pandas as pd

from forecasting_platform.adapters.table_writes import (
    check_addition,
    check_load,
    check_plans,
    conform,
    one_replacement,
    plans_to_add,
    versions_to_add,
)
from forecasting_platform.forecasting.models.issuing import newly_issued
from forecasting_platform.forecasting.monitoring.prediction_errors import match_predictions
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import (
    FORECASTS,
    OBSERVATIONS,
    PLANNED_VALUES,
    PREDICTION_ERRORS,
    PREDICTION_LOG,
    QUARANTINED_OBSERVATIONS,
)
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.ports.table_store import LoadReport


class MemoryTableStore:
    """The `TableStore` port on frames in this process; safe for threads."""

    def __init__(self) -> None:
        self._tables: dict[str, pd.DataFrame] = {}
        self._lock = threading.RLock()

    def prepare(self) -> None:
        """Nothing to create."""

    def record_observations(
        self,
        observations: pd.DataFrame,
        period: DateRange,
        *,
        available_at: datetime,
        quarantined: pd.DataFrame | None = None,
    ) -> LoadReport:
        """See `TableStore`."""
        load = check_load(observations, period, available_at, quarantined)
        with self._lock:
            added, report = versions_to_add(load, self.read_observations(period))
            self._add(OBSERVATIONS, added)
            self._add(QUARANTINED_OBSERVATIONS, load.refused)
        return report

    def record_plans(self, planned: pd.DataFrame, *, available_at: datetime) -> int:
        """See `TableStore`."""
        plans = check_plans(planned, available_at)
        with self._lock:
            return self._add(PLANNED_VALUES, plans_to_add(plans, self.read(PLANNED_VALUES)))

    def read_observations(
        self,
        period: DateRange | None = None,
        *,
        unique_ids: Sequence[str] | None = None,
        as_of: datetime | None = None,
    ) -> pd.DataFrame:
        """See `TableStore`."""
        versions = self.read(OBSERVATIONS, period, unique_ids=unique_ids)
        if as_of is not None:
            versions = versions[versions["available_at"] <= as_of]
        return versions.drop_duplicates(["unique_id", "ds"], keep="last").reset_index(drop=True)

    def replace(self, table: Table, rows: pd.DataFrame | Iterable[pd.DataFrame], period: DateRange) -> int:
        """See `TableStore`."""
        replacement = one_replacement(table, rows, period)
        with self._lock:
            held = self._held(table)
            is_replaced = _lies_in(held[table.day_column], period)
            self._tables[table.name] = pd.concat([held[~is_replaced], replacement], ignore_index=True)
        return len(replacement)

    def record_forecasts(self, forecasts: pd.DataFrame) -> int:
        """See `TableStore`."""
        issued = conform(FORECASTS, forecasts)
        with self._lock:
            return self._add(FORECASTS, newly_issued(issued, self._held(FORECASTS)))

    def append(self, table: Table, rows: pd.DataFrame) -> int:
        """See `TableStore`."""
        addition = check_addition(table, rows)
        with self._lock:
            return self._add(table, addition)

    def read(
        self, table: Table, period: DateRange | None = None, *, unique_ids: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `TableStore`."""
        rows = self._held(table)[table.column_names]
        if period is not None:
            rows = rows[_lies_in(rows[table.day_column], period)]
        if unique_ids is not None:
            rows = rows[rows["unique_id"].isin(list(unique_ids))]
        return rows.sort_values(list(table.key), kind="stable", ignore_index=True)

    def read_newest(
        self, table: Table, *, at_or_before: date | None = None, unique_ids: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `TableStore`."""
        rows = self.read(table, unique_ids=unique_ids)
        if at_or_before is not None:
            rows = rows[rows[table.day_column] <= pd.Timestamp(at_or_before)]
        return rows.drop_duplicates("unique_id", keep="last").reset_index(drop=True)

    def count(self, table: Table, period: DateRange) -> int:
        """See `TableStore`."""
        return int(_lies_in(self._held(table)[table.day_column], period).sum())

    def span(self, table: Table, *, unique_ids: Sequence[str] | None = None) -> DateRange | None:
        """See `TableStore`."""
        days = self.read(table, unique_ids=unique_ids)[table.day_column]
        return DateRange(days.min().date(), days.max().date()) if len(days) else None

    def close(self) -> None:
        """Nothing to give back."""

    def _held(self, table: Table) -> pd.DataFrame:
        if table == PREDICTION_ERRORS:
            return match_predictions(self._held(PREDICTION_LOG), self._held(OBSERVATIONS))
        with self._lock:
            held = self._tables.get(table.name)
        return table.empty() if held is None else held

    def _add(self, table: Table, rows: pd.DataFrame) -> int:
        """Add the rows whose key is not there yet; how many were."""
        held = self._held(table)
        together = pd.concat([held, rows], ignore_index=True).drop_duplicates(list(table.key), ignore_index=True)
        self._tables[table.name] = together
        return len(together) - len(held)


def _lies_in(days: pd.Series, period: DateRange) -> pd.Series:
    return days.between(pd.Timestamp(period.start), pd.Timestamp(period.end))
