"""What a load's checks stop, what they only tell, and when they run."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from forecasting_platform.adapters.memory_table_store import MemoryTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.forecasting.data_quality import history_period
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.frames import FEATURE_TABLE
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.settings import Settings
from forecasting_platform_tests.forecasting.test_data_quality import changed, series

pytestmark = pytest.mark.slow

DAYS = DateRange(date(2023, 7, 1), date(2023, 7, 5))


@dataclass
class Feed:
    values: pd.DataFrame

    def fetch(self, period: DateRange) -> FeedDocument:
        nothing = pd.DataFrame({name: pd.Series(dtype=object) for name in ("unique_id", "ds", "reason", "raw")})
        return FeedDocument("scripted", datetime(2023, 7, 6, tzinfo=UTC), "0" * 64, 1, self.values, nothing)


Loaded = tuple[dg.ExecuteInProcessResult, MemoryTableStore]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[pd.DataFrame], Loaded]:
    """Runs `load_job` for five days of values after three years of ordinary ones."""
    monkeypatch.setenv("FORECASTING_DATA_DOCS_DIR", str(tmp_path / "data docs"))

    def run(values: pd.DataFrame) -> Loaded:
        store, past = MemoryTableStore(), history_period(DAYS)
        store.record_observations(series(past), past, available_at=datetime(2023, 7, 1, tzinfo=UTC))
        resources = {"observation_feed": Feed(values), "table_store": store, "settings": Settings()}
        job = build_definitions(resources=resources).resolve_job_def("load_job")
        return job.execute_in_process(tags=range_tags(DAYS), raise_on_error=False), store

    return run


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def test_an_unusual_load_is_told_and_goes_on(load: Callable[[pd.DataFrame], Loaded], tmp_path: Path) -> None:
    result, store = load(changed(series(DAYS), "2023-07-03", 150.0))
    assert result.success
    assert len(store.read(FEATURE_TABLE, DAYS)) == 5
    told = checks(result)["observations_meet_expectations"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "no value is unusually high" in str(told.description)
    assert "| a | 2023-07-03 | 150 |" in str(told.metadata["unexpected_rows"].value)
    page = Path(str(told.metadata["data_docs_file"].value))
    assert page.is_relative_to(tmp_path / "data docs")
    assert "no value is unusually high" in page.read_text(encoding="utf-8")
    # Features do not wait for the suite, whose import takes seconds.
    order = [event.step_key for event in result.all_events if event.is_step_success]
    assert order.index("feature_table") < order.index("raw_observations_observations_meet_expectations")


def test_an_implausible_load_stops_before_features(load: Callable[[pd.DataFrame], Loaded]) -> None:
    result, store = load(series(DAYS).assign(y=lambda rows: rows["y"] * 1000))
    assert store.read(FEATURE_TABLE).empty
    assert len(store.read_observations(DAYS)) == 5
    stopped = checks(result)["observations_are_plausible"]
    assert (stopped.passed, stopped.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "5 of 5 values are implausible" in str(stopped.description)


def test_nothing_published_is_no_failure(load: Callable[[pd.DataFrame], Loaded]) -> None:
    result, _ = load(series(DAYS).iloc[:0])
    assert result.success
    assert checks(result)["observations_are_plausible"].passed
    # Two days are due, the newest three may still come.
    assert checks(result)["observations_meet_expectations"].metadata["rows"].value == 0
