from datetime import UTC, datetime

import pandas as pd
import pytest

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.reports.accuracy import accuracy_report
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS
from forecasting_platform.services.report import Report
from forecasting_platform.settings import Settings
from forecasting_platform_tests.forecasting.monitoring.control import controlled

NAMES = [f"{number:02d}" for number in range(12)]


@pytest.fixture(scope="module")
def errors() -> pd.DataFrame:
    """Twelve series, each with wider errors than the one before."""
    return pd.concat([controlled.errors(30, scale=1 + int(name)).assign(unique_id=name) for name in NAMES])


def report(errors: pd.DataFrame, *, every_series: bool = False) -> Report:
    store, days = MemoryTableStore(), DateRange(errors["ds"].min().date(), errors["ds"].max().date())
    store.record_observations(errors[["unique_id", "ds", "y"]], days, available_at=datetime(2023, 9, 1, tzinfo=UTC))
    store.replace(FORECAST_ERRORS, errors, days)
    return Report(store, MemoryLedger(), None, Settings(), {}, every_series=every_series)


def test_of_many_series_a_report_shows_the_worst_and_quantiles_of_all(errors: pd.DataFrame) -> None:
    found = report(errors)
    assert sorted(found.accuracy["unique_id"].unique()) == NAMES[2:]
    assert sorted(found.vintages["unique_id"].unique()) == NAMES[2:]
    quantiles = found.quantiles["accuracy"]
    assert (quantiles["series"] == len(NAMES)).all()
    month = accuracy_report(errors).query("window_days == 28")
    median = quantiles.query("window_days == 28 and quantile == 0.5")
    assert median["rmse"].tolist() == [pytest.approx(month["rmse"].median())]
    assert "0.500" in found.html(pd.DataFrame())


def test_a_report_shows_each_series_of_few_and_where_all_are_asked_for(errors: pd.DataFrame) -> None:
    few = errors[errors["unique_id"] < "10"]
    for of, every_series in ((few, False), (errors, True)):
        found = report(of, every_series=every_series)
        pd.testing.assert_frame_equal(found.accuracy, accuracy_report(of))
        assert not found.quantiles


def test_series_are_read_some_at_a_time_with_the_same_result(
    errors: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = report(errors, every_series=True)
    monkeypatch.setattr("forecasting_platform.services.report.MAX_SERIES_READ", 5)
    apart = report(errors, every_series=True)
    pd.testing.assert_frame_equal(apart.accuracy, together.accuracy)
    pd.testing.assert_frame_equal(apart.vintages, together.vintages)
