"""The store of observations, features and forecasts.

Promises that every adapter keeps, numbered; the contract suite has a test for each:

1. What was written is read back: columns, dtypes, nulls, order by key.
2. Recording the same values again adds no row; a changed value adds one version and keeps the old.
3. Replacing twice leaves one copy; replacing one day leaves the others. A forecast that was recorded never changes, nor
   does which of several was issued first.
4. A write that fails leaves what was there, whole.
5. Wrong columns, kinds, repeated keys, days outside the range, names that `series_name_problem` refuses and values
   beyond `MAX_VALUE` are refused by name before any write.
6. Any legal name is a `unique_id`: unicode, quotes, slashes, reserved words.
7. Two writers of different days both survive; of the same day, one whole version does.
8. A store that does not answer raises `StoreUnavailableError`; an empty range is an empty frame.
9. Reading `as_of` a time gives exactly what was known then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import pandas as pd

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.table import Table

COUNTS = ("new", "revised", "unchanged", "quarantined")
OUTCOMES = COUNTS[:3]
"""What may become of a value; what was quarantined is none."""


def _of_no_series() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="int64") for name in OUTCOMES}, index=pd.Index([], name="unique_id"))


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What recording a range of observations did.

    Attributes:
        by_day: one row for each day of the range, indexed by `datetime.date`, with the integer
            columns `new`, `revised`, `unchanged` and `quarantined`. A refused row whose day could
            not be read counts only in `quarantined_without_day`.
        quarantined_without_day: refused rows without a readable day.
        by_series: one row for each series that has a value of the range, indexed by `unique_id`, with the integer
            columns `new`, `revised` and `unchanged`.
    """

    by_day: pd.DataFrame
    quarantined_without_day: int = 0
    by_series: pd.DataFrame = field(default_factory=_of_no_series)

    @property
    def totals(self) -> dict[str, int]:
        """Rows over the whole range, by what happened to them."""
        totals = {name: int(self.by_day[name].sum()) for name in COUNTS}
        totals["quarantined"] += self.quarantined_without_day
        return totals

    @property
    def empty_days(self) -> frozenset[date]:
        """The days of the range for which nothing was given, neither a value nor a refused row."""
        return frozenset(self.by_day.index[~self.by_day.any(axis=1)])


class TableStore(Protocol):
    """Tables of `forecasting.frames`, written by ranges of days."""

    def prepare(self) -> None:
        """Create what is missing of the schema; what is there stays. Safe to call at once from many processes."""
        ...

    def record_observations(
        self,
        observations: pd.DataFrame,
        period: DateRange,
        *,
        available_at: datetime,
        quarantined: pd.DataFrame | None = None,
    ) -> LoadReport:
        """Add what is new or changed in `observations`, and the refused rows, in one transaction.

        Args:
            observations: `unique_id`, `ds`, `y`; one row per series and day, all days in `period`. A
                day or series absent here keeps what it has.
            available_at: aware; becomes the new rows' `available_at`. Later than every version there
                is of the same series and day, or the write is refused.
            quarantined: rows of `QUARANTINED_OBSERVATIONS` without `fingerprint` and `available_at`;
                one seen before is not added again, but counts in the report.

        Raises:
            InvalidFrameError: promise 5.
            StoreUnavailableError: promise 8.
        """
        ...

    def record_plans(self, planned: pd.DataFrame, *, available_at: datetime) -> int:
        """Add to `PLANNED_VALUES` what is new or says something else than before, in one transaction; the rows added.

        Args:
            planned: `unique_id`, `ds`, `y`; one row per series and day. A day absent here keeps what it has.
            available_at: aware; becomes the new rows' `available_at`. A version known later stays the newest.

        Raises:
            InvalidFrameError: promise 5.
            StoreUnavailableError: promise 8.
        """
        ...

    def read_observations(
        self,
        period: DateRange | None = None,
        *,
        unique_ids: Sequence[str] | None = None,
        as_of: datetime | None = None,
    ) -> pd.DataFrame:
        """The newest version of each series and day (as of a time): the columns of `OBSERVATIONS`,
        ordered by `unique_id`, `ds`. Without a period, every day there is.
        """
        ...

    def replace(self, table: Table, rows: pd.DataFrame | Iterable[pd.DataFrame], period: DateRange) -> int:
        """Make `rows` all that `table` holds for the days of `period`; the number of rows written.

        Args:
            table: one of `REPLACEABLE_TABLES`.
            rows: a frame, or parts of one, of different series each, which may be read more than once; a store that can
                holds one part in memory.
        """
        ...

    def record_forecasts(self, forecasts: pd.DataFrame) -> int:
        """Add what was not issued before (`newly_issued`), in one transaction; the rows added.

        Args:
            forecasts: rows of `FORECASTS`. Those of a series, cutoff and model version that has forecasts already are
                ignored, whatever they say; `issued_at` of the others is raised where it is no later than that of
                another version's.
        """
        ...

    def append(self, table: Table, rows: pd.DataFrame) -> int:
        """Add rows to `PREDICTION_LOG`; a key that is there already is kept as it is. The rows added."""
        ...

    def read(
        self, table: Table, period: DateRange | None = None, *, unique_ids: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """The rows whose `day_column` lies in `period` (all without one), ordered by key.

        Args:
            table: any, `PREDICTION_ERRORS` too, which is made of others when it is read. Of one with fewer columns
                (`Table.only`) only those are read; so do `read_newest`, `count` and `span`.
        """
        ...

    def read_newest(
        self, table: Table, *, at_or_before: date | None = None, unique_ids: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """For each series its row of `table` (keyed by `unique_id` and day) of the newest day at or
        before the given one, ordered by `unique_id`; a series without such a row is absent.
        """
        ...

    def count(self, table: Table, period: DateRange) -> int:
        """How many rows there are of these days.

        Of a table that only grows, such as `OBSERVATIONS` and `FORECASTS`, the same number twice means that nothing was
        added in between.
        """
        ...

    def span(self, table: Table, *, unique_ids: Sequence[str] | None = None) -> DateRange | None:
        """The first and last `day_column` there is (of some series), None where there is no row."""
        ...

    def close(self) -> None:
        """Give back connections; the store may not be used afterwards."""
        ...
