"""Converts Dagster's answers to values and errors. `api` sends the requests."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forecasting_platform.errors import ForecastingPlatformError, examples
from forecasting_platform.forecasting.monitoring.failures import cause

FINISHED_BACKFILLS = frozenset({"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"})
FINISHED_RUNS = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
_BLOCKED = "DagsterAssetCheckFailedError"


class DagsterRequestError(ForecastingPlatformError):
    """Dagster refused a request, in its own words."""

    def __init__(self, request: str, kind: str, message: str) -> None:
        self.request = request
        self.kind = kind
        super().__init__(f"Dagster refused to {request}: {message} ({kind})")


class RunFailedError(ForecastingPlatformError):
    """A run or backfill ended without success."""

    def __init__(self, what: str, status: str, messages: Sequence[str], link: str) -> None:
        self.status = status
        self.messages = tuple(messages)
        said = "; ".join(messages).removesuffix(".") or "it left no message"
        super().__init__(f"{what} ended as {status}: {said}. Read more at {link}")


@dataclass(frozen=True, slots=True)
class BackfillStatus:
    """How far a backfill is, in partitions over all its assets.

    Attributes:
        status: what Dagster's daemon says, which looks at its backfills each few seconds.
        run_ids: runs launched so far, the oldest first.
        runs_succeeded: whether there are runs and all have succeeded by now.
        failed_run_ids: runs that failed and were not tried again. Dagster calls a backfill complete when its days are
            materialized, whatever became of the checks in its runs.
        message: why it failed, None while it has not.
    """

    backfill_id: str
    status: str
    targeted: int
    in_progress: int
    materialized: int
    failed: int
    run_ids: tuple[str, ...]
    runs_succeeded: bool
    failed_run_ids: tuple[str, ...] = ()
    message: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether its work is done: the daemon says so, or will when it looks again."""
        return self.status in FINISHED_BACKFILLS or self._is_done_already

    @property
    def succeeded(self) -> bool:
        """Whether it ended with every partition materialized, and no run of it failed for good."""
        is_complete = self.status in {"COMPLETED", "COMPLETED_SUCCESS"} or self._is_done_already
        return is_complete and self.failed == 0 and not self.failed_run_ids

    @property
    def _is_done_already(self) -> bool:
        in_runs = self.in_progress + self.materialized + self.failed
        return self.status == "REQUESTED" and in_runs == self.targeted > 0 and self.runs_succeeded


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a run is; `messages` say why it failed, the root causes last."""

    run_id: str
    job: str
    status: str
    messages: tuple[str, ...] = ()

    @property
    def is_finished(self) -> bool:
        """Whether it will not change any more."""
        return self.status in FINISHED_RUNS


@dataclass(frozen=True, slots=True)
class Materialization:
    """One materialization of an asset by a run; `partition` is None for an unpartitioned one."""

    asset: str
    partition: str | None
    metadata: dict[str, Any]


def backfill_status(backfill_id: str, answer: Mapping[str, Any]) -> BackfillStatus:
    """The status in a `PartitionBackfill`."""
    statuses = (answer["assetBackfillData"] or {}).get("assetBackfillStatuses", [])
    runs = sorted(answer["runs"], key=lambda run: run["creationTime"])
    repeated = {run["parentRunId"] for run in runs}
    return BackfillStatus(
        backfill_id=backfill_id,
        status=answer["status"],
        targeted=_total(statuses, "numPartitionsTargeted"),
        in_progress=_total(statuses, "numPartitionsInProgress"),
        materialized=_total(statuses, "numPartitionsMaterialized"),
        failed=_total(statuses, "numPartitionsFailed"),
        run_ids=tuple(run["runId"] for run in runs),
        runs_succeeded=bool(runs) and all(run["status"] == "SUCCESS" for run in runs),
        failed_run_ids=tuple(
            run["runId"] for run in runs if run["status"] == "FAILURE" and run["runId"] not in repeated
        ),
        message=answer["error"]["message"].strip() if answer["error"] else None,
    )


def _total(statuses: Sequence[Mapping[str, int]], name: str) -> int:
    return sum(status.get(name, 0) for status in statuses)


def failure_messages(events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the failed steps of a run raised, or their checks found; what the run itself says, when no step failed."""
    checks = {
        event["stepKey"]: event["evaluation"]
        for event in events
        if event["__typename"] == "AssetCheckEvaluationEvent" and not event["evaluation"]["success"]
    }
    steps = [_step_failure(event, checks) for event in events if event["__typename"] == "ExecutionStepFailureEvent"]
    runs = [_run_failure(event) for event in events if event["__typename"] == "RunFailureEvent"]
    return tuple(steps or runs)


def _run_failure(event: Mapping[str, Any]) -> str:
    """Why a run failed before or after its steps, such as because a resource could not be made."""
    raised = _raised(event)
    return cause(raised) if raised else str(event["message"]).strip().partition("\n")[0]


def _raised(event: Mapping[str, Any]) -> list[str]:
    error = event.get("error")
    return [error["message"], *(found["message"] for found in error["causes"])] if error else []


def _step_failure(event: Mapping[str, Any], checks: Mapping[str, Mapping[str, Any]]) -> str:
    raised = _raised(event)
    check = checks.get(event["stepKey"])
    if check is not None and raised and _BLOCKED in raised[0]:
        return f"{'/'.join(check['assetKey']['path'])}: {check['checkName']}: {check['description']}"
    return f"{event['stepKey']}: {cause(raised)}"


def materialization(event: Mapping[str, Any]) -> Materialization:
    """The values in a `MaterializationEvent`."""
    return Materialization(
        asset="/".join(event["assetKey"]["path"]),
        partition=event["partition"],
        metadata={entry["label"]: _metadata_value(entry) for entry in event["metadataEntries"]},
    )


def _metadata_value(entry: Mapping[str, Any]) -> Any:
    """The entry's value as Python has it; None for kinds that are only looked at (plots, tables)."""
    if "intRepr" in entry:
        return int(entry["intRepr"])  # GraphQL's own integers end at 2^31
    if "jsonString" in entry:
        return json.loads(entry["jsonString"])
    return next((value for name, value in entry.items() if name not in {"label", "__typename"}), None)


def explanation(answer: Mapping[str, Any]) -> str:
    """What a refusal says, with its root cause."""
    parts = [answer.get("message"), *(error["message"] for error in answer.get("errors", []))]
    parts += [cause["message"] for cause in answer.get("causes", [])[-1:]]
    if keys := answer.get("partitionKeys"):
        parts.append(f"unknown partitions {examples(keys)}")
    return "; ".join(part.strip() for part in parts if part) or "it gave no reason"
