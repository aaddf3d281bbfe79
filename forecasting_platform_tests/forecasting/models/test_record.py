"""The forecast of record: which one it is, and that the page says the same as control."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.models.record import forecasts_of_record, newest_of_record
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform_tests.forecasting.histories import DAYS, histories
from serve.forecasts.history import read_history

NOON = pd.Timestamp("2023-07-01T12:00Z")


def issued(version: str, at: pd.Timestamp | None) -> dict[str, object]:
    return {"unique_id": "a", "cutoff": 1, "ds": 2, "model_version": version, "issued_at": at}


def version_of_record(*rows: dict[str, object]) -> str:
    (version,) = forecasts_of_record(pd.DataFrame(rows))["model_version"]
    return str(version)


def test_the_forecast_of_record_is_the_one_issued_first_whatever_its_version() -> None:
    assert version_of_record(issued("9", NOON + pd.Timedelta(1, "us")), issued("10", NOON)) == "10"


def test_of_forecasts_issued_at_one_time_the_smaller_version_counts_as_a_number() -> None:
    assert version_of_record(issued("10", NOON), issued("9", NOON)) == "9"
    assert version_of_record(issued("10", None), issued("9", None)) == "9"


def test_a_row_from_before_issue_times_were_kept_is_older_than_all_others() -> None:
    assert version_of_record(issued("1", NOON), issued("2", None)) == "2"


@given(histories())
def test_the_order_of_rows_decides_nothing(rows: pd.DataFrame) -> None:
    shuffled = rows.sample(frac=1, random_state=1)
    expected = forecasts_of_record(rows).reset_index(drop=True)
    pd.testing.assert_frame_equal(forecasts_of_record(shuffled).reset_index(drop=True), expected)


@given(histories(), st.data())
def test_the_page_shows_the_newest_forecast_of_record_of_each_day(rows: pd.DataFrame, data: st.DataObject) -> None:
    store = MemoryTableStore()
    # The table of forecasts always knows when one was issued.
    store.record_forecasts(rows.dropna(subset=["issued_at"])[FORECASTS.column_names])
    held = store.read(FORECASTS)
    start = data.draw(st.sampled_from(DAYS))
    shown = read_history(store, DateRange(start, DAYS[-1]), None, horizon=len(DAYS)).forecasts
    record = forecasts_of_record(held)
    expected = {
        (unique_id, str(ds.date())): by_cutoff.sort_values("cutoff")["y_hat"].iloc[-1]
        for (unique_id, ds), by_cutoff in record[record["ds"] >= pd.Timestamp(start)].groupby(["unique_id", "ds"])
    }
    assert {(row["unique_id"], row["ds"]): row["y_hat"] for row in shown} == expected
    assert len(newest_of_record(held)) == held[["unique_id", "ds"]].drop_duplicates().shape[0]


def test_nothing_issued_has_no_record() -> None:
    assert forecasts_of_record(FORECASTS.empty()).empty
    assert newest_of_record(FORECASTS.empty()).empty
    assert np.array_equal(newest_of_record(FORECASTS.empty()).columns, FORECASTS.column_names)
