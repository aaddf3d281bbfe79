"""The tree tells the way: one file an asset, in the order of the graph, everything checked and documented."""

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from forecasting_platform import orchestration
from forecasting_platform.definitions import ASSETS, build_definitions
from forecasting_platform.orchestration import assets, checks
from forecasting_platform.orchestration.partitions import earlier_cutoffs
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.dagster_internals import UnresolvedAssetJobDefinition

DEFINITIONS = build_definitions()
JOBS = (UnresolvedAssetJobDefinition, dg.JobDefinition)


def test_the_listed_order_is_the_order_of_the_graph() -> None:
    graph = DEFINITIONS.resolve_asset_graph()
    ranks = {key: rank for rank, level in enumerate(graph.toposorted_asset_keys_by_level) for key in level}
    listed = [asset.key for asset in ASSETS]
    assert sorted(listed, key=lambda key: ranks[key]) == listed


@pytest.mark.parametrize("package", [assets, checks])
def test_every_asset_has_its_file_and_every_file_its_asset(package: object) -> None:
    folder = Path(package.__file__).parent  # type: ignore[attr-defined]
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "results"}
    assert files == {asset.key.to_user_string() for asset in ASSETS}


def test_every_asset_is_described_owned_and_checked() -> None:
    graph = DEFINITIONS.resolve_asset_graph()
    for asset in ASSETS:
        assert graph.get(asset.key).description
        assert graph.get(asset.key).owners
        assert graph.get_check_keys_for_assets({asset.key})


def written() -> Iterator[object]:
    """Every object that stands in a module of `orchestration`."""
    for module in pkgutil.walk_packages(orchestration.__path__, f"{orchestration.__name__}."):
        yield from vars(importlib.import_module(module.name)).values()


def names(kind: type | tuple[type, ...]) -> set[str]:
    return {found.name for found in written() if isinstance(found, kind)}  # type: ignore[attr-defined]


def test_everything_that_is_written_is_in_the_definitions_and_nothing_else() -> None:
    repository = DEFINITIONS.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == names(JOBS)
    by_settings = {"reconcile_sensor"}
    assert {sensor.name for sensor in repository.sensor_defs} == names(dg.SensorDefinition) | by_settings
    graph = DEFINITIONS.resolve_asset_graph()
    defined = [found for found in written() if isinstance(found, dg.AssetsDefinition)]
    assert graph.get_all_asset_keys() - graph.external_asset_keys == {key for found in defined for key in found.keys}
    assert graph.asset_check_keys == {key for found in defined for key in found.check_keys}


def test_definitions_are_built_from_the_settings_given_and_read_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    built = build_definitions(settings=Settings(runbooks_url="https://given", retry_wait_seconds=7))
    monkeypatch.setenv("FORECASTING_RUNBOOKS_URL", "https://changed-later")
    with dg.build_resources({"settings": (built.resources or {})["settings"]}) as resources:
        assert resources.settings.runbook_url("any") == "https://given/any.md"
        assert resources.settings.retry_wait_seconds == 7


def test_only_entry_points_read_the_environment() -> None:
    root = Path(orchestration.__file__).parents[1]
    reading = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if any("Settings()" in line and ">>>" not in line for line in path.read_text(encoding="utf-8").splitlines())
    }
    assert reading == {
        "definitions.py", "orchestration/dagster_instance/webserver.py", "orchestration/dagster_instance/instance.py",
        "adapters/spark/connect_server.py",
        "commands/terminal/connection.py", "commands/feed.py", "commands/embedded/migrate.py",
    }  # fmt: skip


def test_the_names_of_the_contract_are_all_that_there_are() -> None:
    repository = DEFINITIONS.get_repository_def()
    assert names(JOBS) == {
        "load_job", "training_job", "promotion_job", "rollback_job", "forecast_job", "retention_job",
    }  # fmt: skip
    assert {schedule.name for schedule in repository.schedule_defs} == {"daily_load_schedule", "training_schedule"}
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "reconcile_sensor", "promotion_sensor", "forecast_sensor", "alert_sensor", "run_failure_sensor",
        "retention_sensor", "retraining_sensor",
    }  # fmt: skip


def test_any_range_of_a_daily_asset_is_one_run() -> None:
    daily = [asset for asset in ASSETS if asset.partitions_def is not None]
    assert [asset.key.to_user_string() for asset in daily] == [
        "raw_observations", "feature_table", "forecasts", "forecast_errors",
    ]  # fmt: skip
    assert all(asset.backfill_policy == dg.BackfillPolicy.single_run() for asset in daily)


def test_settings_decide_the_first_day_how_far_errors_reach_back_and_what_is_switched_on() -> None:
    settings = Settings(first_partition_date=date(2021, 5, 1), horizon_days=7, schedules_enabled=True)
    repository = build_definitions(settings=settings).get_repository_def()
    graph = repository.asset_graph
    daily = [graph.get(asset.key) for asset in ASSETS if asset.partitions_def is not None]
    assert {str(node.partitions_def.get_first_partition_key()) for node in daily if node.partitions_def} == {
        "2021-05-01"
    }
    mapping = graph.get_partition_mapping(dg.AssetKey("forecast_errors"), dg.AssetKey("forecasts"))
    assert mapping == earlier_cutoffs(7)
    assert repository.get_sensor_def("reconcile_sensor").default_status == dg.DefaultSensorStatus.RUNNING
    assert {found.default_status for found in repository.schedule_defs} == {dg.DefaultScheduleStatus.RUNNING}
    shipped = DEFINITIONS.get_repository_def()
    assert shipped.get_sensor_def("reconcile_sensor").default_status == dg.DefaultSensorStatus.STOPPED
    assert {found.default_status for found in shipped.schedule_defs} == {dg.DefaultScheduleStatus.STOPPED}
    assert shipped.asset_graph.get_partition_mapping(
        dg.AssetKey("forecast_errors"), dg.AssetKey("forecasts")
    ) == earlier_cutoffs(15)


def test_resources_can_be_replaced() -> None:
    marker = object()
    replaced, shipped = build_definitions(resources={"ledger": marker}).resources or {}, DEFINITIONS.resources or {}
    assert replaced["ledger"] is marker
    assert replaced.keys() == shipped.keys() >= {"ledger", "table_store", "model_registry", "observation_feed"}
