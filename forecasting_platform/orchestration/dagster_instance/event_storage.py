"""Dagster's event log in Postgres, which writes the planned events of a range of days in one batch.

Before a run starts, Dagster writes one event for each planned partition, in one transaction each: for 2,007 days of two
assets that takes longer than the load itself. Dagster's own storage already batches materializations
(`PostgresEventLogStorage.store_event_batch`); this does the same for planned ones. It uses private methods, so a test
compares the rows with those that Dagster writes, and the lock file pins Dagster.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dagster import DagsterEventType, EventLogEntry
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData, serialize_value
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config


class BulkPostgresEventLogStorage(PostgresEventLogStorage):
    """`PostgresEventLogStorage` that stores planned partitions in bulk."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "BulkPostgresEventLogStorage":
        """Build the storage from `dagster.yaml`; Dagster's own method returns its own class instead of `cls`."""
        return cls(
            inst_data=inst_data,
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            token_provider=get_token_provider_from_config(config_value),
        )

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store a batch: planned materializations in two transactions, all others as Dagster does."""
        planned = [event for event in events if _kind(event) == DagsterEventType.ASSET_MATERIALIZATION_PLANNED]
        others = [event for event in events if _kind(event) != DagsterEventType.ASSET_MATERIALIZATION_PLANNED]
        if planned:
            self._store_planned(planned)
        if others:
            super().store_event_batch(others)

    def _store_planned(self, events: Sequence[EventLogEntry]) -> None:
        statement = self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id)
        with self._connect() as connection:
            ids = [int(row[0]) for row in connection.execute(statement).fetchall()]
        numbered = zip(events, ids, strict=True)
        # An asset has one row, which knows its newest event: one update does for all days.
        newest = {event.get_dagster_event().asset_key: (event, number) for event, number in numbered}
        with self.index_transaction() as connection:
            self._store_asset_event_tags(connection, events, ids)
            for event, number in newest.values():
                self._store_asset_event(connection, event, number)

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        planned = event.get_dagster_event().event_specific_data
        assert isinstance(planned, AssetCheckEvaluationPlanned)  # noqa: S101 # what this kind of event carries
        partitions = planned.partitions_subset.get_partition_keys() if planned.partitions_subset else [None]
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            # Dagster serializes the event, which lists the range, once for each of its days.
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),  # type: ignore[no-untyped-call] # dagster's own
            "evaluation_event_storage_id": event_id,
        }
        with self.index_connection() as connection:
            connection.execute(
                AssetCheckExecutionsTable.insert(), [row | {"partition": partition} for partition in partitions]
            )


def _kind(event: EventLogEntry) -> DagsterEventType | None:
    return event.dagster_event_type
