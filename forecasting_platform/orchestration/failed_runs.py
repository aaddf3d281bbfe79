"""Reads from Dagster's event log why a run failed: which step raised what, and which check stopped it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from forecasting_platform.forecasting.monitoring.failures import cause
from forecasting_platform.orchestration.partitions import days_of_tags

MAX_STEPS = 3
_BLOCKED = "DagsterAssetCheckFailedError"


@dataclass(frozen=True, slots=True)
class FailedStep:
    """A step that failed.

    Attributes:
        step: the asset's name; of a check, asset and check.
        is_check: whether a check found something that it stops; the check's own incident says so too.
    """

    step: str
    cause: str
    is_check: bool


def failed_steps(instance: dg.DagsterInstance, run_id: str) -> list[FailedStep]:
    """The failed steps of a run, in order; empty if the run failed outside its steps."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    events = [entry.get_dagster_event() for entry in instance.all_logs(run_id, of_type=kinds)]
    found = {
        event.step_key: event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and not event.asset_check_evaluation_data.passed
    }
    return [
        _failed_step(event, found.get(event.step_key))
        for event in events
        if event.event_type is dg.DagsterEventType.STEP_FAILURE
    ]


def _failed_step(event: dg.DagsterEvent, check: dg.AssetCheckEvaluation | None) -> FailedStep:
    raised = list(_raised(event))
    if check is not None and raised and _BLOCKED in raised[0]:
        asset = check.asset_key.path[-1]
        return FailedStep(asset, f"{check.check_name}: {check.description}", is_check=True)
    return FailedStep(str(event.step_key), cause(raised), is_check=False)


def _raised(event: dg.DagsterEvent) -> Iterator[str]:
    error = event.step_failure_data.error
    while error is not None:
        yield error.message
        error = error.cause


def why(failed: Sequence[FailedStep], otherwise: str, tags: Mapping[str, str]) -> str:
    """Describe a failure: the assets, the days and the cause of at most three steps.

    Args:
        otherwise: what Dagster says of the run, where no step failed.
    """
    shown = [f"{each.step}: {each.cause}" for each in failed[:MAX_STEPS]]
    more = [f"{len(failed) - MAX_STEPS} more steps failed"] if len(failed) > MAX_STEPS else []
    days = days_of_tags(tags)
    return (f"{days}: " if days else "") + ("; ".join([*shown, *more]) or cause([otherwise]))
