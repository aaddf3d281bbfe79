"""The component: its YAML is scaffolded, loads with nothing set, and says in words what is wrong with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox

from forecasting_platform import __dir__ as found_by_dg
from forecasting_platform.component import ForecastingComponent
from forecasting_platform.errors import ConfigurationError
from forecasting_platform_tests.support.dagster_internals import ComponentTreeException

# Dagster's own reading of YAML.
pytestmark = pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated")

YAML = "source: {url: 'https://example.org/gas.csv'}\nname: gas\n"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("NORTH_POSTGRES_DSN", "MLFLOW_TRACKING_URI", "FORECASTING_POSTGRES_DSN"):
        monkeypatch.delenv(name, raising=False)
    with create_defs_folder_sandbox() as found:
        yield found


def test_the_yaml_that_is_scaffolded_is_short_and_loads_with_an_empty_environment(sandbox: Any) -> None:
    path = sandbox.scaffold_component(ForecastingComponent, defs_path="north")
    text = (path / "defs.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 15
    assert yaml.safe_load(text)["requirements"]["env"] == ["NORTH_POSTGRES_DSN", "MLFLOW_TRACKING_URI"]
    with sandbox.load_component_and_build_defs(defs_path=path) as (component, definitions):
        assert isinstance(component, ForecastingComponent)
        dg.Definitions.validate_loadable(definitions)
        graph = definitions.resolve_asset_graph()
        assert graph.get(dg.AssetKey(["north", "forecasts"])).owners == ["team:north"]
        schedule = definitions.get_repository_def().get_schedule_def("north_daily_load_schedule")
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def body(**attributes: object) -> dict[str, object]:
    return {"type": "forecasting_platform.ForecastingComponent", "attributes": {"name": "north", **attributes}}


def test_a_feed_is_described_beside_the_yaml(sandbox: Any) -> None:
    path: Path = sandbox.scaffold_component(
        ForecastingComponent, defs_path="north", defs_yaml_contents=body(settings={"feed": "feed.yaml"})
    )
    (path / "feed.yaml").write_text(YAML, encoding="utf-8")
    with sandbox.load_component_and_build_defs(defs_path=path) as (_, definitions):
        assert dg.AssetKey(["north", "feeds", "gas"]) in definitions.resolve_asset_graph().get_all_asset_keys()


def test_a_setting_that_is_none_is_named(sandbox: Any) -> None:
    path = sandbox.scaffold_component(
        ForecastingComponent, defs_path="north", defs_yaml_contents=body(settings={"horizon": 7})
    )
    with pytest.raises(ComponentTreeException) as refused, sandbox.load_component_and_build_defs(defs_path=path):
        pass
    assert isinstance(refused.value.__cause__, ConfigurationError)
    assert "horizon: is no setting" in str(refused.value.__cause__)


def test_dg_finds_it() -> None:
    assert "ForecastingComponent" in found_by_dg()
