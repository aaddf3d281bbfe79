"""The load job as Dagster runs it, with the store that FORECASTING_TABLE_STORE=spark picks."""

import json
from datetime import UTC, date, datetime
from types import SimpleNamespace

import dagster as dg
import pandas as pd
import pytest

from forecasting_platform.adapters.memory_ledger import MemoryLedger
from forecasting_platform.adapters.simulated_gas_supply import simulate_gas_supply
from forecasting_platform.adapters.spark_session import SparkOptions
from forecasting_platform.adapters.spark_table_store import SparkTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.frames import FEATURE_TABLE, OBSERVATIONS
from forecasting_platform.orchestration.event_storage import BulkPostgresEventLogStorage
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.ports.observation_feed import FeedDocument

pytestmark = pytest.mark.slow

DAYS = DateRange(date(2018, 1, 1), date(2023, 6, 30))


class Feed:
    """The simulated gas supply without a web server."""

    def fetch(self, period: DateRange) -> FeedDocument:
        wide = simulate_gas_supply(period).rename_axis(index="ds", columns="unique_id")
        values = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")[["unique_id", "ds", "y"]]
        refused = pd.DataFrame({name: pd.Series(dtype=object) for name in ("unique_id", "ds", "reason", "raw")})
        return FeedDocument("simulated", datetime(2026, 1, 1, tzinfo=UTC), "0" * 64, 1, values, refused)


def event_storage(dsn: str) -> dict[str, object]:
    """The platform's own: Dagster's others take minutes for events of years."""
    module, name = BulkPostgresEventLogStorage.__module__, BulkPostgresEventLogStorage.__name__
    url = dsn.replace("postgresql://", "postgresql+psycopg2://")
    return {"event_log_storage": {"module": module, "class": name, "config": {"postgres_url": url}}}


@pytest.fixture
def spark_is_chosen(spark_options: SparkOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    monkeypatch.setenv("FORECASTING_TABLE_STORE", "spark")
    monkeypatch.setenv("FORECASTING_SPARK_WAREHOUSE_DIR", spark_options.warehouse)
    monkeypatch.setenv("FORECASTING_SPARK_CONF", json.dumps(dict(spark_options.conf)))


@pytest.mark.usefixtures("spark_is_chosen")
def test_a_backfill_of_2007_days_lands_in_spark_and_a_reload_adds_nothing(
    spark_store: SparkTableStore, postgres_dsn: str
) -> None:
    assets = {dg.AssetKey("raw_observations"), dg.AssetKey("feature_table")}
    nothing = SimpleNamespace(set_tag=lambda *_: None, end_run=lambda *_: None)
    resources = {"observation_feed": Feed(), "ledger": MemoryLedger(), "model_registry": nothing, "mlflow": nothing}
    job = build_definitions(resources=resources).resolve_job_def("load_job")
    # What the checks say is tested elsewhere; Dagster plans each of them for each day.
    job = job.get_subset(asset_selection=assets, asset_check_selection=set())
    with dg.instance_for_test(overrides=event_storage(postgres_dsn)) as instance:
        first = job.execute_in_process(instance=instance, tags=range_tags(DAYS))
        again = job.execute_in_process(instance=instance, tags=range_tags(DateRange(DAYS.end, DAYS.end)))
    assert first.success
    assert again.success
    events = first.get_asset_materialization_events()
    for asset in assets:
        assert [event.partition for event in events if event.asset_key == asset] == [day.isoformat() for day in DAYS]
    loaded = Feed().fetch(DAYS).observations.sort_values(["unique_id", "ds"], ignore_index=True)
    pd.testing.assert_frame_equal(spark_store.read(OBSERVATIONS)[["unique_id", "ds", "y"]], loaded)
    assert len(spark_store.read(FEATURE_TABLE)) == len(loaded)
    metadata = again.asset_materializations_for_node("raw_observations")[0].metadata
    assert (metadata["load_new"].value, metadata["load_unchanged"].value) == (0, loaded["unique_id"].nunique())
