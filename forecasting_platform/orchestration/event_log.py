"""Evaluations for alerts from Dagster's event log: results of checks, failed and recovered runs, backfills."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from forecasting_platform.forecasting.monitoring.failures import cause
from forecasting_platform.forecasting.monitoring.findings import Findings
from forecasting_platform.forecasting.monitoring.incidents import Alert, Evaluation, Result
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.orchestration.checks.results import FINDINGS, STATE
from forecasting_platform.orchestration.failed_runs import FailedStep, failed_steps, why
from forecasting_platform.orchestration.names import asset_key, asset_keys, owns
from forecasting_platform.orchestration.partitions import RANGE_END, RANGE_START, days_of_tags
from forecasting_platform.settings import Settings

OVERLAP_EVENTS = 200
"""Numbers of the event log may be committed out of order, so a few are read again; reading twice is harmless."""

OVERLAP = timedelta(minutes=10)
"""The same in time."""

MAX_EVENTS = 500
MAX_BACKFILLS = 50
MAX_RUNS = 20
"""How many successful runs of a job are looked at: Dagster's own job of every asset has runs of others too."""
RUN_FAILURE, BACKFILL_FAILURE = "run_failure", "backfill_failure"
BACKFILL_TAG, WILL_RETRY_TAG = "dagster/backfill", "dagster/will_retry"

LOAD_CHECKS = ("feed_document_gives_values", "observations_are_well_formed")
"""The checks of `raw_observations` that features wait for."""

BACKFILL_RESULTS: dict[BulkActionStatus, Result] = {
    BulkActionStatus.FAILED: "failed",
    BulkActionStatus.COMPLETED_FAILED: "failed",
    BulkActionStatus.COMPLETED_SUCCESS: "passed",
}


def check_evaluations(
    instance: dg.DagsterInstance, cursor: int, settings: Settings, owners: Mapping[str, str]
) -> tuple[list[Evaluation], int]:
    """Results of checks after a cursor, and the cursor to continue from.

    Args:
        settings: a run about days before their look-back, or about more days than that, is historical.
        owners: by the asset's name.
    """
    records = _results_of_checks(instance, cursor)
    newest = max((record.storage_id for record in records), default=cursor)
    # An instance may be shared: what others check is theirs.
    records = [record for record in records if _checked(record).asset_key in asset_keys(settings.mounted_as)]
    ids = list({record.event_log_entry.run_id for record in records})
    runs = instance.get_runs(dg.RunsFilter(run_ids=ids)) if ids else []
    tags: dict[str, Mapping[str, str]] = {run.run_id: run.tags for run in runs}
    loaded_to = (
        _newest_loaded_day(instance, settings.mounted_as)
        if any(RANGE_END in found for found in tags.values())
        else None
    )
    evaluations = [
        _evaluation(record, tags.get(record.event_log_entry.run_id, {}), loaded_to, settings, owners)
        for record in records
    ]
    return evaluations, max(cursor, newest)


def _results_of_checks(instance: dg.DagsterInstance, cursor: int) -> list[dg.EventLogRecord]:
    """What checks found since a cursor, oldest first.

    Dagster's own SQLite numbers the events of each run apart: there the time in microseconds is the number.
    """
    evaluated, storage = dg.DagsterEventType.ASSET_CHECK_EVALUATION, instance.event_log_storage
    if not storage.is_run_sharded:
        after = max(0, cursor - OVERLAP_EVENTS)
        return [
            *storage.get_event_records(dg.EventRecordsFilter(evaluated, after_cursor=after), MAX_EVENTS, ascending=True)
        ]
    since = max(datetime.fromtimestamp(cursor / 1e6, UTC) - OVERLAP, datetime.now(UTC) - timedelta(days=1))
    found = storage.get_event_records(
        dg.EventRecordsFilter(evaluated, after_cursor=dg.RunShardedEventsCursor(id=0, run_updated_after=since)),
        ascending=True,
    )
    entries = [record.event_log_entry for record in found]
    return [dg.EventLogRecord(int(entry.timestamp * 1e6), entry) for entry in entries]


def failing_load_checks(instance: dg.DagsterInstance, mount: str) -> list[str]:
    """The newest failures of the checks that block features, one sentence each.

    Args:
        mount: the platform's name, empty for the only one.
    """
    keys = [dg.AssetCheckKey(asset_key(mount, "raw_observations"), name) for name in LOAD_CHECKS]
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    events = [newest[key].event for key in keys if key in newest]
    evaluated = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    results = [event for event in events if event is not None and event.dagster_event_type is evaluated]
    found = [event.get_dagster_event().asset_check_evaluation_data for event in results]
    return [f"{each.check_name}: {each.description}" for each in found if not each.passed]


def _newest_loaded_day(instance: dg.DagsterInstance, mount: str) -> date | None:
    loaded = instance.get_latest_storage_id_by_partition(
        asset_key(mount, "raw_observations"), dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    return date.fromisoformat(max(loaded)) if loaded else None


def _evaluation(
    record: dg.EventLogRecord,
    tags: Mapping[str, str],
    loaded_to: date | None,
    settings: Settings,
    owners: Mapping[str, str],
) -> Evaluation:
    found = _checked(record)
    asset, run_id = found.asset_key.path[-1], record.event_log_entry.run_id
    return Evaluation(
        fingerprint=f"{asset}:{found.check_name}",
        event_id=record.storage_id,
        result=_result(found),
        severity="error" if found.severity == dg.AssetCheckSeverity.ERROR else "warning",
        evaluated_at=datetime.fromtimestamp(record.event_log_entry.timestamp, UTC),
        summary=_summary(found, days_of_tags(tags)),
        link=f"/runs/{run_id}",
        runbook=settings.runbook_url(found.check_name),
        owner=owners.get(asset),
        group=tags.get(BACKFILL_TAG) or run_id or None,
        historical=_is_historical(tags, loaded_to, settings.load_look_back_days),
        findings=_findings(found),
    )


def _checked(record: dg.EventLogRecord) -> dg.AssetCheckEvaluation:
    return record.event_log_entry.get_dagster_event().asset_check_evaluation_data


def _findings(found: dg.AssetCheckEvaluation) -> Findings | None:
    stored = found.metadata.get(FINDINGS)
    return Findings.from_json(str(stored.value)) if stored is not None else None


def _summary(found: dg.AssetCheckEvaluation, days: DateRange | None) -> str:
    """Asset, days and finding; the days are left out if the finding names them already."""
    said = found.description or f"{found.check_name} {'passed' if found.passed else 'failed'}"
    about = f"{days}: " if days and str(days.end) not in said else ""
    return f"{found.asset_key.path[-1]}: {about}{said}"


def _result(found: dg.AssetCheckEvaluation) -> Result:
    state = found.metadata.get(STATE)
    if state is not None and state.value == "unknown":
        return "unknown"
    return "passed" if found.passed else "failed"


def _is_historical(tags: Mapping[str, str], loaded_to: date | None, look_back_days: int) -> bool:
    if loaded_to is None or not {RANGE_START, RANGE_END} <= tags.keys():
        return False
    start, end = date.fromisoformat(tags[RANGE_START]), date.fromisoformat(tags[RANGE_END])
    look_back = timedelta(days=look_back_days)
    # Backfills of old days find what was true then: nobody is to be woken for it.
    return end - start >= look_back or end <= loaded_to - look_back


def recovered_runs(instance: dg.DagsterInstance, alerts: Mapping[str, Alert], mount: str) -> list[Evaluation]:
    """A passed evaluation for each open run failure whose job has succeeded since.

    Args:
        mount: the platform's name, empty for the only one.
    """
    recovered = []
    for alert in alerts.values():
        kind, _, job_name = alert.fingerprint.partition(":")
        if kind != RUN_FAILURE or not alert.is_open:
            continue
        filters = dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.SUCCESS])
        found = instance.get_run_records(filters, limit=MAX_RUNS)
        newest = next((record for record in found if owns(mount, record.dagster_run)), None)
        # A success that began the list before the failure recovers nothing.
        if newest is not None and newest.storage_id > alert.last_event_id:
            summary = f"{job_name} succeeded again"
            passed = Evaluation(alert.fingerprint, newest.storage_id, "passed", "error", datetime.now(UTC), summary)
            recovered.append(passed)
    return recovered


def run_failure(
    instance: dg.DagsterInstance, run: dg.DagsterRun, message: str, settings: Settings
) -> Evaluation | None:
    """The evaluation of a failed run.

    None where it is another platform's or project's, will be tried again, its backfill tells of it, or a check stopped
    it, whose own incident says so.

    Args:
        message: what Dagster says of it, where no step failed.
    """
    if not owns(settings.mounted_as, run) or _is_repeated(run) or BACKFILL_TAG in run.tags:
        return None
    failed = failed_steps(instance, run.run_id)
    if _is_told_by_checks(instance, run, failed, settings):
        return None
    record = instance.get_run_record_by_id(run.run_id)
    return Evaluation(
        fingerprint=f"{RUN_FAILURE}:{run.job_name}",
        event_id=record.storage_id if record else 0,
        result="failed",
        severity="error",
        evaluated_at=datetime.now(UTC),
        summary=f"{run.job_name} failed: {why(failed, message, run.tags)}",
        link=f"/runs/{run.run_id}",
        runbook=settings.runbook_url(RUN_FAILURE),
        owner="platform",
        group=run.run_id,
    )


def _is_told_by_checks(
    instance: dg.DagsterInstance, run: dg.DagsterRun, failed: Sequence[FailedStep], settings: Settings
) -> bool:
    """Whether only checks failed in a run, and their incidents notify somebody: one failure is one incident."""
    if not failed or not all(step.is_check for step in failed):
        return False
    return not _is_historical(run.tags, _newest_loaded_day(instance, settings.mounted_as), settings.load_look_back_days)


def backfill_results(instance: dg.DagsterInstance, alerts: Mapping[str, Alert], settings: Settings) -> list[Evaluation]:
    """Evaluations of the newest finished backfills; one fingerprint for each set of assets.

    Dagster calls a backfill complete when its days are materialized, also when a check in its run broke.

    Args:
        alerts: the newest incident of each fingerprint; what they took in before is left out.
    """
    over = [
        found
        for found in instance.get_backfills(limit=MAX_BACKFILLS)
        if found.status in BACKFILL_RESULTS and _is_ours(found, settings.mounted_as)
    ]
    failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=MAX_BACKFILLS)
    broken: dict[str, list[dg.DagsterRun]] = defaultdict(list)
    for run in failed:
        if BACKFILL_TAG in run.tags and not _is_repeated(run):
            broken[run.tags[BACKFILL_TAG]].append(run)
    news = [found for found in over if _is_news(found, alerts)]
    results = [_backfill_result(instance, found, broken[found.backfill_id], settings) for found in news]
    return [found for found in results if found is not None]


def _is_ours(backfill: PartitionBackfill, mount: str) -> bool:
    return bool(asset_keys(mount) & set(backfill.asset_selection or ())) if backfill.asset_selection else not mount


def _is_news(backfill: PartitionBackfill, alerts: Mapping[str, Alert]) -> bool:
    known = alerts.get(f"{BACKFILL_FAILURE}:{_assets(backfill)}")
    return known is None or _event_id(backfill) > known.last_event_id


def _event_id(backfill: PartitionBackfill) -> int:
    return int(backfill.backfill_timestamp * 1e6)


def _assets(backfill: PartitionBackfill) -> str:
    return "+".join(sorted(key.path[-1] for key in backfill.asset_selection or [])) or "job"


def _is_repeated(run: dg.DagsterRun) -> bool:
    return run.tags.get(WILL_RETRY_TAG) == "true"


def _backfill_result(
    instance: dg.DagsterInstance, backfill: PartitionBackfill, broken: Sequence[dg.DagsterRun], settings: Settings
) -> Evaluation | None:
    """The evaluation of a backfill, None where a check with an incident of its own stopped its runs."""
    failures = [(run, failed_steps(instance, run.run_id)) for run in broken]
    if failures and all(_is_told_by_checks(instance, run, failed, settings) for run, failed in failures):
        return None
    assets = _assets(backfill)
    result = "failed" if broken else BACKFILL_RESULTS[backfill.status]
    causes = [why(failed, "a run of it failed", run.tags) for run, failed in failures]
    if result == "failed" and not causes:
        causes = [cause([backfill.error.message]) if backfill.error else backfill.status.value.lower()]
    return Evaluation(
        fingerprint=f"{BACKFILL_FAILURE}:{assets}",
        event_id=_event_id(backfill),
        result=result,
        severity="error",
        evaluated_at=datetime.fromtimestamp(backfill.backfill_end_timestamp or backfill.backfill_timestamp, UTC),
        summary=f"backfill of {assets} {result}" + "".join(f": {each}" for each in dict.fromkeys(causes)),
        link=f"/runs/b/{backfill.backfill_id}",
        runbook=settings.runbook_url(BACKFILL_FAILURE),
        owner="platform",
        group=backfill.backfill_id,
    )
