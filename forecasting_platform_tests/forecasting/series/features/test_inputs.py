"""An input frame is refused whole when one row of it cannot be answered."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.series.days.calendar import calendar_values
from forecasting_platform.forecasting.series.features.inputs import (
    INPUT_NAMES,
    InvalidInputsError,
    ModelInputs,
    build_inputs,
)
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES


def inputs() -> ModelInputs:
    cutoffs = np.array(["2023-06-30", "2023-06-29"], dtype="datetime64[D]")
    features = np.arange(2.0 * len(FEATURE_NAMES)).reshape(2, -1)
    return build_inputs(["a", "b"], cutoffs, features, [date(2023, 7, 1), date(2023, 7, 2)], "IE")


def test_rows_are_ordered_by_series_then_day_and_hold_features_and_the_days_calendar() -> None:
    rows = inputs()
    assert rows.unique_id.tolist() == ["a", "a", "b", "b"]
    assert rows.ds.astype(str).tolist() == ["2023-07-01", "2023-07-02"] * 2
    assert rows.step.tolist() == [1, 2, 2, 3]
    np.testing.assert_array_equal(
        rows.values[2, : len(FEATURE_NAMES)], len(FEATURE_NAMES) + np.arange(float(len(FEATURE_NAMES)))
    )
    np.testing.assert_array_equal(rows.values[:2, len(FEATURE_NAMES) :], calendar_values(rows.ds[:2], "IE"))


def test_columns_are_found_by_name() -> None:
    rows = inputs()
    second = len(FEATURE_NAMES)
    assert rows.column("lag_1").tolist() == [1.0, 1.0, second + 1.0, second + 1.0]
    np.testing.assert_array_equal(rows.columns(["target_weekday", "y"]), [[5, 0], [6, 0], [5, second], [6, second]])


@pytest.mark.parametrize("day", ["ds", "cutoff"])
def test_a_frame_with_a_missing_day_is_refused_with_its_row(day: str) -> None:
    frame = inputs().to_frame()
    frame.loc[2, day] = pd.NaT
    with pytest.raises(InvalidInputsError, match="ds must lie after cutoff; it does not in rows 2"):
        ModelInputs.from_frame(frame)


def test_a_number_too_large_for_a_float_is_refused() -> None:
    records = inputs().to_records()
    records[0]["y"] = 10**400
    with pytest.raises(InvalidInputsError, match="neither numbers nor days"):
        ModelInputs.from_records(records)
    frame = inputs().to_frame().astype({"y": object})
    frame.loc[0, "y"] = 10**400
    with pytest.raises(InvalidInputsError, match="neither numbers nor days"):
        ModelInputs.from_frame(frame)


def test_missing_columns_of_a_frame_are_named() -> None:
    with pytest.raises(InvalidInputsError, match="lacks the columns 'cutoff', 'mean_364'"):
        ModelInputs.from_frame(inputs().to_frame().drop(columns=["cutoff", "mean_364"]))


def test_a_frame_with_text_for_a_number_is_refused() -> None:
    with pytest.raises(InvalidInputsError, match=r"neither numbers nor days.*many"):
        ModelInputs.from_frame(inputs().to_frame().assign(y="many"))


def test_columns_that_no_model_reads_are_ignored() -> None:
    records = [record | {"note": "mine"} for record in inputs().to_records()]
    np.testing.assert_array_equal(ModelInputs.from_records(records).values, inputs().values)
    np.testing.assert_array_equal(ModelInputs.from_frame(inputs().to_frame().assign(note=1)).values, inputs().values)


def test_no_rows_are_no_error() -> None:
    assert len(ModelInputs.from_records([])) == 0
    assert ModelInputs.from_records([]).values.shape == (0, len(INPUT_NAMES))
