"""What the event log says that alerts need: results of checks, and runs that succeeded after a failure."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from forecasting_platform.forecasting.alerts import Alert, Evaluation

OVERLAP_EVENTS = 200
"""Numbers of the event log may be committed out of order, so a few are read again; reading twice is harmless."""

MOST_EVENTS = 500


def check_evaluations(instance: dg.DagsterInstance, cursor: int) -> tuple[list[Evaluation], int]:
    """Results of checks after a cursor, and the cursor to go on from."""
    records = instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=max(0, cursor - OVERLAP_EVENTS)),
        limit=MOST_EVENTS,
        ascending=True,
    )
    newest = max((record.storage_id for record in records), default=cursor)
    return [_evaluation(record) for record in records], max(cursor, newest)


def _evaluation(record: dg.EventLogRecord) -> Evaluation:
    event = record.event_log_entry.get_dagster_event()
    found = event.asset_check_evaluation_data
    return Evaluation(
        fingerprint=f"{found.asset_key.to_user_string()}:{found.check_name}",
        event_id=record.storage_id,
        passed=found.passed,
        severity="error" if found.severity == dg.AssetCheckSeverity.ERROR else "warning",
        evaluated_at=datetime.fromtimestamp(record.event_log_entry.timestamp, UTC),
        summary=found.description or f"{found.check_name} {'passed' if found.passed else 'failed'}",
        link=f"/runs/{record.event_log_entry.run_id}",
    )


def recovered_runs(instance: dg.DagsterInstance, alerts: Mapping[str, Alert], prefix: str) -> list[Evaluation]:
    """A passed evaluation for each open run failure whose job has succeeded since."""
    recovered = []
    for alert in alerts.values():
        kind, _, job_name = alert.fingerprint.partition(":")
        if kind != prefix or alert.state != "FIRING":
            continue
        filters = dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.SUCCESS])
        newest = next(iter(instance.get_run_records(filters, limit=1)), None)
        if newest is not None and newest.storage_id > alert.last_event_id:
            summary = f"{job_name} succeeded again"
            passed = Evaluation(alert.fingerprint, newest.storage_id, True, "error", datetime.now(UTC), summary)
            recovered.append(passed)
    return recovered
