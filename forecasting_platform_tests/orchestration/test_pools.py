"""Limits of the instances that we ship, through Dagster's own queue: what waits, and what does not wait for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from forecasting_platform_tests.support.dagster_internals import (
    MOCKED_RUN_LAUNCHER,
    ModuleTarget,
    QueuedRunCoordinatorDaemon,
    RemoteJob,
    create_run_for_test,
    create_test_daemon_workspace_context,
    instance_for_test,
)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TARGET = ModuleTarget("forecasting_platform.definitions", attribute=None, working_directory=None, location_name=None)
"""It notes what it was to launch, and launches nothing."""


class Queue:
    """The queue of an instance, and the jobs of our definitions."""

    def __init__(self, instance: dg.DagsterInstance, context: Any) -> None:
        self._instance, self._context = instance, context
        self._location = next(iter(context.create_request_context().code_locations))
        self._repository = next(iter(self._location.get_repositories().values()))
        self._daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)

    def submit(self, job_name: str) -> str:
        """Ask for a run, as the web server does; its id."""
        job: RemoteJob = self._repository.get_full_job(job_name)
        plan = self._location.get_execution_plan(job, {}, None, None)
        run = create_run_for_test(
            self._instance,
            job_name=job_name,
            job_snapshot=job.job_snapshot,
            execution_plan_snapshot=plan.execution_plan_snapshot,
            remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(),
            asset_graph=self._repository.asset_graph,
            status=dg.DagsterRunStatus.NOT_STARTED,
        )
        self._instance.submit_run(run.run_id, self._context.create_request_context())
        return run.run_id

    def launched(self) -> list[str]:
        """What has been launched after another look of the daemon."""
        list(self._daemon.run_iteration(self._context))
        return [run.run_id for run in self._instance.run_launcher.queue()]

    def end(self, run_id: str) -> None:
        """The run's worker says that it has ended."""
        self._instance.report_run_failed(self._instance.get_run_by_id(run_id))


def shipped(file: str) -> dict[str, Any]:
    """An instance's settings."""
    return yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setenv("FORECASTING_MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nothing runs, so nothing asks there
    overrides = {name: shipped("dagster.yaml")[name] for name in ("run_coordinator", "concurrency", "run_retries")}
    with (
        instance_for_test(overrides={**overrides, "run_launcher": MOCKED_RUN_LAUNCHER}) as instance,
        create_test_daemon_workspace_context(TARGET, instance) as context,
    ):
        queue = Queue(instance, context)
        # A pool's limit is kept from the first look on at which a run wants it, and holds from the second on.
        ended = [queue.submit(name) for name in ("training_job", "load_job")]
        queue.launched()
        for run_id in ended:
            queue.end(run_id)
        instance.run_launcher.queue().clear()
        yield queue


def test_two_trainings_and_two_loads_run_at_once_and_nothing_else_waits_for_them(queue: Queue) -> None:
    first, second, later = (queue.submit("training_job") for _ in range(3))
    load, other_load, later_load = (queue.submit("load_job") for _ in range(3))
    running = [first, second, load, other_load]
    assert queue.launched() == running
    assert queue.launched() == running, "they still run"
    queue.end(first)
    assert queue.launched() == [*running, later]
    queue.end(load)
    assert queue.launched() == [*running, later, later_load]

    others = [queue.submit(name) for name in ("promotion_job", "promotion_job", "forecast_job")]
    assert queue.launched() == [*running, later, later_load, *others]


def test_the_instance_on_aws_has_the_same_limits() -> None:
    aws, ours = shipped("deploy/aws/dagster.yaml"), shipped("dagster.yaml")
    assert aws["concurrency"] == ours["concurrency"]
    assert aws["run_coordinator"]["class"] == ours["run_coordinator"]["class"] == "QueuedRunCoordinator"
