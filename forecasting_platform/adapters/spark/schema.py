"""DDL of the tables of `forecasting.series.frames` in Hive: logs of batches, and one view per table over its log.

A log is an external table partitioned by `batch`; each batch is one directory of Parquet files. `spark.table_log`
commits batches.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from forecasting_platform.forecasting.series.frames import (
    DERIVED_TABLES,
    OBSERVATIONS,
    PLANNED_VALUES,
    PREDICTION_LOG,
    QUARANTINED_OBSERVATIONS,
    REPLACEABLE_TABLES,
)
from forecasting_platform.forecasting.series.table import Column, Kind, Table

TABLES = (OBSERVATIONS, PLANNED_VALUES, QUARANTINED_OBSERVATIONS, *DERIVED_TABLES, PREDICTION_LOG)

_TYPES: dict[Kind, str] = {
    "text": "STRING",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "float": "DOUBLE",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
}


@dataclass(frozen=True, slots=True)
class Log:
    """One log of batches.

    Attributes:
        columns: of its Parquet files.
        replaces_days: a day's rows are those of the newest batch that contains the day. Otherwise the table is the
            distinct rows of all batches.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    day_column: str
    replaces_days: bool = False


# One log for observations and refused rows, so that a load commits both at once. Only refused rows have a fingerprint.
_LOADS = Log(
    f"{OBSERVATIONS.name}_batches",
    "Loads: observations, and the feed rows refused with them (those have a fingerprint).",
    tuple({c.name: c for c in (*QUARANTINED_OBSERVATIONS.columns, *OBSERVATIONS.columns)}.values()),
    OBSERVATIONS.day_column,
)
# By name: a table may be read with fewer columns.
_LOGS = {
    OBSERVATIONS.name: _LOADS,
    QUARANTINED_OBSERVATIONS.name: _LOADS,
    **{
        table.name: Log(
            f"{table.name}_batches",
            f"Batches of {table.name}; where days are replaced, the newest holds all of a day or a row without series.",
            table.columns,
            table.day_column,
            replaces_days=table in REPLACEABLE_TABLES,
        )
        for table in (PLANNED_VALUES, *DERIVED_TABLES, PREDICTION_LOG)
    },
}
LOGS: tuple[Log, ...] = tuple(dict.fromkeys(_LOGS.values()))
"""All logs, without repetition."""

_ONLY = {OBSERVATIONS.name: "fingerprint IS NULL", QUARANTINED_OBSERVATIONS.name: "fingerprint IS NOT NULL"}


def rows_of(table: Table) -> str:
    """SQL condition that selects a table's rows from its log."""
    return _ONLY.get(table.name, "unique_id IS NOT NULL")


def log_of(table: Table) -> Log:
    """The log that holds a table's rows."""
    return _LOGS[table.name]


def log_creation(log: Log, database: str) -> str:
    """DDL that creates a log; `location`, its directory, is a query parameter."""
    return (
        f"CREATE TABLE IF NOT EXISTS `{database}`.`{log.name}` ({_declared(log.columns)}) "
        f"PARTITIONED BY (batch BIGINT) STORED AS PARQUET LOCATION :location COMMENT {_text(log.description)}"
    )


def log_widening(log: Log, database: str, present: Sequence[str]) -> str | None:
    """DDL that adds the columns that a log of an earlier release lacks, None if it has all.

    Args:
        present: the columns of the existing log.
    """
    missing = [column for column in log.columns if column.name not in present]
    return f"ALTER TABLE `{database}`.`{log.name}` ADD COLUMNS ({_declared(missing)})" if missing else None


def _declared(columns: Iterable[Column]) -> str:
    return ", ".join(f"`{c.name}` {_TYPES[c.kind]} COMMENT {_text(c.description)}" for c in columns)


def view_creations(database: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the DDL of each view."""
    for table in TABLES:
        yield table.name, _view(database, table.name, table.description, _rows(table, database))
    newest = "unique_id, ds, max_by(y, available_at) AS y, max(available_at) AS available_at"
    grouped = f"`{database}`.`{OBSERVATIONS.name}` GROUP BY unique_id, ds"
    yield (
        "observations",
        _view(database, "observations", "The newest version of each series and day.", _select(newest, grouped)),
    )


def _rows(table: Table, database: str) -> str:
    log = log_of(table)
    columns = ", ".join(f"`{name}`" for name in table.column_names)
    source = f"`{database}`.`{log.name}`"
    if not log.replaces_days:
        # At the end of a compaction a row is in two batches for a moment.
        return _select(f"DISTINCT {columns}", f"{source} WHERE {rows_of(table)}")
    ranked = _select(f"*, max(batch) OVER (PARTITION BY `{log.day_column}`) AS newest_batch", source)
    return _select(columns, f"({ranked}) WHERE batch = newest_batch AND {rows_of(table)}")


def _select(columns: str, source: str) -> str:
    return f"SELECT {columns} FROM {source}"  # noqa: S608 - made of this module's own names


def _view(database: str, name: str, description: str, query: str) -> str:
    return f"CREATE OR REPLACE VIEW `{database}`.`{name}` COMMENT {_text(description)} AS {query}"


def _text(literal: str) -> str:
    escaped = literal.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
