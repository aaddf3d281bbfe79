"""Dagster's run launcher, and how it knows that a run's worker is gone.

Dagster's own cannot tell (`DefaultRunLauncher` has no health check), so run monitoring passes its runs by. The code
server reports a worker that dies, unless it dies too, or Postgres is away at that moment: its only watching thread
then ends with the error. Such a run stays "in progress" for ever, and its backfill with it.
"""

import json

import psutil
from dagster import DagsterEventType, DagsterRun
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

CLOCK_SECONDS = 1.0
"""Start of a process and time of an event come from two clocks, that agree this well."""


class WatchedRunLauncher(DefaultRunLauncher):
    """`DefaultRunLauncher` whose runs are watched by run monitoring.

    A worker on this machine is looked for by its process, one on another machine asked for at its code server.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the worker of a started run lives.

        Raises:
            DagsterUserCodeUnreachableError: it is on another machine whose code server does not answer; it may
                live. Run monitoring logs that and looks again.
        """
        lives = self._lives_here(run) if _is_here(run) else self._lives_there(run)
        if lives:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process has ended without saying how the run ended")

    def _lives_here(self, run: DagsterRun) -> bool:
        """Whether the process that said last that it works on the run is still that process."""
        said = [
            (event.timestamp, int(str(found.metadata["pid"].value)))
            for event in self._instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
            if (found := event.get_dagster_event().engine_event_data) is not None and "pid" in found.metadata
        ]
        return bool(said) and _is_process(*max(said))

    def _lives_there(self, run: DagsterRun) -> bool:
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call] # dagster's own
        if client is None:  # it has just ended
            return True
        answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
        return deserialize_value(answer, CanCancelExecutionResult).can_cancel


def _is_here(run: DagsterRun) -> bool:
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    return "socket" in server or server.get("host") in {"localhost", "127.0.0.1"}


def _is_process(said_at: float, pid: int) -> bool:
    """Whether the process lives that had this number at that time, and not a later one with the same number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= said_at + CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False
