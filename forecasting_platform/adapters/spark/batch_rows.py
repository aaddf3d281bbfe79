"""Rows of a table as the batches that a log keeps, and how some of them are picked."""

from collections.abc import Callable, Sequence

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as sql

from forecasting_platform.adapters.spark.arrow_frames import to_arrow
from forecasting_platform.adapters.spark.schema import (
    log_of,
)
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.table import Table

Query = Callable[[DataFrame], DataFrame]


def of_series(unique_ids: Sequence[str] | None) -> Query:
    """Keeps the rows of some series; all of them without any."""
    if unique_ids is None:
        return lambda rows: rows
    wanted = list(unique_ids)
    return lambda rows: rows.where(sql.col("unique_id").isin(wanted))


def batch_of(table: Table, *frames: pd.DataFrame) -> pa.Table:
    """Convert frames to one batch of the table's log."""
    return pa.concat_tables([to_arrow(log_of(table).columns, rows) for rows in frames])


def whole_days(table: Table, rows: pd.DataFrame, period: DateRange) -> pa.Table:
    """A batch with all rows of a period; a day without rows is a row without series."""
    empty = sorted(set(pd.date_range(period.start, period.end)) - set(rows[table.day_column]))
    days_without = pd.DataFrame({table.day_column: pd.Series(empty, dtype="datetime64[ns]")})
    return batch_of(table, rows, days_without)
