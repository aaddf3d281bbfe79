"""The tables of `forecasting.frames` in Hive: logs of batches, and a view over each that shows its rows.

A log is an external table partitioned by `batch`, one directory of Parquet a batch. How batches are
committed is `spark.table_log`'s.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from forecasting_platform.forecasting.series.frames import (
    DERIVED_TABLES,
    OBSERVATIONS,
    PREDICTION_LOG,
    QUARANTINED_OBSERVATIONS,
    REPLACEABLE_TABLES,
)
from forecasting_platform.forecasting.series.table import Column, Kind, Table

TABLES = (OBSERVATIONS, QUARANTINED_OBSERVATIONS, *DERIVED_TABLES, PREDICTION_LOG)

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
        columns: those of its Parquet files.
        replaces_days: whether the newest batch that holds a day holds all of it; otherwise every row
            of every batch counts, once.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    day_column: str
    replaces_days: bool = False


# One log for both, so that a load and what it refused are one commit. A refused row has a fingerprint.
_LOADS = Log(
    f"{OBSERVATIONS.name}_batches",
    "Loads: observations, and the feed rows refused with them (those have a fingerprint).",
    tuple({c.name: c for c in (*QUARANTINED_OBSERVATIONS.columns, *OBSERVATIONS.columns)}.values()),
    OBSERVATIONS.day_column,
)
_LOGS = {
    OBSERVATIONS: _LOADS,
    QUARANTINED_OBSERVATIONS: _LOADS,
    **{
        table: Log(
            f"{table.name}_batches",
            f"Batches of {table.name}; where days are replaced, the newest holds all of a day or a row without series.",
            table.columns,
            table.day_column,
            replaces_days=table in REPLACEABLE_TABLES,
        )
        for table in (*DERIVED_TABLES, PREDICTION_LOG)
    },
}
LOGS: tuple[Log, ...] = tuple(dict.fromkeys(_LOGS.values()))
"""Every log, once."""

ONLY: dict[Table, str] = {
    OBSERVATIONS: "fingerprint IS NULL",
    QUARANTINED_OBSERVATIONS: "fingerprint IS NOT NULL",
    **dict.fromkeys((*DERIVED_TABLES, PREDICTION_LOG), "unique_id IS NOT NULL"),
}
"""Which rows of its log are a table's."""


def log_of(table: Table) -> Log:
    """The log that holds a table's rows."""
    return _LOGS[table]


def log_creation(log: Log, database: str) -> str:
    """DDL of a log; the parameter `location` is its directory."""
    return (
        f"CREATE TABLE IF NOT EXISTS `{database}`.`{log.name}` ({_declared(log.columns)}) "
        f"PARTITIONED BY (batch BIGINT) STORED AS PARQUET LOCATION :location COMMENT {_text(log.description)}"
    )


def log_widening(log: Log, database: str, present: Sequence[str]) -> str | None:
    """DDL that adds the columns that a log of an earlier release lacks; None where it lacks none.

    Args:
        present: the columns that it has.
    """
    missing = [column for column in log.columns if column.name not in present]
    return f"ALTER TABLE `{database}`.`{log.name}` ADD COLUMNS ({_declared(missing)})" if missing else None


def _declared(columns: Iterable[Column]) -> str:
    return ", ".join(f"`{c.name}` {_TYPES[c.kind]} COMMENT {_text(c.description)}" for c in columns)


def view_creations(database: str) -> Iterator[tuple[str, str]]:
    """Each view's name and DDL."""
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
        # While a compaction ends, a row stands in two batches.
        return _select(f"DISTINCT {columns}", f"{source} WHERE {ONLY[table]}")
    ranked = _select(f"*, max(batch) OVER (PARTITION BY `{log.day_column}`) AS newest_batch", source)
    return _select(columns, f"({ranked}) WHERE batch = newest_batch AND {ONLY[table]}")


def _select(columns: str, source: str) -> str:
    return f"SELECT {columns} FROM {source}"  # noqa: S608 - made of this module's own names


def _view(database: str, name: str, description: str, query: str) -> str:
    return f"CREATE OR REPLACE VIEW `{database}`.`{name}` COMMENT {_text(description)} AS {query}"


def _text(literal: str) -> str:
    escaped = literal.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
