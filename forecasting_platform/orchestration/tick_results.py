"""Evaluations for alerts from schedules and sensors: whether the newest tick of each failed. `event_log` reads runs."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

from forecasting_platform.forecasting.monitoring.failures import cause
from forecasting_platform.forecasting.monitoring.incidents import Evaluation
from forecasting_platform.orchestration.names import WATCHER_NAMES, part_name
from forecasting_platform.settings import Settings

TICK_FAILURE = "tick_failure"
ENDED = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]


def tick_results(instance: dg.DagsterInstance, settings: Settings) -> list[Evaluation]:
    """An evaluation of the newest finished tick of each schedule and sensor.

    One that is switched off does not fail.
    """
    if instance.schedule_storage is None:  # an instance in memory
        return []
    results = []
    ours = {part_name(settings.mounted_as, name) for name in WATCHER_NAMES}
    for state in instance.all_instigator_state():
        if state.instigator_name not in ours:
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1, statuses=ENDED)
        results += [_evaluation(tick, settings, is_running=state.is_running) for tick in ticks]
    return results


def _evaluation(tick: InstigatorTick, settings: Settings, *, is_running: bool) -> Evaluation:
    failed = is_running and tick.status is TickStatus.FAILURE
    at = tick.timestamp if is_running else time.time()
    name = tick.instigator_name
    return Evaluation(
        fingerprint=f"{TICK_FAILURE}:{name}",
        event_id=int(at * 1e6),
        result="failed" if failed else "passed",
        severity="error",
        evaluated_at=datetime.fromtimestamp(at, UTC),
        summary=f"{name} failed: {cause(list(_raised(tick)))}" if failed else f"{name} does not fail",
        link="/automation",
        runbook=settings.runbook_url(TICK_FAILURE),
        owner="platform",
    )


def _raised(tick: InstigatorTick) -> Iterator[str]:
    error = tick.error
    while error is not None:
        yield error.message
        error = error.cause
