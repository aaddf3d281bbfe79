"""Tables in Spark go into a backup, and come back in another folder with a metastore that never knew them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pydantic import SecretStr

from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.adapters.spark.session import forget_remote_session
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, OBSERVATIONS, QUARANTINED_OBSERVATIONS
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.spark_copies import BATCHES, copy_tables, take_up_tables
from forecasting_platform.settings import Settings
from forecasting_platform_tests.contracts.table_store_rows import (
    DAY_1,
    JANUARY,
    MONDAY,
    TUESDAY,
    features,
    observations,
    refused,
)

pytestmark = pytest.mark.slow


def settings_of(options: SparkOptions, schema: str) -> dict[str, object]:
    return {
        "table_store": "spark",
        "spark_remote": options.remote,
        "spark_warehouse_dir": options.warehouse,
        "postgres_schema": schema,
    }


def test_tables_come_back_in_another_folder(spark_options: SparkOptions, tmp_path: Path) -> None:
    source, target = DataDirectory(tmp_path / "source"), DataDirectory(tmp_path / "the target")
    for directory in (source, target):
        (directory.spark / "tables").mkdir(parents=True)
    forget_remote_session()
    there = replace(spark_options, warehouse=str(source.spark / "tables"))
    store = SparkTableStore(there, database="copied")
    store.prepare()
    for value, moment in ((1, MONDAY), (2, TUESDAY)):
        store.record_observations(
            observations(("a", "2020-01-01", value)),
            JANUARY,
            available_at=moment,
            quarantined=refused((None, None, "no object", str(value))),
        )
        store.replace(FEATURE_TABLE, features(JANUARY, value=float(value)), JANUARY)
    store.replace(FEATURE_TABLE, FEATURE_TABLE.empty(), DAY_1)
    tables = (OBSERVATIONS, QUARANTINED_OBSERVATIONS, FEATURE_TABLE)
    before = [store.read(table) for table in tables]
    source.write_settings(settings_of(there, "copied"))
    copy_tables(source, tmp_path / "backup", is_running=True)

    shutil.copytree(tmp_path / "backup" / "tables" / "copied", target.spark / "tables" / "restored")
    shutil.copyfile(tmp_path / "backup" / BATCHES, target.spark / BATCHES)
    shutil.rmtree(source.spark)
    forget_remote_session()
    here = replace(spark_options, warehouse=str(target.spark / "tables"))
    settings = Settings(**settings_of(here, "restored"))  # type: ignore[arg-type] # fields of several types
    assert take_up_tables(target, settings)
    assert not take_up_tables(target, settings), "once"
    restored = SparkTableStore(here, database="restored")
    for table, rows in zip(tables, before, strict=True):
        pd.testing.assert_frame_equal(restored.read(table), rows)
    restored.replace(FEATURE_TABLE, features(DAY_1, value=9.0), DAY_1)
    assert len(restored.read(FEATURE_TABLE)) == len(before[2]) + 2
    forget_remote_session()
    batches = json.loads((tmp_path / "backup" / BATCHES).read_text())
    assert {name: len(found) for name, found in batches.items() if found} == {
        "raw_observations_batches": 2,
        "feature_table_batches": 3,
    }
    assert isinstance(settings.spark_remote, SecretStr)
