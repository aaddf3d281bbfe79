"""What the catalog shows of every asset: none lacks a key."""

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from forecasting_platform.definitions import ASSETS, build_definitions
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.feed_wiring import feed_of
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECASTS, OBSERVATIONS
from forecasting_platform.orchestration.catalog.columns import DECISION_SCHEMA, MODEL_SCHEMA
from forecasting_platform.orchestration.catalog.external import fetches
from forecasting_platform.settings import Settings

KEYS = {"column_schema", "table_name", "uri", "storage_kind", "code_references"}
SECRET = "hush"
NAMED = Settings(
    postgres_dsn=f"postgresql://me:{SECRET}@db:5433/forecasting",  # type: ignore[arg-type] # pydantic takes text
    mlflow_tracking_uri=f"http://me:{SECRET}@mlflow:5000",
    feed_url=f"https://me:{SECRET}@example.org/gas.json?key={SECRET}",
)
STORES = {
    "nothing set": Settings(),
    "postgres": NAMED,
    "spark": NAMED.model_copy(
        update={"table_store": "spark", "engine": "spark", "spark_warehouse_dir": "s3a://lake/t"}
    ),
}


def specs(settings: Settings) -> dict[str, dg.AssetSpec]:
    found = build_definitions(settings=settings).resolve_all_asset_specs()
    return {spec.key.to_user_string(): spec for spec in found}


@pytest.mark.parametrize("settings", STORES.values(), ids=STORES.keys())
def test_no_asset_lacks_a_key(settings: Settings) -> None:
    found = specs(settings)
    assert found.keys() == {asset.key.to_user_string() for asset in ASSETS} | {"feeds/feed", "app"}
    for name, spec in found.items():
        told = {key.removeprefix("dagster/"): value for key, value in spec.metadata.items()}
        assert {key for key, value in told.items() if value} >= KEYS, name
        assert all((spec.description, spec.owners, spec.kinds, spec.code_version, spec.group_name)), name
        assert spec.tags["forecasting/refreshed"], name
        columns = told["column_schema"].columns
        assert columns, name
        assert all(column.description and column.constraints for column in columns), name
        (reference,) = told["code_references"].code_references
        assert isinstance(reference, dg.LocalFileCodeReference)
        assert Path(reference.file_path).is_file(), name
        assert SECRET not in str(spec.metadata), name


def test_columns_are_those_of_the_tables_with_what_holds_of_them() -> None:
    found = specs(NAMED)
    schema = found["raw_observations"].metadata["dagster/column_schema"]
    assert [(each.name, each.type, each.description) for each in schema.columns] == [
        (column.name, column.kind, column.description) for column in OBSERVATIONS.columns
    ]
    by_name = {each.name: each.constraints for each in schema.columns}
    assert (by_name["ds"].nullable, by_name["ds"].other) == (False, ["part of the key"])
    assert schema.constraints.other == ["key: unique_id, ds, available_at", "read by: ds"]
    answered = [column.name for column in MODEL_SCHEMA.columns]
    assert answered == [name for name in FORECASTS.column_names if name not in ("model_version", "issued_at")]
    # The ledger's table is no frame: its columns are those of a decision.
    assert {column.name for column in DECISION_SCHEMA.columns} == set(PromotionDecision.__dataclass_fields__)


def test_places_and_kinds_are_of_the_stores_that_are_used() -> None:
    on_postgres, on_spark = specs(NAMED), specs(STORES["spark"])
    table = on_postgres["forecasts"]
    assert table.metadata["dagster/table_name"] == "forecasting.forecasts"
    assert table.metadata["dagster/uri"] == "postgresql://db:5433/forecasting/forecasting.forecasts"
    assert (table.kinds, on_postgres["trained_model"].kinds) == ({"postgres"}, {"mlflow", "numpy"})
    assert on_postgres["trained_model"].metadata["dagster/uri"] == "http://mlflow:5000/#/models/forecasting_platform"
    named = specs(NAMED.model_copy(update={"model_name": "gas"}))
    assert named["champion_model"].metadata["dagster/uri"] == "http://mlflow:5000/#/models/gas"
    table = on_spark["forecasts"]
    assert (table.metadata["dagster/uri"], table.kinds) == ("s3a://lake/t/forecasts", {"spark", "hive"})
    assert on_spark["trained_model"].kinds == {"mlflow", "spark"}
    # The decisions stay in Postgres.
    assert on_spark["champion_model"].metadata["dagster/storage_kind"] == "postgres"


def test_code_is_shown_where_it_is_and_in_the_repository_that_is_named() -> None:
    def sources(settings: Settings) -> dict[str, Any]:
        return {
            name: spec.metadata["dagster/code_references"].code_references[0] for name, spec in specs(settings).items()
        }

    here = sources(NAMED)
    for asset in ASSETS:
        reference = here[asset.key.to_user_string()]
        lines = Path(reference.file_path).read_text(encoding="utf-8").splitlines()
        assert lines[reference.line_number - 1].startswith("@dg.asset"), reference
    named = {"git_url": "https://github.com/you/it/", "git_revision": "0f1e2d"}
    there = sources(NAMED.model_copy(update=named))
    line = here["raw_observations"].line_number
    path = "forecasting_platform/orchestration/assets/raw_observations.py"
    assert there["raw_observations"].url == f"https://github.com/you/it/tree/0f1e2d/{path}#L{line}"
    assert there["app"].url == "https://github.com/you/it/tree/0f1e2d/serve/http/app.py"
    elsewhere = NAMED.model_copy(update={"git_url": "https://code.example.org/it"})
    with pytest.raises(ConfigurationError, match=r"FORECASTING_GIT_URL.*set FORECASTING_GIT_PLATFORM"):
        build_definitions(settings=elsewhere)
    on_gitlab = sources(elsewhere.model_copy(update={"git_platform": "gitlab"}))
    assert on_gitlab["app"].url == "https://code.example.org/it/-/tree/main/serve/http/app.py"


def test_owners_are_those_of_the_settings_and_unusable_ones_are_refused() -> None:
    owned = specs(Settings(owners={"default": "ana@example.org", "feeds/feed": "team:suppliers"}))
    assert owned["feeds/feed"].owners == ["team:suppliers"]
    assert {tuple(spec.owners) for name, spec in owned.items() if name != "feeds/feed"} == {("ana@example.org",)}
    with pytest.raises(ConfigurationError, match="the owner of app is 'ana'; write team:name, or a mail address"):
        Settings(owners={"app": "ana"})
    with pytest.raises(ConfigurationError, match=r"FORECASTING_OWNERS.*'forcasts'.*there are .*forecasts"):
        build_definitions(settings=Settings(owners={"forcasts": "team:x"}))


def test_lineage_begins_at_each_feed_and_ends_at_the_app(tmp_path: Path) -> None:
    for name in ("gas", "power"):
        description = f"source: {{url: 'https://{name}.example/d.json'}}\nday: {{column: Date, format: dd/mm/yyyy}}\n"
        (tmp_path / f"{name}.yaml").write_text(description, encoding="utf-8")
    found = specs(Settings(feeds=tmp_path, git_url="https://github.com/you/it"))
    assert {dep.asset_key.to_user_string() for dep in found["raw_observations"].deps} == {"feeds/gas", "feeds/power"}
    assert found["feeds/power"].metadata["dagster/uri"] == "https://power.example/d.json"
    # Its description is the user's own file, in no repository of ours.
    (reference,) = found["feeds/power"].metadata["dagster/code_references"].code_references
    assert reference.file_path == str(tmp_path / "power.yaml")
    assert {dep.asset_key.to_user_string() for dep in found["app"].deps} == {
        "champion_model", "feature_table", "forecasts",
    }  # fmt: skip
    graph = build_definitions(settings=Settings(feeds=tmp_path)).resolve_asset_graph()
    assert {key.to_user_string() for key in graph.external_asset_keys} == {"feeds/gas", "feeds/power", "app"}


def test_each_fetch_is_an_observation_with_its_checksum(tmp_path: Path) -> None:
    file = tmp_path / "feed.json"
    file.write_text(json.dumps([{"Date": "01/01/2020", "Corrib": 1.5}]), encoding="utf-8")
    settings = Settings(feed_url=file.as_uri())
    document = feed_of(settings).fetch(DateRange(date(2020, 1, 1), date(2020, 1, 2)))
    (observation,) = fetches(document, settings)
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    assert observation.asset_key == dg.AssetKey(["feeds", "feed"])
    assert observation.metadata["sha256"].value == observation.tags["dagster/data_version"] == checksum
    assert (observation.metadata["values"].value, observation.metadata["newest_day"].value) == (1, "2020-01-01")
