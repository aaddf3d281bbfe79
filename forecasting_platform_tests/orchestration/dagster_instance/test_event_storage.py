"""Planned partitions stored in bulk leave what Dagster's own storage leaves, row for row."""

from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg import sql

from forecasting_platform.local.postgres.embedded_postgres import EmbeddedPostgres
from forecasting_platform.orchestration.partitions import RANGE_END, RANGE_START, one_run

pytestmark = pytest.mark.slow

DAILY = dg.DailyPartitionsDefinition(start_date="2018-01-01")
COLUMNS = {
    "event_logs": "dagster_event_type, asset_key, partition, step_key, run_id",
    "asset_keys": "asset_key, last_run_id, last_materialization",
    "asset_check_executions": "asset_key, check_name, partition, run_id, execution_status",
}


@dg.asset(partitions_def=DAILY, backfill_policy=one_run)
def first() -> None:
    """An asset of days."""


@dg.asset(partitions_def=DAILY, backfill_policy=one_run, deps=[first])
def second() -> None:
    """Another one."""


@dg.asset_check(asset=first)
def claim() -> dg.AssetCheckResult:
    """A claim about the first."""
    return dg.AssetCheckResult(passed=True)


def planned_rows(dsn: str, module: str, storage: str) -> dict[str, list[tuple[Any, ...]]]:
    url = dsn.replace("postgresql://", "postgresql+psycopg2://")
    overrides = {"event_log_storage": {"module": module, "class": storage, "config": {"postgres_url": url}}}
    job = dg.Definitions([first, second], asset_checks=[claim], jobs=[dg.define_asset_job("load")]).resolve_job_def(
        "load"
    )
    with dg.instance_for_test(overrides=overrides) as instance:
        assert type(instance.event_log_storage).__name__ == storage
        instance.create_run_for_job(
            job,
            run_id="6c7a2b1e-0000-4000-8000-000000000000",
            tags={RANGE_START: "2018-01-01", RANGE_END: "2018-02-09"},
        )
    with psycopg.connect(dsn) as connection:
        return {
            table: sorted(
                connection.execute(
                    sql.SQL("select {} from {}").format(sql.SQL(columns), sql.Identifier(table))
                ).fetchall(),
                key=str,
            )
            for table, columns in COLUMNS.items()
        }


@pytest.fixture
def batched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")


@pytest.mark.usefixtures("batched")
def test_bulk_and_stock_storage_leave_the_same_rows(embedded_postgres: EmbeddedPostgres) -> None:
    for name in ("stock_events", "bulk_events"):
        embedded_postgres.create_database(name)
    stock = planned_rows(embedded_postgres.dsn("stock_events"), "dagster_postgres.event_log", "PostgresEventLogStorage")
    bulk = planned_rows(
        embedded_postgres.dsn("bulk_events"),
        "forecasting_platform.orchestration.dagster_instance.event_storage",
        "BulkPostgresEventLogStorage",
    )
    assert sum(row[0] == "ASSET_MATERIALIZATION_PLANNED" for row in stock["event_logs"]) == 2 * 40
    assert bulk == stock
