"""A platform whose tables are in Spark: when one is, and what that refuses. One that runs is in `end_to_end`."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from forecasting_platform.errors import ConfigurationError, PlatformStateError
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.environment import SPARK_OF_ONE_MACHINE
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform.settings import Settings


def platform_of(
    directory: Path, environment: Mapping[str, str] | None = None, *, spark: bool = False
) -> EmbeddedPlatform:
    return EmbeddedPlatform(directory, 30500, spark=spark, environment=environment or {})


def test_tables_are_in_postgres_unless_asked_otherwise(tmp_path: Path) -> None:
    assert platform_of(tmp_path).settings == {}


@pytest.mark.parametrize(("asked", "environment"), [(True, {}), (False, {"FORECASTING_TABLE_STORE": "spark"})])
def test_tables_are_in_spark_when_the_command_or_the_environment_asks(
    tmp_path: Path, asked: bool, environment: dict[str, str]
) -> None:
    settings = Settings(**platform_of(tmp_path, environment, spark=asked).settings)
    assert (settings.table_store, settings.engine) == ("spark", "spark")
    assert settings.spark_warehouse_dir == str(tmp_path / "spark" / "tables")
    assert settings.spark_remote
    assert settings.spark_remote.get_secret_value().startswith("sc://localhost:30505/;token=")


def test_a_directory_with_tables_in_spark_goes_on_with_them_unasked(tmp_path: Path) -> None:
    DataDirectory(tmp_path).spark.mkdir()
    assert platform_of(tmp_path).settings["table_store"] == "spark"


def test_settings_of_spark_that_the_caller_gives_win(tmp_path: Path) -> None:
    assert platform_of(tmp_path, spark=True).settings["spark_conf"] == SPARK_OF_ONE_MACHINE
    assert "spark_conf" not in platform_of(tmp_path, {"FORECASTING_SPARK_CONF": "{}"}, spark=True).settings


def test_tables_that_are_in_postgres_are_not_left_behind_for_spark(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with (
        pytest.raises(PlatformStateError, match=r"are in Postgres; .* name another --data-dir"),
        platform_of(tmp_path, spark=True) as platform,
    ):
        platform.start_services()
    assert not DataDirectory(tmp_path).spark.exists()


def test_without_pyspark_the_start_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecasting_platform.adapters.spark.options.find_spec", lambda _name: None)
    with (
        pytest.raises(ConfigurationError, match=r"forecasting-platform\[spark\]"),
        platform_of(tmp_path, spark=True) as platform,
    ):
        platform.start_services()
