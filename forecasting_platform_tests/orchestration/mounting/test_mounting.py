"""Platforms of one code location have nothing of Dagster in common: no key, name, tag, pool or resource."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from forecasting_platform.adapters import postgres
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.definitions import ASSETS, build_definitions
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.orchestration.event_log import check_evaluations, run_failure
from forecasting_platform.orchestration.mounting.given_settings import GivenSettings, MountedSettings, mounted
from forecasting_platform.orchestration.names import ASSET_NAMES, JOB_NAMES, WATCHER_NAMES, tag_key
from forecasting_platform.orchestration.schedules import CYCLE
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.dagster_internals import create_run_for_test, instance_for_test

FEED = {"feed_url": "https://example.org/feed.json"}


def platform(name: str, environment: Mapping[str, str] | None = None, **given: object) -> dg.Definitions:
    return build_definitions(name=name, settings=GivenSettings(**{**FEED, **given}), environment=environment)


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    """The platform of the environment and two mounted ones, in one code location."""
    merged = dg.Definitions.merge(build_definitions(settings=Settings()), platform("north"), platform("south"))
    dg.Definitions.validate_loadable(merged)
    return merged.get_repository_def()


def names_of(repository: dg.RepositoryDefinition) -> Iterator[str]:
    """Every name and key that two platforms might share."""
    graph = repository.asset_graph
    yield from (key.to_user_string() for key in graph.get_all_asset_keys())
    yield from (key.asset_key.to_user_string() for key in graph.asset_check_keys)
    yield from (job.name for job in repository.get_all_jobs() if not job.name.startswith("__"))
    yield from (op.name for job in repository.get_all_jobs() for op in job.all_node_defs)
    yield from (pool for job in repository.get_all_jobs() for op in job.all_node_defs for pool in op.pools)
    yield from (watcher.name for watcher in (*repository.sensor_defs, *repository.schedule_defs))
    yield from (graph.get(key).group_name or "" for key in graph.get_all_asset_keys())
    yield from (key for key in repository.get_top_level_resources() if key != "io_manager")


def test_what_is_mounted_bears_the_name_and_the_rest_keeps_its_own(repository: dg.RepositoryDefinition) -> None:
    alone = set(names_of(build_definitions(settings=Settings()).get_repository_def()))
    both = {
        f"{name}{'/' if found in {*ASSET_NAMES, 'app', 'feeds/feed'} else '_'}{found}"
        for name in ("north", "south")
        for found in alone
    }
    # An op is called as its asset.
    ops = {f"{name}_{found}" for name in ("north", "south") for found in ASSET_NAMES}
    left_out = {f"{name}_outdated_run_logs" for name in ("north", "south")}
    assert set(names_of(repository)) == (alone | both | ops) - left_out


def test_the_lists_of_names_are_those_of_the_definitions() -> None:
    repository = build_definitions(settings=Settings()).get_repository_def()
    assert [asset.key.to_user_string() for asset in ASSETS] == list(ASSET_NAMES)
    assert {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")} == set(JOB_NAMES)
    watchers = {watcher.name for watcher in (*repository.sensor_defs, *repository.schedule_defs)}
    assert watchers == set(WATCHER_NAMES)


def test_each_platform_begins_and_ends_its_own_lineage(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    loaded, feed = dg.AssetKey(["north", "raw_observations"]), dg.AssetKey(["north", "feeds", "feed"])
    assert graph.get(loaded).parent_keys == {feed}
    ours = [graph.get(key) for key in graph.get_all_asset_keys() if key.path[0] == "north"]
    assert {parent.path[0] for node in ours for parent in node.parent_keys} == {"north"}


def test_a_mounted_platform_reads_nothing_of_the_environment_but_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTING_HORIZON_DAYS", "7")
    monkeypatch.setenv("FORECASTING_POSTGRES_DSN", "postgresql://another/one")
    monkeypatch.setenv("NORTH_DSN", "postgresql://host/db")
    resources = platform("north", {"postgres_dsn": "NORTH_DSN"}).resources or {}
    with dg.build_resources({"settings": resources["north_settings"]}) as found:
        settings: Settings = found.settings
    assert (settings.horizon_days, settings.require_postgres_dsn()) == (15, "postgresql://host/db")
    assert (settings.mounted_as, settings.postgres_schema, settings.model_name) == ("north", "north", "north")
    assert "postgresql://host" not in repr(resources["north_settings"])


def test_a_schema_and_a_model_of_another_name_are_kept() -> None:
    settings = mounted("north", GivenSettings(postgres_schema="tables", model_name="gas"))
    assert (settings.postgres_schema, settings.model_name) == ("tables", "gas")


def test_a_variable_that_is_not_set_is_named_when_a_run_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NORTH_DSN", raising=False)
    resource = MountedSettings.of(mounted("north", GivenSettings()), {"postgres_dsn": "NORTH_DSN"})
    with pytest.raises(dg.DagsterResourceFunctionError) as refused, dg.build_resources({"settings": resource}):
        pass
    assert "NORTH_DSN: is not set; it holds the setting postgres_dsn" in str(refused.value.__cause__)


@pytest.mark.parametrize(
    ("name", "given", "environment", "message"),
    [
        ("North", {}, {}, r"name: is 'North'; give a word of at most 41 lowercase"),
        ("north", {"horizon": 7}, {}, r"horizon: is no setting; docs/settings.md"),
        ("north", {"horizon_days": 700}, {}, r"horizon_days: Input should be less than or equal to 60"),
        ("north", {"postgres_dsn": "postgresql://me:secret@host"}, {}, r"postgres_dsn: is a secret; name the"),
        ("north", {}, {"dsn": "NORTH_DSN"}, r"environment: names 'dsn': is no setting"),
        ("north", {"owners": {"default": "me"}}, {}, r"owners: the owner of default is 'me'; write team:name"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_in_words(
    name: str, given: dict[str, object], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        platform(name, environment, **given)
    assert "secret@" not in str(refused.value)


def test_settings_of_its_own_are_needed() -> None:
    with pytest.raises(ConfigurationError, match=r"north: needs settings of its own"):
        build_definitions(name="north")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def test_results_of_checks_are_seen_where_dagster_numbers_the_events_of_each_run_apart() -> None:
    """As `dg dev` does by itself, with SQLite."""
    passed = [False]

    @dg.asset_check(asset=["north", "forecasts"])
    def forecasts_are_stable() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passed[0])

    job = dg.Definitions(asset_checks=[forecasts_are_stable]).resolve_implicit_global_asset_job_def()
    settings, cursor, seen = mounted("north", GivenSettings()), 0, []
    with instance_for_test() as instance:
        assert instance.event_log_storage.is_run_sharded
        for passed[0] in (False, True):
            job.execute_in_process(instance=instance)
            found, cursor = check_evaluations(instance, cursor, settings, {})
            seen.append(found[-1])
    assert [each.result for each in seen] == ["failed", "passed"]
    assert seen[0].event_id < seen[1].event_id


def test_a_platform_takes_in_its_own_checks_only(instance: dg.DagsterInstance) -> None:
    @dg.asset_check(asset=["north", "forecast_errors"], name="forecast_bias_within_budget")
    def broken() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    dg.Definitions(asset_checks=[broken]).resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    found = {
        name: check_evaluations(instance, 0, settings, {})[0]
        for name, settings in {
            "": Settings(),
            "north": mounted("north", GivenSettings()),
            "south": mounted("south", GivenSettings()),
        }.items()
    }
    assert (found[""], found["south"]) == ([], [])
    assert [each.fingerprint for each in found["north"]] == ["forecast_errors:forecast_bias_within_budget"]


@pytest.mark.parametrize(
    ("job", "asset", "of"),
    [("load_job", None, ""), ("north_load_job", None, "north"), ("__ASSET_JOB", "north/forecasts", "north"),
     ("__ASSET_JOB", "forecasts", ""), ("__ASSET_JOB", "somebodys", None), ("somebodys_job", None, None)],
)  # fmt: skip
def test_a_failed_run_is_an_incident_of_the_platform_that_it_is_of(
    instance: dg.DagsterInstance, job: str, asset: str | None, of: str | None
) -> None:
    selection = frozenset({dg.AssetKey.from_user_string(asset)}) if asset else None
    run = create_run_for_test(instance, job, asset_selection=selection)
    for mount in ("", "north", "south"):
        settings = mounted(mount, GivenSettings()) if mount else Settings()
        assert (run_failure(instance, run, "it broke", settings) is not None) == (mount == of)


def test_a_training_of_one_platform_is_none_of_the_other() -> None:
    with instance_for_test() as instance:
        _compare_trainings(instance)


def _compare_trainings(instance: dg.DagsterInstance) -> None:
    cycle = "2023-12-31"
    instance.add_run(dg.DagsterRun("north_training_job", tags={tag_key("north", CYCLE): cycle}))
    repository = dg.Definitions.merge(platform("north"), platform("south")).get_repository_def()
    at = datetime(2023, 12, 31, 1, tzinfo=UTC)
    asked = {}
    for name in ("north", "south"):
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=at,
            resources={f"{name}_settings": mounted(name, GivenSettings(training_anchor_date="2023-12-31"))},
        )
        answer = repository.get_schedule_def(f"{name}_training_schedule").evaluate_tick(context)
        asked[name] = [request.tags.get(tag_key(name, CYCLE)) for request in answer.run_requests or []]
    assert asked == {"north": [], "south": [cycle]}


def test_a_mounted_sensor_finds_its_own_resources(instance: dg.DagsterInstance) -> None:
    ledger = MemoryLedger()
    sensor = platform("north").get_repository_def().get_sensor_def("north_alert_sensor")
    settings = mounted("north", GivenSettings())
    context = dg.build_sensor_context(
        instance=instance, resources={"north_ledger": ledger, "north_settings": settings}, cursor="0"
    )
    assert "results seen" in str(sensor.evaluate_tick(context).skip_message)
    assert "alert_sensor" in ledger.heartbeats()


def test_no_statement_names_a_schema() -> None:
    """The connection does: a statement that names `forecasting` would read another platform's tables."""
    files = Path(postgres.__file__).parent.rglob("*.py")
    tables = re.compile(r"(FROM|INTO|UPDATE|TABLE|VIEW|ON|JOIN) forecasting\.")
    assert [path.name for path in files if tables.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("resource", "setting"),
    [("table_store", "FORECASTING_POSTGRES_DSN"), ("ledger", "FORECASTING_POSTGRES_DSN"),
     ("mlflow", "FORECASTING_MLFLOW_TRACKING_URI")],
)  # fmt: skip
def test_a_resource_that_cannot_be_made_says_why(resource: str, setting: str) -> None:
    resources = build_definitions(settings=GivenSettings()).resources or {}
    with pytest.raises(dg.DagsterResourceFunctionError) as refused, dg.build_resources({"it": resources[resource]}):
        pass
    assert f"{setting}: is not set" in str(refused.value.__cause__)
