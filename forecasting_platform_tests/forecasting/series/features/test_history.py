"""Windows of history: what is in them, and how an input row carries them."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from forecasting_platform.forecasting.series.features.history import (
    has_history,
    history_of,
    windows_until,
    with_history,
)
from forecasting_platform.forecasting.series.features.inputs import InvalidInputsError, ModelInputs, build_inputs
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES


def inputs_of(history: list[float]) -> ModelInputs:
    features, cutoffs = np.ones((1, len(FEATURE_NAMES))), np.array(["2023-06-30"], "datetime64[D]")
    days = [date(2023, 7, 1), date(2023, 7, 2)]
    return build_inputs(["a"], cutoffs, features, days, "IE", history=np.array([history]))


@given(
    values=arrays.arrays(float, st.tuples(st.integers(1, 3), st.integers(1, 12))),
    window_days=st.integers(0, 15),
    data=st.data(),
)
def test_a_window_holds_the_days_up_to_its_last_one_and_nothing_later(
    values: np.ndarray, window_days: int, data: st.DataObject
) -> None:
    last = data.draw(st.integers(0, values.shape[1] - 1))
    (window,) = windows_until(values, np.array([last]), window_days).swapaxes(0, 1)
    for before in range(window_days):
        day = last - before
        expected = values[:, day] if day >= 0 else np.full(len(values), np.nan)
        np.testing.assert_array_equal(window[:, window_days - 1 - before], expected)


def test_rows_of_any_day_and_series_are_given_their_own_window_with_gaps() -> None:
    days = pd.date_range("2023-01-01", periods=5)
    values = pd.DataFrame(
        {"unique_id": ["a"] * 5 + ["b"] * 2, "ds": [*days, days[1], days[3]], "y": [1.0, 2, 3, 4, 5, 20, 40]}
    )
    rows = values[values["ds"].isin([days[3], days[4]]) | (values["unique_id"] == "b")].sample(frac=1, random_state=0)
    found = history_of(with_history(rows, values, 3), 3)
    expected = {("a", 3): [2, 3, 4], ("a", 4): [3, 4, 5], ("b", 1): [np.nan, np.nan, 20], ("b", 3): [20, np.nan, 40]}
    keys = [(name, list(days).index(day)) for name, day in zip(rows["unique_id"], rows["ds"], strict=True)]
    np.testing.assert_array_equal(found, [expected[key] for key in keys])


def test_rows_without_a_window_that_a_model_needs_are_refused_and_one_that_needs_none_asks_for_none() -> None:
    rows = pd.DataFrame({"unique_id": ["a"], "ds": [pd.Timestamp("2023-01-01")], "y": [1.0]})
    assert (has_history(rows, 0), has_history(rows, 1), history_of(rows, 0).shape) == (True, False, (1, 0))
    with pytest.raises(ValueError, match="needs 2 days of history"):
        history_of(rows, 2)
    two = with_history(rows, rows, 2)
    assert (has_history(two, 2), has_history(two, 3)) == (True, False)


def test_records_and_frames_carry_the_history_and_more_than_is_needed_is_cut_off() -> None:
    inputs = inputs_of([np.nan, 2.0, 3.0])
    records = inputs.to_records()
    assert records[0]["history"] == [None, 2.0, 3.0]
    for again in (ModelInputs.from_records(records, (), 3), ModelInputs.from_frame(inputs.to_frame(), (), 3)):
        np.testing.assert_array_equal(again.history, inputs.history)
    assert inputs.to_frame().columns[-3:].tolist() == ["history_2", "history_1", "history_0"]
    assert ModelInputs.from_records(records, (), 2).history.tolist() == [[2.0, 3.0]] * 2
    assert ModelInputs.from_records(records).history.shape == (2, 0)
    assert inputs.rows(slice(1, 2)).history.tolist()[0][1:] == [2.0, 3.0]


def test_a_history_that_is_missing_too_short_or_infinite_is_told_with_its_row() -> None:
    records = inputs_of([1.0, 2.0]).to_records()
    with pytest.raises(InvalidInputsError, match=r"row 0 of the input frame has a history of 2 days; .* needs 3"):
        ModelInputs.from_records(records, (), 3)
    del records[1]["history"]
    with pytest.raises(InvalidInputsError, match="row 1 of the input frame lacks 'history'"):
        ModelInputs.from_records(records, (), 2)
    with pytest.raises(InvalidInputsError, match="lacks the columns 'history_1'"):
        ModelInputs.from_frame(inputs_of([1.0]).to_frame(), (), 2)
    with pytest.raises(InvalidInputsError, match="infinite value in the history of rows 0"):
        inputs_of([np.inf, 1.0])
