"""A client of a running Dagster's GraphQL API. An answer of an unexpected type raises an exception.

The requests are in `queries`, the values and errors in `answers`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import requests

from forecasting_platform.errors import UnavailableError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.dagster import queries
from forecasting_platform.local.dagster.answers import (
    BackfillStatus,
    DagsterRequestError,
    Materialization,
    RunFailedError,
    RunStatus,
    backfill_status,
    explanation,
    failure_messages,
    materialization,
)
from forecasting_platform.redaction import shown

LOCATION = "forecasting_platform.definitions"
REPOSITORY = "__repository__"
POLL_SECONDS = 0.5
Status = TypeVar("Status", BackfillStatus, RunStatus)


class DagsterApi:
    """Dagster's web server, asked over HTTP.

    Args:
        url: of the web server, such as `http://127.0.0.1:3000`.
        location: name of the code location the assets and jobs are of.
    """

    def __init__(self, url: str, *, location: str = LOCATION, timeout_seconds: float = 120.0) -> None:
        self.url = url.rstrip("/")
        self.location = location
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment is not for this machine's own servers

    def close(self) -> None:
        """Give back the connection."""
        self._session.close()

    def launch_backfill(
        self, assets: Sequence[str], period: DateRange, *, tags: Mapping[str, str] | None = None
    ) -> str:
        """Ask for a partition backfill of these daily assets over the days of `period`; its id.

        Raises:
            DagsterRequestError: an unknown asset or partition, or a refusal.
        """
        selection = [
            {
                "assetKey": _key(asset),
                "partitions": {"range": {"start": str(period.start), "end": str(period.end)}},
            }
            for asset in assets
        ]
        answer = self._ask(
            f"backfill {', '.join(assets)} over {period}",
            queries.LAUNCH_BACKFILL,
            {"params": {"partitionsByAssets": selection, "tags": _tags(tags)}},
            expected="LaunchBackfillSuccess",
        )
        return str(answer["backfillId"])

    def backfill_status(self, backfill_id: str) -> BackfillStatus:
        """How far a backfill is.

        Raises:
            DagsterRequestError: there is no such backfill.
        """
        answer = self._ask(
            f"tell about backfill {backfill_id}", queries.BACKFILL, {"id": backfill_id}, expected="PartitionBackfill"
        )
        return backfill_status(backfill_id, answer)

    def wait_for_backfill(
        self,
        backfill_id: str,
        *,
        deadline_seconds: float,
        progress: Callable[[BackfillStatus], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> BackfillStatus:
        """Wait until a backfill has materialized every partition.

        Args:
            progress: called with each change of its status.
            meanwhile: called at every look, such as to see whether Dagster's processes live.

        Raises:
            RunFailedError: it ended otherwise; with the failure messages of its runs.
            UnavailableError: the deadline passed.
        """
        what = f"backfill {backfill_id}"
        status = _poll(lambda: self.backfill_status(backfill_id), what, deadline_seconds, meanwhile, progress)
        if not status.succeeded:
            causes = [message for run_id in status.run_ids for message in self.run_status(run_id).messages]
            messages = [*([status.message] if status.message else []), *causes]
            link = f"{shown(self.url)}/runs/b/{backfill_id}"
            raise RunFailedError(what, status.status, messages, link)
        return status

    def launch_job(
        self, job: str, *, run_config: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None
    ) -> str:
        """Start a run of a job; its id.

        Raises:
            DagsterRequestError: an unknown job, invalid run configuration, or a refusal.
        """
        params = {
            "selector": {"jobName": job, "repositoryName": REPOSITORY, "repositoryLocationName": self.location},
            "runConfigData": dict(run_config or {}),
            "executionMetadata": {"tags": _tags(tags)},
        }
        answer = self._ask(f"launch {job}", queries.LAUNCH_RUN, {"params": params}, expected="LaunchRunSuccess")
        return str(answer["run"]["runId"])

    def run_status(self, run_id: str) -> RunStatus:
        """How far a run is, with its failure messages once it failed.

        Raises:
            DagsterRequestError: there is no such run.
        """
        answer = self._ask(f"tell about run {run_id}", queries.RUN, {"id": run_id}, expected="Run")
        messages = self._failure_messages(run_id) if answer["status"] == "FAILURE" else ()
        return RunStatus(run_id, answer["jobName"], answer["status"], messages)

    def _failure_messages(self, run_id: str) -> tuple[str, ...]:
        """Why a run failed, from all of its events, page by page."""
        events: list[dict[str, Any]] = []
        page: dict[str, Any] = {"cursor": None, "hasMore": True}
        while page["hasMore"]:
            variables = {"id": run_id, "cursor": page["cursor"]}
            page = self._ask(
                f"read the log of run {run_id}", queries.RUN_FAILURES, variables, expected="EventConnection"
            )
            events += page["events"]
        return failure_messages(events)

    def wait_for_run(
        self, run_id: str, *, deadline_seconds: float, meanwhile: Callable[[], None] | None = None
    ) -> RunStatus:
        """Wait until a run has succeeded; else see `wait_for_backfill`."""
        status = _poll(lambda: self.run_status(run_id), f"run {run_id}", deadline_seconds, meanwhile)
        if status.status != "SUCCESS":
            link = f"{shown(self.url)}/runs/{run_id}"
            raise RunFailedError(f"{status.job} (run {run_id})", status.status, status.messages, link)
        return status

    def materialized_partitions(self, asset: str) -> int:
        """How many partitions of an asset are materialized; 0 or 1 for an unpartitioned one.

        Raises:
            DagsterRequestError: there is no such asset.
        """
        answer = self._asset(asset)
        statistics = answer["partitionStats"]
        return len(answer["assetMaterializations"]) if statistics is None else int(statistics["numMaterialized"])

    def newest_materialization(self, asset: str) -> Materialization | None:
        """What an asset shows of its newest materialization; None where it has none.

        Raises:
            DagsterRequestError: there is no such asset.
        """
        answer = self._asset(asset)
        runs = [made["runId"] for made in answer["assetMaterializations"]]
        return next(reversed(self.materializations(runs[0], asset)), None) if runs else None

    def _asset(self, asset: str) -> dict[str, Any]:
        return self._ask(f"look at {asset}", queries.PARTITION_COUNT, {"key": _key(asset)}, expected="AssetNode")

    def failed_run(self, job: str, since: float) -> str | None:
        """The newest run of a job, begun since a `time.time`, that failed or was cancelled; None without one."""
        answer = self._ask(
            f"find failed runs of {job}", queries.FAILED_RUNS, {"job": job, "since": since}, expected="Runs"
        )
        return next((str(run["runId"]) for run in answer["results"]), None)

    def materialized_days(self, asset: str) -> set[date]:
        """The days of a daily asset that are materialized.

        Raises:
            DagsterRequestError: there is no such asset.
        """
        key = {"key": _key(asset)}
        answer = self._ask(f"list the days of {asset}", queries.PARTITION_RANGES, key, expected="AssetNode")
        ranges = answer["assetPartitionStatuses"].get("ranges", [])
        return {
            day
            for found in ranges
            if found["status"] == "MATERIALIZED"
            for day in DateRange(date.fromisoformat(found["startKey"]), date.fromisoformat(found["endKey"]))
        }

    def materializations(self, run_id: str, asset: str | None = None) -> list[Materialization]:
        """What a run materialized, with its metadata, in the order of the events; of one asset if named.

        Raises:
            DagsterRequestError: there is no such run.
        """
        answer = self._ask(
            f"list what run {run_id} materialized", queries.MATERIALIZATIONS, {"id": run_id}, expected="Run"
        )
        found = [materialization(event) for event in answer["assetMaterializations"]]
        return [each for each in found if asset is None or each.asset == asset]

    def location_problem(self) -> str | None:
        """Why the code location cannot be used yet, None when it can.

        Raises:
            UnavailableError: the web server does not answer.
        """
        answer = self._ask("list its code locations", queries.LOCATIONS, {}, expected="Workspace")
        entry = next((entry for entry in answer["locationEntries"] if entry["name"] == self.location), None)
        if entry is None:
            return f"there is no code location {self.location}"
        if entry["loadStatus"] == "LOADING" or entry["locationOrLoadError"] is None:
            return f"{self.location} is loading"
        error = entry["locationOrLoadError"]
        return error["message"].strip() if error["__typename"] == "PythonError" else None

    def reload_location(self) -> None:
        """Make the web server look at the code location again."""
        name = {"name": self.location}
        self._ask(f"reload {self.location}", queries.RELOAD_LOCATION, name, expected="WorkspaceLocationEntry")

    def unhealthy_daemons(self) -> list[str]:
        """Daemons that are needed but have not said lately that they live, sorted."""
        health = self._ask("tell about its daemons", queries.DAEMONS, {}, expected="Instance")["daemonHealth"]
        return sorted(d["daemonType"] for d in health["allDaemonStatuses"] if d["required"] and not d["healthy"])

    def _ask(self, request: str, query: str, variables: Mapping[str, Any], *, expected: str) -> dict[str, Any]:
        """The field `answer` of a query, if it is of the type that was expected."""
        try:
            response = self._session.post(
                f"{self.url}/graphql",
                json={"query": query, "variables": variables},
                timeout=self._timeout_seconds,
                allow_redirects=False,
            )
            body = response.json()
        except requests.RequestException as error:
            raise UnavailableError(
                f"Dagster at {shown(self.url)}", f"{type(error).__name__} when asked to {request}"
            ) from error
        if "errors" in body or "data" not in body:
            said = "; ".join(str(error.get("message")) for error in body.get("errors", [])) or response.reason
            raise DagsterRequestError(request, f"HTTP {response.status_code}", said)
        answer: dict[str, Any] = body["data"]["answer"]
        if answer["__typename"] != expected:
            raise DagsterRequestError(request, answer["__typename"], explanation(answer))
        return answer


def _poll(
    look: Callable[[], Status],
    what: str,
    deadline_seconds: float,
    meanwhile: Callable[[], None] | None,
    progress: Callable[[Status], None] | None = None,
) -> Status:
    """Look until it is finished; `progress` is called with each change."""
    deadline, told = time.monotonic() + deadline_seconds, None
    while True:
        if meanwhile is not None:
            meanwhile()
        status = look()
        if progress is not None and status != told:
            progress(status)
            told = status
        if status.is_finished:
            return status
        if time.monotonic() > deadline:
            raise UnavailableError(what, f"it is {status.status} and has not finished within {deadline_seconds:g} s")
        time.sleep(POLL_SECONDS)


def _key(asset: str) -> dict[str, list[str]]:
    return {"path": asset.split("/")}


def _tags(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in (tags or {}).items()]
