"""Deletes outdated rows, documents and logs once a day. docs/growth.md says what grows and what is never deleted."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from forecasting_platform.adapters.postgres.retention import days_kept, delete_outdated
from forecasting_platform.feed_wiring import archive_of
from forecasting_platform.orchestration.mounting.copies import copied_op
from forecasting_platform.orchestration.names import part_name
from forecasting_platform.settings import Settings

_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dg.op(out=dg.Out(dg.Nothing), description="Deletes outdated predictions, refused rows, incidents, messages and mutes.")
def outdated_rows(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Always in Postgres, which holds the prediction log and the ledger of any table store."""
    dsn, schema = settings.require_postgres_dsn(), settings.postgres_schema
    deleted = delete_outdated(dsn, days_kept(settings), datetime.now(UTC), schema=schema)
    context.add_output_metadata(deleted)


@dg.op(out=dg.Out(dg.Nothing), description="Deletes kept feed documents that no load has used for long.")
def outdated_documents(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """In a folder or an object store."""
    archive = archive_of(settings)
    context.add_output_metadata({"documents": archive.remove_old() if archive else 0})


@dg.op(out=dg.Out(dg.Nothing), description="Deletes what old runs wrote to their output.")
def outdated_run_logs(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Only folders of this machine: an object store has lifecycle rules of its own."""
    logs = context.instance.compute_log_manager
    deleted = 0
    if isinstance(logs, LocalComputeLogManager):
        folder = Path(logs.get_captured_local_path(["run"], "out")).parent
        before = datetime.now(UTC) - timedelta(days=settings.run_log_days)
        for run_id in outdated_runs(folder, before):
            logs.delete_logs(prefix=[run_id])
            deleted += 1
    context.add_output_metadata({"runs": deleted})


def outdated_runs(folder: Path, before: datetime) -> list[str]:
    """The runs whose log folder was last changed before a time; empty without a folder."""
    found = folder.iterdir() if folder.exists() else ()
    return [run.name for run in found if _RUN_ID.fullmatch(run.name) and run.stat().st_mtime < before.timestamp()]


@dg.job(description="Delete what is outdated by FORECASTING_…_DAYS; nothing that forecasts or decisions rest on.")
def retention_job() -> None:
    """The three steps are independent: a failure of one does not stop the others."""
    outdated_rows()
    outdated_documents()
    outdated_run_logs()


@dg.sensor(job=retention_job, minimum_interval_seconds=3600, default_status=dg.DefaultSensorStatus.RUNNING)
def retention_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Requests the deletion once a day, from the day after its first tick."""
    today = datetime.now(UTC).date().isoformat()
    if context.cursor in {None, today}:
        context.update_cursor(today)
        return dg.SkipReason(f"{today} has had its turn")
    context.update_cursor(today)
    return dg.RunRequest(run_key=f"retention-{today}")


def mounted_retention_job(mount: str) -> dg.JobDefinition:
    """The job under a platform's name; the output of runs is the instance's, which others share."""
    ops = [copied_op(mount, op) for op in (outdated_rows, outdated_documents)]
    name, description = part_name(mount, retention_job.name), retention_job.description
    return dg.GraphDefinition(name, node_defs=ops).to_job(
        name=name, description=description, executor_def=dg.in_process_executor
    )
