"""A thin client of Dagster's GraphQL: what the commands ask of a running Dagster, and nothing of dagster itself.

Every answer that is not the one asked for becomes an exception with Dagster's own words.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import requests

from forecasting_platform.errors import UnavailableError
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.local.dagster_answers import (
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

ERROR_FIELDS = """
    ... on Error { message }
    ... on PythonError { className causes { message className } }
"""
LAUNCH_ERROR_FIELDS = """
    ... on RunConfigValidationInvalid { errors { message } }
    ... on InvalidStepError { invalidStepKey }
"""
METADATA_FIELDS = """
    label
    ... on IntMetadataEntry { intRepr }
    ... on FloatMetadataEntry { floatValue }
    ... on TextMetadataEntry { text }
    ... on BoolMetadataEntry { boolValue }
    ... on UrlMetadataEntry { url }
    ... on JsonMetadataEntry { jsonString }
"""


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
                "assetKey": {"path": asset.split("/")},
                "partitions": {"range": {"start": str(period.start), "end": str(period.end)}},
            }
            for asset in assets
        ]
        answer = self._ask(
            f"backfill {', '.join(assets)} over {period}",
            f"""mutation ($params: LaunchBackfillParams!) {{
                answer: launchPartitionBackfill(backfillParams: $params) {{
                    __typename ... on LaunchBackfillSuccess {{ backfillId }} {ERROR_FIELDS}
                    {LAUNCH_ERROR_FIELDS} ... on PartitionKeysNotFoundError {{ partitionKeys }}
                }}
            }}""",
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
            f"tell about backfill {backfill_id}",
            f"""query ($id: String!) {{
                answer: partitionBackfillOrError(backfillId: $id) {{
                    __typename {ERROR_FIELDS}
                    ... on PartitionBackfill {{
                        status error {{ message }} runs {{ runId creationTime status parentRunId }}
                        assetBackfillData {{ assetBackfillStatuses {{
                            ... on AssetPartitionsStatusCounts {{
                                numPartitionsTargeted numPartitionsInProgress
                                numPartitionsMaterialized numPartitionsFailed
                            }}
                        }} }}
                    }}
                }}
            }}""",
            {"id": backfill_id},
            expected="PartitionBackfill",
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
        status = _poll(lambda: self.backfill_status(backfill_id), what, deadline_seconds, progress, meanwhile)
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
            "selector": {
                "jobName": job,
                "repositoryName": REPOSITORY,
                "repositoryLocationName": self.location,
            },
            "runConfigData": dict(run_config or {}),
            "executionMetadata": {"tags": _tags(tags)},
        }
        answer = self._ask(
            f"launch {job}",
            f"""mutation ($params: ExecutionParams!) {{
                answer: launchRun(executionParams: $params) {{
                    __typename ... on LaunchRunSuccess {{ run {{ runId }} }} {ERROR_FIELDS} {LAUNCH_ERROR_FIELDS}
                }}
            }}""",
            {"params": params},
            expected="LaunchRunSuccess",
        )
        return str(answer["run"]["runId"])

    def run_status(self, run_id: str) -> RunStatus:
        """How far a run is, with its failure messages once it failed.

        Raises:
            DagsterRequestError: there is no such run.
        """
        answer = self._ask(
            f"tell about run {run_id}",
            f"""query ($id: ID!) {{
                answer: runOrError(runId: $id) {{ __typename {ERROR_FIELDS} ... on Run {{ status jobName }} }}
            }}""",
            {"id": run_id},
            expected="Run",
        )
        messages = self._failure_messages(run_id) if answer["status"] == "FAILURE" else ()
        return RunStatus(run_id, answer["jobName"], answer["status"], messages)

    def _failure_messages(self, run_id: str) -> tuple[str, ...]:
        events = self._run_events(
            run_id,
            """
            ... on ExecutionStepFailureEvent { stepKey error { message causes { message } } }
            ... on AssetCheckEvaluationEvent {
                stepKey evaluation { assetKey { path } checkName success description }
            }
            ... on RunFailureEvent { message }
            """,
        )
        return failure_messages(events)

    def wait_for_run(
        self,
        run_id: str,
        *,
        deadline_seconds: float,
        progress: Callable[[RunStatus], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> RunStatus:
        """Wait until a run has succeeded.

        Args:
            progress: called with each change of its status.
            meanwhile: called at every look, such as to see whether Dagster's processes live.

        Raises:
            RunFailedError: it ended otherwise, with its failure messages.
            UnavailableError: the deadline passed.
        """
        status = _poll(lambda: self.run_status(run_id), f"run {run_id}", deadline_seconds, progress, meanwhile)
        if status.status != "SUCCESS":
            link = f"{shown(self.url)}/runs/{run_id}"
            raise RunFailedError(f"{status.job} (run {run_id})", status.status, status.messages, link)
        return status

    def materialized_partitions(self, asset: str) -> int:
        """How many partitions of an asset are materialized; 0 or 1 for an unpartitioned one.

        Raises:
            DagsterRequestError: there is no such asset.
        """
        answer = self._ask(
            f"count the partitions of {asset}",
            """query ($key: AssetKeyInput!) {
                answer: assetNodeOrError(assetKey: $key) {
                    __typename
                    ... on AssetNode { partitionStats { numMaterialized } assetMaterializations(limit: 1) { runId } }
                    ... on AssetNotFoundError { message }
                }
            }""",
            {"key": {"path": asset.split("/")}},
            expected="AssetNode",
        )
        statistics = answer["partitionStats"]
        return len(answer["assetMaterializations"]) if statistics is None else int(statistics["numMaterialized"])

    def materialized_days(self, asset: str) -> set[date]:
        """The days of a daily asset that are materialized.

        Raises:
            DagsterRequestError: there is no such asset.
        """
        answer = self._ask(
            f"list the days of {asset}",
            """query ($key: AssetKeyInput!) {
                answer: assetNodeOrError(assetKey: $key) {
                    __typename
                    ... on AssetNode { assetPartitionStatuses { __typename
                        ... on TimePartitionStatuses { ranges { status startKey endKey } }
                    } }
                    ... on AssetNotFoundError { message }
                }
            }""",
            {"key": {"path": asset.split("/")}},
            expected="AssetNode",
        )
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
            f"list what run {run_id} materialized",
            f"""query ($id: ID!) {{
                answer: runOrError(runId: $id) {{
                    __typename {ERROR_FIELDS}
                    ... on Run {{ assetMaterializations {{
                        assetKey {{ path }} partition metadataEntries {{ {METADATA_FIELDS} }}
                    }} }}
                }}
            }}""",
            {"id": run_id},
            expected="Run",
        )
        found = [materialization(event) for event in answer["assetMaterializations"]]
        return [each for each in found if asset is None or each.asset == asset]

    def start_schedule(self, schedule: str) -> None:
        """Switch a schedule on; `DagsterRequestError` if there is none of this name."""
        selector = {
            "repositoryName": REPOSITORY,
            "repositoryLocationName": self.location,
            "scheduleName": schedule,
        }
        self._ask(
            f"start {schedule}",
            f"""mutation ($selector: ScheduleSelector!) {{
                answer: startSchedule(scheduleSelector: $selector) {{
                    __typename {ERROR_FIELDS}
                }}
            }}""",
            {"selector": selector},
            expected="ScheduleStateResult",
        )

    def stop_schedule(self, schedule: str) -> None:
        """Switch a schedule off; `DagsterRequestError` if there is none of this name."""
        self._ask(
            f"stop {schedule}",
            f"""mutation ($id: String!) {{
                answer: stopRunningSchedule(id: $id) {{ __typename {ERROR_FIELDS} }}
            }}""",
            {"id": self._schedule_id(schedule)},
            expected="ScheduleStateResult",
        )

    def running_schedules(self) -> list[str]:
        """Names of the schedules that are switched on, sorted."""
        return sorted(name for name, (_, status) in self._schedules().items() if status == "RUNNING")

    def location_problem(self) -> str | None:
        """Why the code location cannot be used yet, None when it can.

        Raises:
            UnavailableError: the web server does not answer.
        """
        answer = self._ask(
            "list its code locations",
            f"""query {{ answer: workspaceOrError {{
                __typename {ERROR_FIELDS}
                ... on Workspace {{ locationEntries {{
                    name loadStatus
                    locationOrLoadError {{ __typename ... on PythonError {{ message }} }}
                }} }}
            }} }}""",
            {},
            expected="Workspace",
        )
        entry = next((entry for entry in answer["locationEntries"] if entry["name"] == self.location), None)
        if entry is None:
            return f"there is no code location {self.location}"
        if entry["loadStatus"] == "LOADING" or entry["locationOrLoadError"] is None:
            return f"{self.location} is loading"
        error = entry["locationOrLoadError"]
        return error["message"].strip() if error["__typename"] == "PythonError" else None

    def reload_location(self) -> None:
        """Make the web server look at the code location again."""
        self._ask(
            f"reload {self.location}",
            f"""mutation ($name: String!) {{
                answer: reloadRepositoryLocation(repositoryLocationName: $name) {{ __typename {ERROR_FIELDS} }}
            }}""",
            {"name": self.location},
            expected="WorkspaceLocationEntry",
        )

    def unhealthy_daemons(self) -> list[str]:
        """Daemons that are needed but have not said lately that they live, sorted."""
        health = self._post(
            "tell about its daemons",
            "query { instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }",
            {},
        )["instance"]["daemonHealth"]
        return sorted(d["daemonType"] for d in health["allDaemonStatuses"] if d["required"] and not d["healthy"])

    def _schedules(self) -> dict[str, tuple[str, str]]:
        answer = self._ask(
            "list its schedules",
            f"""query ($selector: RepositorySelector!) {{
                answer: schedulesOrError(repositorySelector: $selector) {{
                    __typename {ERROR_FIELDS}
                    ... on Schedules {{ results {{ name scheduleState {{ id status }} }} }}
                }}
            }}""",
            {"selector": {"repositoryName": REPOSITORY, "repositoryLocationName": self.location}},
            expected="Schedules",
        )
        return {
            each["name"]: (each["scheduleState"]["id"], each["scheduleState"]["status"]) for each in answer["results"]
        }

    def _schedule_id(self, schedule: str) -> str:
        schedules = self._schedules()
        if schedule not in schedules:
            raise DagsterRequestError(f"stop {schedule}", "ScheduleNotFoundError", f"there is no schedule {schedule}")
        return schedules[schedule][0]

    def _run_events(self, run_id: str, fields: str) -> list[dict[str, Any]]:
        """All events of a run with the fields asked for, page by page."""
        events: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self._ask(
                f"read the log of run {run_id}",
                f"""query ($id: ID!, $cursor: String) {{
                    answer: logsForRun(runId: $id, afterCursor: $cursor) {{
                        __typename {ERROR_FIELDS}
                        ... on EventConnection {{ cursor hasMore events {{ __typename {fields} }} }}
                    }}
                }}""",
                {"id": run_id, "cursor": cursor},
                expected="EventConnection",
            )
            events += page["events"]
            cursor = page["cursor"]
            if not page["hasMore"]:
                return events

    def _ask(self, request: str, query: str, variables: Mapping[str, Any], *, expected: str) -> dict[str, Any]:
        """The field `answer` of a query, if it is of the type that was expected."""
        answer: dict[str, Any] = self._post(request, query, variables)["answer"]
        if answer["__typename"] != expected:
            raise DagsterRequestError(request, answer["__typename"], explanation(answer))
        return answer

    def _post(self, request: str, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
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
        data: dict[str, Any] = body["data"]
        return data


def _poll(
    look: Callable[[], Status],
    what: str,
    deadline_seconds: float,
    progress: Callable[[Status], None] | None,
    meanwhile: Callable[[], None] | None,
) -> Status:
    """Look until it is finished, telling of each change."""
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


def _tags(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in (tags or {}).items()]
