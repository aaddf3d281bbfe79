"""Dagster's run launcher with a health check, so that run monitoring notices when a run's worker is gone.

Dagster's `DefaultRunLauncher` has no health check, so run monitoring skips its runs. The code server reports a worker
that dies, but not if the server dies too, or if Postgres is away at that moment: its only monitoring thread then ends
with the error. Such a run would stay "in progress" for ever, and its backfill with it.
"""

import json
import socket
from pathlib import Path

import psutil
from dagster import DagsterEventType, DagsterRun
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

CLOCK_SECONDS = 1.0
"""Start of a process and time of an event come from two clocks, that agree this well."""


MACHINE_TAG = "forecasting/machine"
"""Run tag: where process numbers mean what they meant when the run was launched."""


class WatchedRunLauncher(DefaultRunLauncher):
    """`DefaultRunLauncher` with a health check for run monitoring.

    A worker on this machine is looked for by its process. One of a code server that is reached over the network is
    asked for there. One on another machine that cannot be asked is taken to live, up to the longest time of a run.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True."""
        return True

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch as Dagster does, and tag the run with this machine."""
        self._instance.add_run_tags(context.dagster_run.run_id, {MACHINE_TAG: this_machine()})
        super().launch_run(context)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the worker of a started run is alive.

        Raises:
            DagsterUserCodeUnreachableError: its code server does not answer over the network; it may live. Run
                monitoring logs that and looks again.
        """
        if self._lives(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process has ended without saying how the run ended")

    def _lives(self, run: DagsterRun) -> bool:
        server_host = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("host")
        if server_host not in {None, "localhost", "127.0.0.1"}:
            return self._lives_there(run)
        return run.tags.get(MACHINE_TAG) != this_machine() or self._lives_here(run)

    def _lives_here(self, run: DagsterRun) -> bool:
        """Whether the process that last reported to work on the run still exists."""
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


def this_machine() -> str:
    """The host, and on Linux the PID namespace: each container has its own process numbers."""
    name_space = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {name_space.readlink() if name_space.is_symlink() else ''}".strip()


def _is_process(said_at: float, pid: int) -> bool:
    """Whether the process lives that had this number at that time, and not a later one with the same number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= said_at + CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False
