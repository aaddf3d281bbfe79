"""No run stays in progress without a worker: run monitoring, retries and the launcher's look at the process."""

import json
import logging
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import yaml

from forecasting_platform.local.environment import DAGSTER_INSTANCE
from forecasting_platform.orchestration.dagster_instance.run_launcher import MACHINE_TAG, this_machine
from forecasting_platform_tests.support.dagster_internals import (
    GRPC_INFO_TAG,
    WILL_RETRY_TAG,
    EngineEventData,
    execute_run_monitoring_iteration,
)

pytestmark = pytest.mark.slow

WATCHED = {name: DAGSTER_INSTANCE[name] for name in ("run_launcher", "run_monitoring", "run_retries")}
LOCAL_SERVER = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": "/nowhere.sock"})}
ON_THIS_MACHINE = {**LOCAL_SERVER, MACHINE_TAG: this_machine()}


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(overrides=WATCHED) as made:
        yield made


@pytest.fixture
def ended_worker() -> int:
    """The number of a process that has ended and was reaped."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def living_worker() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@dg.op
def nothing() -> None:
    """Does nothing."""


@dg.job
def idle() -> None:
    """A job that is never run here."""
    nothing()


def started_run(instance: dg.DagsterInstance, pid: int, tags: dict[str, str] = ON_THIS_MACHINE) -> str:
    """A run whose worker has said that it works on it."""
    run = instance.create_run_for_job(idle, run_id=str(uuid.uuid4()), tags=tags)
    instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run_id=run.run_id)
    return run.run_id


def monitor(instance: dg.DagsterInstance) -> list[str | None]:
    """One look of run monitoring at all runs in progress; the errors it logged."""
    context = SimpleNamespace(instance=instance, create_request_context=lambda: None)
    errors = execute_run_monitoring_iteration(context, logging.getLogger(__name__))  # type: ignore[arg-type] # all it asks of it
    return [error and error.cls_name for error in errors]


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run_id)
    assert found is not None
    return found.status


def test_a_run_whose_worker_is_gone_fails_and_will_be_retried(instance: dg.DagsterInstance, ended_worker: int) -> None:
    run_id = started_run(instance, ended_worker)
    monitor(instance)
    assert status(instance, run_id) == dg.DagsterRunStatus.FAILURE
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags[WILL_RETRY_TAG] == "true"


def test_a_run_whose_worker_lives_goes_on(instance: dg.DagsterInstance, living_worker: subprocess.Popen[bytes]) -> None:
    run_id = started_run(instance, living_worker.pid)
    monitor(instance)
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_a_killed_worker_that_nobody_reaped_is_gone(
    instance: dg.DagsterInstance, living_worker: subprocess.Popen[bytes]
) -> None:
    run_id = started_run(instance, living_worker.pid)
    living_worker.kill()
    os.waitid(os.P_PID, living_worker.pid, os.WEXITED | os.WNOWAIT)  # it ends, and stays a zombie
    monitor(instance)
    assert status(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_a_later_process_with_the_number_of_the_worker_is_not_the_worker(
    instance: dg.DagsterInstance, living_worker: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecasting_platform.orchestration.dagster_instance.run_launcher.CLOCK_SECONDS", -60.0)
    run_id = started_run(instance, living_worker.pid)
    monitor(instance)
    assert status(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_the_number_of_a_process_means_nothing_on_another_machine(
    instance: dg.DagsterInstance, ended_worker: int
) -> None:
    run_id = started_run(instance, ended_worker, {**LOCAL_SERVER, MACHINE_TAG: "another one"})
    monitor(instance)
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_a_worker_of_a_server_in_the_network_is_left_alone_while_its_server_does_not_answer(
    instance: dg.DagsterInstance, ended_worker: int
) -> None:
    elsewhere = {GRPC_INFO_TAG: json.dumps({"host": "code.invalid", "port": 4000})}
    run_id = started_run(instance, ended_worker, elsewhere)
    assert "DagsterUserCodeUnreachableError" in monitor(instance)
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_both_instances_watch_and_retry_alike() -> None:
    shared = yaml.safe_load((Path(__file__).parents[3] / "dagster.yaml").read_text(encoding="utf-8"))
    for name in ("run_launcher", "run_monitoring", "run_retries"):
        assert shared[name] == DAGSTER_INSTANCE[name], name
