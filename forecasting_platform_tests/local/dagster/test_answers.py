from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting_platform.local.dagster.answers import (
    BackfillStatus,
    DagsterRequestError,
    RunFailedError,
    backfill_status,
    explanation,
    failure_messages,
    materialization,
)


def answer(
    status: str = "REQUESTED", *, runs: tuple[str, ...] = (), counts: tuple[int, int, int, int] = (3, 0, 0, 0)
) -> dict[str, Any]:
    names = ("numPartitionsTargeted", "numPartitionsInProgress", "numPartitionsMaterialized", "numPartitionsFailed")
    return {
        "status": status,
        "error": None,
        # Newest first, as Dagster gives them.
        "runs": [
            {"runId": f"run-{number}", "creationTime": float(number), "status": run, "parentRunId": None}
            for number, run in reversed(list(enumerate(runs)))
        ],
        "assetBackfillData": {"assetBackfillStatuses": [dict(zip(names, counts, strict=True))]},
    }


def test_a_backfill_adds_up_the_partitions_of_its_assets_and_orders_its_runs() -> None:
    two_assets = answer(runs=("SUCCESS", "STARTED"), counts=(3, 1, 2, 0))
    two_assets["assetBackfillData"]["assetBackfillStatuses"] *= 2
    status = backfill_status("abc", two_assets)
    assert (status.targeted, status.in_progress, status.materialized, status.failed) == (6, 2, 4, 0)
    assert status.run_ids == ("run-0", "run-1")
    assert not status.is_finished


def test_a_backfill_that_the_daemon_has_not_seen_is_not_finished() -> None:
    unseen = answer() | {"assetBackfillData": None}
    status = backfill_status("abc", unseen)
    assert (status.targeted, status.is_finished, status.succeeded) == (0, False, False)


def test_a_backfill_is_done_when_its_runs_are_though_the_daemon_has_not_looked_yet() -> None:
    status = backfill_status("abc", answer(runs=("SUCCESS",), counts=(3, 3, 0, 0)))
    assert (status.is_finished, status.succeeded) == (True, True)


def test_a_backfill_with_partitions_that_have_no_run_yet_is_not_done() -> None:
    status = backfill_status("abc", answer(runs=("SUCCESS",), counts=(3, 2, 0, 0)))
    assert not status.is_finished


def test_a_backfill_whose_days_are_there_but_whose_run_failed_did_not_succeed_unless_the_run_was_repeated() -> None:
    broken = answer("COMPLETED_SUCCESS", runs=("FAILURE",), counts=(3, 0, 3, 0))
    status = backfill_status("abc", broken)
    assert (status.is_finished, status.succeeded, status.failed_run_ids) == (True, False, ("run-0",))
    repeated = answer("COMPLETED_SUCCESS", runs=("FAILURE", "SUCCESS"), counts=(3, 0, 3, 0))
    repeated["runs"][0]["parentRunId"] = "run-0"
    assert backfill_status("abc", repeated).succeeded


@pytest.mark.parametrize("run", ["FAILURE", "STARTED", "CANCELED"])
def test_a_run_that_did_not_succeed_leaves_the_verdict_to_the_daemon_which_may_retry(run: str) -> None:
    assert not backfill_status("abc", answer(runs=("SUCCESS", run), counts=(3, 3, 0, 0))).is_finished


@given(
    status=st.sampled_from(["REQUESTED", "FAILING", "CANCELING", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED"]),
    counts=st.tuples(*[st.integers(0, 5)] * 4),
    runs=st.lists(st.sampled_from(["SUCCESS", "FAILURE", "STARTED"]), max_size=3),
)
def test_no_backfill_with_a_failed_partition_or_a_failed_status_succeeds(
    status: str, counts: tuple[int, int, int, int], runs: list[str]
) -> None:
    found = backfill_status("abc", answer(status, runs=tuple(runs), counts=counts))
    if found.failed or status in {"COMPLETED_FAILED", "FAILED", "FAILING", "CANCELING"}:
        assert not found.succeeded
    if found.succeeded:
        assert found.is_finished


def test_the_message_of_a_failed_backfill_is_kept() -> None:
    failed = answer("FAILED") | {"error": {"message": "the code location is gone\n"}}
    assert backfill_status("abc", failed).message == "the code location is gone"


def test_a_failed_step_is_told_by_what_it_raised_and_not_by_what_wraps_or_caused_that() -> None:
    wrapped = {
        "__typename": "ExecutionStepFailureEvent",
        "stepKey": "raw_observations",
        "error": {
            "message": "Error occurred while executing op",
            "causes": [
                {"message": "forecasting_platform.errors.FeedUnavailableError: e.g. no\n"},
                {"message": "socket closed"},
            ],
        },
    }
    run = {"__typename": "RunFailureEvent", "message": "Steps failed: ['raw_observations']."}
    assert failure_messages([{"__typename": "RunStartEvent"}, wrapped, run]) == (
        "raw_observations: FeedUnavailableError: e.g. no",
    )


def test_a_step_that_a_check_stopped_is_told_by_what_the_check_found() -> None:
    step = "raw_observations_feed_document_gives_values"
    passed, failed = (
        {
            "__typename": "AssetCheckEvaluationEvent",
            "stepKey": key,
            "evaluation": {
                "assetKey": {"path": ["raw_observations"]},
                "checkName": key.removeprefix("raw_observations_"),
                "success": success,
                "description": "20 of 20 values were refused",
            },
        }
        for key, success in (("raw_observations_observations_are_well_formed", True), (step, False))
    )
    message = "dagster._core.errors.DagsterAssetCheckFailedError: 1 blocking asset check failed with ERROR severity"
    stopped = {
        "__typename": "ExecutionStepFailureEvent",
        "stepKey": step,
        "error": {"message": message, "causes": []},
    }
    assert failure_messages([passed, failed, stopped]) == (
        "raw_observations: feed_document_gives_values: 20 of 20 values were refused",
    )


def test_a_run_that_failed_before_any_step_is_told_by_its_own_message() -> None:
    run = {"__typename": "RunFailureEvent", "message": "the code location is gone\nand more"}
    assert failure_messages([run]) == ("the code location is gone",)


def test_a_failed_step_without_an_error_still_has_a_message() -> None:
    event = {"__typename": "ExecutionStepFailureEvent", "stepKey": "load", "error": None}
    assert failure_messages([event]) == ("load: no error was recorded",)


def test_metadata_come_as_python_has_them() -> None:
    event = {
        "assetKey": {"path": ["a", "b"]},
        "partition": "2018-01-01",
        "metadataEntries": [
            {"label": "new", "intRepr": str(2**40)},
            {"label": "rmse", "floatValue": 1.5},
            {"label": "why", "text": "revised"},
            {"label": "ok", "boolValue": False},
            {"label": "scores", "jsonString": '{"mase": 0.3}'},
            {"label": "plot"},
        ],
    }
    found = materialization(event)
    assert (found.asset, found.partition) == ("a/b", "2018-01-01")
    assert found.metadata == {
        "new": 2**40,
        "rmse": 1.5,
        "why": "revised",
        "ok": False,
        "scores": {"mase": 0.3},
        "plot": None,
    }


def test_a_refusal_says_all_that_dagster_said() -> None:
    said = explanation(
        {
            "__typename": "PythonError",
            "message": "outer\n",
            "causes": [{"message": "middle"}, {"message": "root"}],
            "errors": [{"message": "unknown field"}],
            "partitionKeys": ["2017-12-31"],
        }
    )
    assert said == "outer; unknown field; root; unknown partitions '2017-12-31'"
    assert explanation({"__typename": "NewError"}) == "it gave no reason"


def test_the_errors_read_as_sentences() -> None:
    refused = DagsterRequestError("launch load_job", "PipelineNotFoundError", "Could not find Pipeline load_job")
    assert (
        str(refused) == "Dagster refused to launch load_job: Could not find Pipeline load_job (PipelineNotFoundError)"
    )
    failed = RunFailedError("load_job (run 7)", "FAILURE", ["a: disk is full"], "http://127.0.0.1:3000/runs/7")
    assert str(failed) == (
        "load_job (run 7) ended as FAILURE: a: disk is full. Read more at http://127.0.0.1:3000/runs/7"
    )
    assert "it left no message" in str(RunFailedError("it", "CANCELED", [], "link"))


def test_a_finished_status_is_told_from_one_that_goes_on() -> None:
    counts = {"targeted": 1, "in_progress": 0, "materialized": 1, "failed": 0}
    fields: dict[str, Any] = {"backfill_id": "a", **counts, "run_ids": ("r",), "runs_succeeded": True}
    assert BackfillStatus(status="COMPLETED_SUCCESS", **fields).succeeded
    assert BackfillStatus(status="CANCELED", **fields).is_finished
    assert not BackfillStatus(status="CANCELED", **fields).succeeded


def test_a_run_whose_resource_could_not_be_made_says_why() -> None:
    raised = ["dagster.DagsterResourceFunctionError: Error executing resource_fn on calendars", *OWN_CAUSE]
    error = {"message": raised[0], "causes": [{"message": found} for found in raised[1:]]}
    run = {"__typename": "RunFailureEvent", "message": 'Execution of run for "load_job" failed.', "error": error}
    assert failure_messages([run]) == ("ConfigurationError: setting calendar: give each feed a prefix",)


OWN_CAUSE = ["forecasting_platform.errors.ConfigurationError: setting calendar: give each feed a prefix"]
