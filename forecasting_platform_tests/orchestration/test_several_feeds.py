"""Several feeds in one installation: each has its own check, and one that fails holds up its own series only."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.feed_wiring import feed_of
from forecasting_platform.forecasting.monitoring.next_steps import next_step
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, QUARANTINED_OBSERVATIONS
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.orchestration.sensors import reconcile_sensor
from forecasting_platform.settings import Settings

pytestmark = pytest.mark.slow

DAYS = DateRange(date(2023, 6, 1), date(2023, 6, 5))
OVERALL = "feed_document_gives_values"


class Installation:
    """Two feeds, each a file with a description, on a memory store."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance, self.store = folder, instance, MemoryTableStore()
        for name in ("gas", "power"):
            url = (folder / f"{name}.csv").as_uri()
            description = f"source: {{url: '{url}'}}\nday: {{format: dd/mm/yyyy}}\n"
            (folder / f"{name}.yaml").write_text(description, encoding="utf-8")
            self.publish(name, *range(5))
        self.settings = Settings(feeds=folder, schedules_enabled=True)

    def publish(self, name: str, *cells: object) -> None:
        rows = [f"{DAYS.start + timedelta(days=day):%d/%m/%Y},{cell}" for day, cell in enumerate(cells)]
        (self.folder / f"{name}.csv").write_text("\n".join([f"Date,{name}", *rows]), encoding="utf-8")

    def load(self) -> dg.ExecuteInProcessResult:
        resources = {"table_store": self.store}
        job = build_definitions(settings=self.settings, resources=resources).resolve_job_def("load_job")
        return job.execute_in_process(instance=self.instance, tags=range_tags(DAYS), raise_on_error=False)

    @property
    def loaded(self) -> dict[str, int]:
        counts = self.store.read_observations(DAYS)["unique_id"].value_counts()
        return {str(name): int(count) for name, count in counts.items()}

    @property
    def built(self) -> set[str]:
        return set(self.store.read(FEATURE_TABLE)["unique_id"])


@pytest.fixture
def installation(tmp_path: Path) -> Any:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Installation(tmp_path, instance)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def test_all_feeds_are_loaded_and_each_has_its_check(installation: Installation) -> None:
    result = installation.load()
    assert result.success
    assert installation.loaded == {"gas": 5, "power": 5}
    found = checks(result)
    assert [found[name].passed for name in (OVERALL, f"{OVERALL}__gas", f"{OVERALL}__power")] == [True] * 3
    assert "0 of 5 rows and 0 of 5 values" in str(found[f"{OVERALL}__gas"].description)


@pytest.mark.parametrize(("failing", "other"), [("gas", "power"), ("power", "gas")])
def test_a_feed_that_fails_holds_up_its_own_series_and_says_why(
    installation: Installation, failing: str, other: str
) -> None:
    (installation.folder / f"{failing}.csv").write_text("<html>Maintenance</html>", encoding="utf-8")
    result = installation.load()
    assert result.success
    assert installation.loaded == {other: 5}
    assert installation.built == {other}
    found = checks(result)
    assert found[OVERALL].passed
    assert found[f"{OVERALL}__{other}"].passed
    told = found[f"{OVERALL}__{failing}"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert str(told.description).startswith(f"{DAYS}, feed '{failing}': ")
    assert f"{failing}.csv was refused" in str(told.description)
    assert "it is a web page" in str(told.description)
    logged = [entry.user_message for entry in installation.instance.all_logs(result.run_id)]
    assert any(f"going on without all that the feed '{failing}' should give" in message for message in logged)


def test_a_feed_of_which_too_much_is_refused_holds_up_its_own_series(installation: Installation) -> None:
    installation.publish("gas", "n/a", "n/a", "n/a", 4, 5)
    result = installation.load()
    assert result.success
    assert installation.loaded == {"power": 5}
    told = checks(result)[f"{OVERALL}__gas"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "more was refused than the 50 %" in str(told.description)
    assert "such as row 1 of 'gas', 'n/a'" in str(told.description)


def test_features_wait_where_every_feed_gives_too_little(installation: Installation) -> None:
    for name in ("gas", "power"):
        installation.publish(name, "n/a", "n/a", "n/a", 4, 5)
    result = installation.load()
    assert not result.success
    assert installation.built == set()
    assert "gas: more was refused than the 50 %" in str(checks(result)[OVERALL].description)


def test_a_load_fails_where_every_feed_does(installation: Installation) -> None:
    for name in ("gas", "power"):
        (installation.folder / f"{name}.csv").write_text("<html>", encoding="utf-8")
    assert not installation.load().success
    assert not installation.instance.get_materialized_partitions(raw_observations.key)


def test_what_a_feed_had_to_miss_is_loaded_once_it_is_back(installation: Installation) -> None:
    installation.publish("gas", "n/a", "n/a", "n/a", 4, 5)
    installation.load()
    installation.publish("gas", 1, 2, 3, 4, 5)
    asked = reconcile_sensor(
        dg.build_sensor_context(instance=installation.instance),
        observation_feed=feed_of(installation.settings),
        table_store=installation.store,
        settings=installation.settings,
    )
    assert isinstance(asked, dg.RunRequest)
    # The load and the look fetched each feed once, and each fetch is shown.
    for name in ("gas", "power"):
        fetched = installation.instance.fetch_observations(dg.AssetKey(["feeds", name]), limit=9).records
        assert len(fetched) == 2
    installation.load()
    assert installation.loaded == {"gas": 5, "power": 5}


def test_a_prefix_keeps_series_of_one_name_apart(installation: Installation) -> None:
    content = (installation.folder / "gas.csv").read_text(encoding="utf-8")
    (installation.folder / "power.csv").write_text(content.replace("01/06/2023,0", "01/06/2023,n/a"), encoding="utf-8")
    told = checks(installation.load())[f"{OVERALL}__power"]
    assert "it has 'gas', which 'gas' has too and which is taken from there" in str(told.description)
    assert installation.loaded == {"gas": 5}
    with (installation.folder / "power.yaml").open("a", encoding="utf-8") as description:
        description.write("series: {prefix: 'power '}\n")
    assert installation.load().success
    assert installation.loaded == {"gas": 5, "power gas": 4}
    assert "power gas" in set(installation.store.read(QUARANTINED_OBSERVATIONS)["unique_id"])


def test_what_each_feed_gave_and_when_it_is_next_due_is_in_the_metadata_of_the_load(installation: Installation) -> None:
    (installation.folder / "gas.csv").write_text("<html>", encoding="utf-8")
    (made, *_) = installation.load().asset_materializations_for_node("raw_observations")
    shown = made.metadata["feeds"].value
    assert set(shown["gas"]) == {"problem", "newest_day", "not_yet", "next_due", "complete_from"}
    power = {name: shown["power"][name] for name in ("values", "new", "revised", "unchanged", "newest_day", "next_due")}
    assert power == {
        "values": 5, "new": 5, "revised": 0, "unchanged": 0, "newest_day": "2023-06-05", "next_due": "2023-06-06",
    }  # fmt: skip


def test_the_checks_of_the_feeds_share_a_runbook_and_a_next_step() -> None:
    assert Settings(runbooks_url="r").runbook_url(f"{OVERALL}__gas") == f"r/{OVERALL}.md"
    assert next_step(f"raw_observations:{OVERALL}__gas") == next_step(f"raw_observations:{OVERALL}")


def test_a_description_that_is_wrong_leaves_the_definitions_and_is_told_by_the_load(tmp_path: Path) -> None:
    (tmp_path / "gas.yaml").write_text("source: {}\n", encoding="utf-8")
    definitions = build_definitions(settings=Settings(feeds=tmp_path), resources={"table_store": MemoryTableStore()})
    result = definitions.resolve_job_def("load_job").execute_in_process(tags=range_tags(DAYS), raise_on_error=False)
    failures = [event for event in result.all_events if event.is_failure]
    assert any("source.url" in str(event.event_specific_data) for event in failures)
