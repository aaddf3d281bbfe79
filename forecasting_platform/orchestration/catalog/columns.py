"""Columns as Dagster shows them, from the tables that are declared once in `forecasting.series.frames`."""

from collections.abc import Sequence

import dagster as dg

from forecasting_platform.forecasting.series.frames import FORECASTS, OBSERVATIONS
from forecasting_platform.forecasting.series.table import Column, Table

NOT_ANSWERED = {"model_version", "issued_at"}


def table_schema(table: Table) -> dg.TableSchema:
    """The columns of a stored table, each with its description and constraints, and the key.

    >>> table_schema(OBSERVATIONS).constraints.other[0]
    'key: unique_id, ds, available_at'
    """
    return dg.TableSchema(
        columns=[_column(column, is_key=column.name in table.key) for column in table.columns],
        constraints=dg.TableConstraints(other=[f"key: {', '.join(table.key)}", f"read by: {table.day_column}"]),
    )


def _column(column: Column, *, is_key: bool = False) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=column.nullable, other=["part of the key"] if is_key else None)
    return dg.TableColumn(column.name, column.kind, column.description, constraints)


def _schema(columns: Sequence[Column]) -> dg.TableSchema:
    return dg.TableSchema(columns=[_column(column) for column in columns])


FEED_SCHEMA = _schema([column for column in OBSERVATIONS.columns if column.name != "available_at"])
"""What is read of a feed, whatever its own layout is."""

MODEL_SCHEMA = _schema([column for column in FORECASTS.columns if column.name not in NOT_ANSWERED])
"""What a model version answers with."""

DECISION_SCHEMA = _schema(
    [
        Column("decision_id", "integer", "The decision's number in the ledger."),
        Column("verdict", "text", "`promote`, `refresh`, `hold`, `reject`, `rollback` or `override`."),
        Column("reason", "text", "Why, in a sentence."),
        Column("challenger_version", "text", "The version that was judged, or is served again."),
        Column("champion_version", "text", "The champion at that time.", nullable=True),
        Column("challenger_cutoff", "date", "Last day the judged version learned from."),
        Column("decided_at", "timestamp", "When it was decided."),
        Column("decided_by", "text", "`promotion_sensor`, a person, or a command."),
        Column("evidence", "text", "Inputs, policy, statistics and provenance: a JSON object."),
        Column("previous_hash", "text", "Hash of the entry before it.", nullable=True),
        Column("entry_hash", "text", "Hash of this entry, which the next one holds.", nullable=True),
    ]
)
"""`promotion_decisions`, of which each materialization of `champion_model` adds a row."""
