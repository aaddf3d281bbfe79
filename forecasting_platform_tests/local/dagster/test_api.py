from collections.abc import Callable
from datetime import date

import psutil
import pytest
from dagster_graphql.schema import create_schema
from graphql import parse, validate

from forecasting_platform.errors import UnavailableError
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.dagster import queries
from forecasting_platform.local.dagster.answers import DagsterRequestError, Materialization, RunFailedError
from forecasting_platform.local.dagster.api import DagsterApi
from forecasting_platform.local.platform import EmbeddedPlatform

pytestmark = pytest.mark.slow

THREE_DAYS = DateRange(date(2018, 1, 1), date(2018, 1, 3))
DEADLINE_SECONDS = 600.0


@pytest.fixture
def dagster(running_platform: tuple[EmbeddedPlatform, str]) -> DagsterApi:
    return running_platform[0].dagster


def test_a_backfill_of_a_range_is_one_run_that_materializes_each_day(
    running_platform: tuple[EmbeddedPlatform, str],
) -> None:
    running, backfill = running_platform
    told: list[object] = []
    looks: list[None] = []
    status = running.dagster.wait_for_backfill(
        backfill, deadline_seconds=DEADLINE_SECONDS, progress=told.append, meanwhile=lambda: looks.append(None)
    )
    assert status.succeeded
    assert (status.targeted, status.failed, len(status.run_ids)) == (3, 0, 1)
    assert told[-1] == status
    assert len(looks) >= len(told)
    assert running.dagster.materialized_partitions("observations") == 3
    assert running.dagster.materialized_days("observations") == set(THREE_DAYS)
    days = running.dagster.materializations(status.run_ids[0], "observations")
    assert [day.partition for day in days] == ["2018-01-01", "2018-01-02", "2018-01-03"]
    assert days[0].metadata == {"days": 3, "unit": "GWh", "share": 0.5}


def test_a_job_gets_its_run_configuration_and_tells_what_it_materialized(dagster: DagsterApi) -> None:
    run_id = dagster.launch_job(
        "greet_job", run_config={"ops": {"greeted": {"config": {"name": "Corrib"}}}}, tags={"asked_by": "a test"}
    )
    status = dagster.wait_for_run(run_id, deadline_seconds=DEADLINE_SECONDS)
    assert (status.job, status.status, status.messages) == ("greet_job", "SUCCESS", ())
    assert dagster.materializations(run_id) == [Materialization("greeted", None, {"greeting": "hello Corrib"})]
    assert dagster.materializations(run_id, "observations") == []
    assert dagster.materialized_partitions("greeted") == 1


def test_a_run_is_forked_from_a_process_that_has_imported_what_runs_need_and_may_be_killed(
    running_platform: tuple[EmbeddedPlatform, str],
) -> None:
    running = running_platform[0]
    for _ in range(2):
        run_id = running.dagster.launch_job("start_job")
        assert running.dagster.wait_for_run(run_id, deadline_seconds=DEADLINE_SECONDS).status == "SUCCESS"
        (shown,) = running.dagster.materializations(run_id)
        assert (shown.metadata["process"], shown.metadata["imported"]) == ("ForkServerProcess", True)
        psutil.Process(int(shown.metadata["parent"])).kill()


def test_a_failed_run_raises_what_its_step_raised_and_where_to_read_more(dagster: DagsterApi) -> None:
    run_id = dagster.launch_job("broken_job")
    with pytest.raises(RunFailedError) as failure:
        dagster.wait_for_run(run_id, deadline_seconds=DEADLINE_SECONDS)
    assert failure.value.status == "FAILURE"
    assert "the disk is full" in str(failure.value)
    assert f"{dagster.url}/runs/{run_id}" in str(failure.value)


def test_a_wait_ends_at_its_deadline(dagster: DagsterApi) -> None:
    backfill = dagster.launch_backfill(["observations"], THREE_DAYS)
    with pytest.raises(UnavailableError, match=rf"backfill {backfill} is unavailable: it is REQUESTED and has not"):
        dagster.wait_for_backfill(backfill, deadline_seconds=0.0)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda api: api.launch_job("no_job"), r"refused to launch no_job: Could not find"),
        (lambda api: api.launch_job("greet_job"), r"refused to launch greet_job: Missing required config"),
        (
            lambda api: api.launch_backfill(["no_asset"], THREE_DAYS),
            r"refused to backfill no_asset over 2018-01-01\.\.",
        ),
        (lambda api: api.run_status("no-run"), r"refused to tell about run no-run: .*no-run.*RunNotFoundError"),
        (lambda api: api.materializations("no-run"), r"refused to list what run no-run materialized"),
        (lambda api: api.backfill_status("no-id"), r"refused to tell about backfill no-id: .*BackfillNotFoundError"),
        (
            lambda api: api.materialized_partitions("no_asset"),
            r"refused to look at no_asset: .*no_asset",
        ),
    ],
)
def test_a_refusal_is_an_exception_with_dagsters_own_words(
    dagster: DagsterApi, ask: Callable[[DagsterApi], object], message: str
) -> None:
    with pytest.raises(DagsterRequestError, match=message):
        ask(dagster)


def test_a_backfill_before_the_first_partition_is_refused(dagster: DagsterApi) -> None:
    with pytest.raises(DagsterRequestError, match=r"refused to backfill observations over 2017-12-30\.\.2018-01-02"):
        dagster.launch_backfill(["observations"], DateRange(date(2017, 12, 30), date(2018, 1, 2)))


def test_an_unknown_code_location_is_a_problem_that_is_named(dagster: DagsterApi) -> None:
    assert dagster.location_problem() is None
    stranger = DagsterApi(dagster.url, location="elsewhere")
    assert stranger.location_problem() == "there is no code location elsewhere"
    with pytest.raises(DagsterRequestError, match="refused to reload elsewhere"):
        stranger.reload_location()
    stranger.close()


def test_a_dagster_that_does_not_answer_is_unavailable() -> None:
    api = DagsterApi("http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"Dagster at http://127\.0\.0\.1:9 is unavailable: ConnectionError"):
        api.unhealthy_daemons()
    api.close()


@pytest.mark.slow
def test_every_query_is_one_that_the_installed_dagster_answers() -> None:
    schema = create_schema().graphql_schema
    documents = [value for name, value in vars(queries).items() if name.isupper() and not name.startswith("_")]
    assert len(documents) > 10
    for document in documents:
        assert validate(schema, parse(document)) == []
