"""The table store on Spark SQL and a Hive metastore.

`spark.schema` declares the tables, `spark.table_log` commits, `table_writes` checks what is written.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import TypeVar

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql

from forecasting_platform.adapters.spark.arrow_frames import by_key, from_arrow, last_of_each
from forecasting_platform.adapters.spark.batch_rows import Query, batch_of, of_series, whole_days
from forecasting_platform.adapters.spark.errors import SPARK_ERRORS, translated
from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.adapters.spark.schema import (
    LOGS,
    TABLES,
    Log,
    log_creation,
    log_of,
    log_widening,
    rows_of,
    view_creations,
)
from forecasting_platform.adapters.spark.session import spark_session
from forecasting_platform.adapters.spark.table_log import TableLog
from forecasting_platform.adapters.table_writes import (
    check_addition,
    check_load,
    check_plans,
    conform,
    one_replacement,
    plan_days,
    plans_to_add,
    versions_to_add,
)
from forecasting_platform.errors import StoreUnavailableError
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

ORPHAN_AGE = timedelta(days=1)

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")


class SparkTableStore:
    """The `TableStore` port on a Spark session, which the first use starts and the end of the process stops.

    Writers in this process take turns. A commit notices writers in other processes, and then repeats the write.
    Readers never wait.

    Args:
        options: where Spark and the tables are.
        database: name in the metastore.
        compact_at: number of batches of a log at which a write merges them and deletes old unused directories.
        start: returns the session.
    """

    def __init__(
        self,
        options: SparkOptions,
        *,
        database: str = "forecasting",
        compact_at: int = 64,
        start: Callable[[SparkOptions], SparkSession] = spark_session,
    ) -> None:
        self._options = options
        self._database = database
        self._compact_at = compact_at
        self._start = start
        self._writing = {log: threading.Lock() for log in LOGS}
        self._preparing = threading.Lock()

    def prepare(self) -> None:
        """See `TableStore`."""
        with self._preparing, self.translated(self._database):
            try:
                self._create_missing()
            except SPARK_ERRORS:
                # Another process may have created it after we looked.
                self._create_missing()

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

        def plan() -> tuple[pa.Table, LoadReport]:
            added, report = versions_to_add(load, self.read_observations(period))
            known = self._rows(QUARANTINED_OBSERVATIONS, None, of_series(None)) if len(load.refused) else None
            seen = [] if known is None else known["fingerprint"].to_pylist()
            refused = load.refused[~load.refused["fingerprint"].isin(seen)]
            return batch_of(OBSERVATIONS, added, refused), report

        return self._commit(OBSERVATIONS, plan)

    def record_plans(self, planned: pd.DataFrame, *, available_at: datetime) -> int:
        """See `TableStore`."""
        plans = check_plans(planned, available_at)

        def plan() -> tuple[pa.Table, int]:
            added = plans_to_add(plans, self.read(PLANNED_VALUES, plan_days(plans)))
            return batch_of(PLANNED_VALUES, added), len(added)

        return self._commit(PLANNED_VALUES, plan) if len(plans) else 0

    def read_observations(
        self,
        period: DateRange | None = None,
        *,
        unique_ids: Sequence[str] | None = None,
        as_of: datetime | None = None,
    ) -> pd.DataFrame:
        """See `TableStore`."""
        picked = of_series(unique_ids)
        known = picked if as_of is None else lambda rows: picked(rows).where(sql.col("available_at") <= sql.lit(as_of))
        # Revisions are few, so picking the newest of each day here is cheaper than a shuffle in Spark.
        versions = by_key(self._rows(OBSERVATIONS, period, known), OBSERVATIONS.key)
        return from_arrow(OBSERVATIONS, last_of_each(versions, ["unique_id", "ds"]))

    def replace(self, table: Table, rows: pd.DataFrame | Iterable[pd.DataFrame], period: DateRange) -> int:
        """See `TableStore`."""
        replacement = one_replacement(table, rows, period)
        return self._commit(table, lambda: (whole_days(table, replacement, period), len(replacement)))

    def record_forecasts(self, forecasts: pd.DataFrame) -> int:
        """See `TableStore`."""
        issued = conform(FORECASTS, forecasts)
        if issued.empty:
            return 0
        cutoffs = DateRange(issued["cutoff"].min().date(), issued["cutoff"].max().date())

        def plan() -> tuple[pa.Table, int]:
            added = newly_issued(issued, self.read(FORECASTS, cutoffs))
            return batch_of(FORECASTS, added), len(added)

        return self._commit(FORECASTS, plan)

    def append(self, table: Table, rows: pd.DataFrame) -> int:
        """See `TableStore`."""
        addition = check_addition(table, rows)

        def plan() -> tuple[pa.Table, int]:
            requests = addition["request_id"].unique().tolist()
            same = self._rows(table, None, lambda rows: rows.where(sql.col("request_id").isin(requests)))
            known = from_arrow(table, same)
            is_known = pd.MultiIndex.from_frame(addition[[*table.key]]).isin(
                pd.MultiIndex.from_frame(known[[*table.key]])
            )
            return batch_of(table, addition[~is_known]), int((~is_known).sum())

        return self._commit(table, plan) if len(addition) else 0

    def read(
        self, table: Table, period: DateRange | None = None, *, unique_ids: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `TableStore`."""
        if table == PREDICTION_ERRORS:
            log, versions = (self.read(of, period, unique_ids=unique_ids) for of in (PREDICTION_LOG, OBSERVATIONS))
            return match_predictions(log, versions)
        found = by_key(self._rows(table, period, of_series(unique_ids)), table.key)
        return from_arrow(table, last_of_each(found, table.key))

    def read_newest(
        self, table: Table, *, at_or_before: date | None = None, unique_ids: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `TableStore`."""
        until = None if at_or_before is None else DateRange(date.min, at_or_before)

        def newest(days: DataFrame) -> DataFrame:
            row = sql.max_by(sql.struct(*table.column_names), table.day_column).alias("newest")
            return of_series(unique_ids)(days).groupBy("unique_id").agg(row).select("newest.*")

        return from_arrow(table, by_key(self._rows(table, until, newest), table.key))

    def count(self, table: Table, period: DateRange) -> int:
        """See `TableStore`."""
        with self.translated(table.name):
            rows, (first, last) = self.frame(table), (period.start.isoformat(), period.end.isoformat())
            return rows.where(sql.col(table.day_column).between(first, last)).count()

    def span(self, table: Table, *, unique_ids: Sequence[str] | None = None) -> DateRange | None:
        """See `TableStore`."""
        with self.translated(table.name):
            rows, day = of_series(unique_ids)(self.frame(table)), table.day_column  # first: it starts the session
            found = rows.agg(sql.min(day).alias("first"), sql.max(day).alias("last")).collect()[0]
        return DateRange(found["first"], found["last"]) if found["first"] is not None else None

    def frame(self, table: Table) -> DataFrame:
        """The table as a Spark frame, for work that Spark does itself."""
        return self._session().table(f"`{self._database}`.`{table.name}`")

    def compact(self) -> None:
        """Merge the batches of each log into one; see `TableLog.compact`."""
        for log in LOGS:
            with self._writing[log], self.translated(log.name):
                self._table_log(log).compact()

    def clean_up(self, age: timedelta = ORPHAN_AGE) -> int:
        """Delete unused directories older than `age`; returns their number. See `TableLog.clean_up`."""
        with self.translated(self._database):
            return sum(log.clean_up(age) for log in self.table_logs())

    def table_logs(self) -> list[TableLog]:
        """All logs."""
        return [self._table_log(log) for log in LOGS]

    def close(self) -> None:
        """Does nothing: the session belongs to the process, and ends with it."""

    def _commit(self, table: Table, plan: Callable[[], tuple[pa.Table, _T]]) -> _T:
        log = self._table_log(log_of(table))
        with self._writing[log.log]:
            with self.translated(table.name):
                result = log.commit(plan)
            self._merge_many(log)
            return result

    def _merge_many(self, log: TableLog) -> None:
        """Merge the batches if there are many. A failure leaves the write in place; the next write tries again."""
        try:
            with self.translated(log.log.name):
                if len(log.batches()) >= self._compact_at:
                    log.compact()
                    log.clean_up(ORPHAN_AGE)
        except StoreUnavailableError as error:
            _logger.warning("the batches of %s were not merged: %s", log.log.name, error)

    def _rows(self, table: Table, period: DateRange | None, query: Query) -> pa.Table:
        """Run `query` on the table's rows of these days; the order is undefined.

        At the end of a compaction, a row of a log that only grows may appear twice.
        """
        log = self._table_log(log_of(table))

        def rows(days: DataFrame) -> DataFrame:
            return query(days.where(rows_of(table))).select(table.column_names)

        with self.translated(table.name):
            return log.read_days(period, rows) if log.log.replaces_days else rows(log.scan(period)).toArrow()

    def _create_missing(self) -> None:
        spark = self._session()
        spark.sql(f"CREATE DATABASE IF NOT EXISTS `{self._database}` LOCATION :location", args={"location": self._root})
        present = {found.tableName for found in spark.sql(f"SHOW TABLES IN `{self._database}`").collect()}
        for log in LOGS:
            if log.name not in present:
                spark.sql(log_creation(log, self._database), args={"location": self._directory(log)})
            elif widening := log_widening(log, self._database, spark.table(f"`{self._database}`.`{log.name}`").columns):
                spark.sql(widening)
                # Views of the log have the old columns, so they are created again.
                present -= {table.name for table in TABLES if log_of(table) is log}
        for name, creation in view_creations(self._database):
            if name not in present:
                spark.sql(creation)

    def _table_log(self, log: Log) -> TableLog:
        return TableLog(self._session(), self._database, log, self._directory(log))

    def _session(self) -> SparkSession:
        with translated(self._options.place, "the session"):
            return self._start(self._options)

    @property
    def _root(self) -> str:
        return f"{self._options.warehouse_uri}/{self._database}"

    def _directory(self, log: Log) -> str:
        return f"{self._root}/{log.name}"

    @contextmanager
    def translated(self, subject: str) -> Iterator[None]:
        """Translate errors of Spark inside to those of the port; `subject` is the table, for messages."""
        with translated(self._options.place, subject):
            yield
