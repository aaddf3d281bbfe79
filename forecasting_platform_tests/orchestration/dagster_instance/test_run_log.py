"""A run's lines of JSON, with the handler of the instances that we ship: one that a platform's log collector reads."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from forecasting_platform.adapters.feeds.file_feed import FileFeed
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import FeedUnavailableError, StoreUnavailableError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import DAILY
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.services.loading.feed_loads import FeedLoads
from forecasting_platform.settings import Settings
from forecasting_platform_tests.contracts.observation_feed_contract import SimulatedDocument

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
DAYS = DateRange(date(2018, 6, 4), date(2018, 6, 6))
Lines = list[dict[str, Any]]


@dg.asset_check(asset=raw_observations, blocking=True)
def one_row_a_day() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={"rows": 4, "table": dg.MarkdownMetadataValue("|")}
    )


@pytest.fixture(params=["dagster.yaml", "deploy/aws/dagster.yaml"])
def instance(request: pytest.FixtureRequest) -> Iterator[dg.DagsterInstance]:
    """An instance that logs as the shipped one does."""
    shipped = yaml.safe_load((ROOT / request.param).read_text(encoding="utf-8"))
    with dg.DagsterInstance.ephemeral(settings={"python_logs": shipped["python_logs"]}) as instance:
        yield instance


def run(instance: dg.DagsterInstance, file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, Lines]:
    """A load of `DAYS` from a file: the run's id, and its standard output line by line."""
    feed = FileFeed(FeedDescription.of_default_shape(file.as_uri()), timeout_seconds=60, max_bytes=200_000)
    definitions = dg.Definitions(
        [raw_observations],
        asset_checks=[one_row_a_day],
        resources={
            "observation_feed": feed,
            "table_store": MemoryTableStore(),
            "settings": Settings(),
            "calendars": DAILY,
            "feed_loads": FeedLoads(None),
        },
    )
    job = definitions.resolve_implicit_global_asset_job_def()
    capsys.readouterr()
    result = job.execute_in_process(instance=instance, tags=range_tags(DAYS), raise_on_error=False)
    return result.run_id, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_run_tells_its_course_its_days_and_its_numbers_in_lines_of_json(
    instance: dg.DagsterInstance, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "feed.json").write_bytes(SimulatedDocument().content)
    run_id, lines = run(instance, tmp_path / "feed.json", capsys)

    assert {(line["run_id"], line["job"], line["level"]) for line in lines} == {(run_id, "__ASSET_JOB", "info")}
    events = [line["event"] for line in lines if "event" in line]
    assert events == [
        "RUN_START",
        "STEP_START",
        *["ASSET_MATERIALIZATION"] * len(DAYS),
        "STEP_SUCCESS",
        "STEP_START",
        "ASSET_CHECK_EVALUATION",
        "STEP_SUCCESS",
        "RUN_SUCCESS",
    ]
    made = [line for line in lines if line.get("event") == "ASSET_MATERIALIZATION"]
    assert [(line["asset"], line["step"], line["partition"]) for line in made] == [
        ("raw_observations", "raw_observations", str(day)) for day in DAYS
    ]
    assert {line["metadata"]["rows_new"] for line in made} == {4}
    (judged,) = [line for line in lines if "check" in line]
    assert (judged["asset"], judged["check"], judged["passed"], judged["severity"]) == (
        "raw_observations",
        "one_row_a_day",
        False,
        "warn",
    )
    assert judged["metadata"] == {"rows": 4}, "a table is no number"
    told = [line for line in lines if line["message"].startswith("recorded rows")]
    assert [(line["level"], line["partition"], "event" in line) for line in told] == [
        ("info", "2018-06-04..2018-06-06", False)
    ]


def test_a_run_that_fails_says_why_in_a_line_of_its_own(
    instance: dg.DagsterInstance, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, lines = run(instance, tmp_path / "missing.json", capsys)
    failed = {line["event"]: line for line in lines if "traceback" in line}
    assert set(failed) == {"STEP_FAILURE", "RUN_FAILURE"}
    assert {line["level"] for line in failed.values()} == {"error"}
    step = failed["STEP_FAILURE"]
    assert step["step"] == "raw_observations"
    assert step["error"].startswith(f"{FeedUnavailableError.__module__}.FeedUnavailableError: the feed file:///")
    assert "in fetch" in step["traceback"]
    assert not [line for line in lines if line.get("event") == "ASSET_MATERIALIZATION"]


def test_a_resource_that_cannot_be_had_is_told_as_an_error(
    instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    @dg.resource
    def table_store(_: dg.InitResourceContext) -> None:
        raise StoreUnavailableError("Postgres", "nobody answers")

    resources = {
        "observation_feed": None,
        "table_store": table_store,
        "settings": Settings(),
        "calendars": DAILY,
        "feed_loads": FeedLoads(None),
    }
    job = dg.Definitions([raw_observations], resources=resources).resolve_implicit_global_asset_job_def()
    capsys.readouterr()
    with pytest.raises(dg.DagsterError):
        job.execute_in_process(instance=instance, tags=range_tags(DAYS))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = {line["event"]: line for line in lines if "error" in line}
    assert set(told) >= {"RESOURCE_INIT_FAILURE", "RUN_FAILURE"}
    assert {line["level"] for line in told.values()} == {"error"}
    assert "nobody answers" in told["RUN_FAILURE"]["error"]
