"""How far answered forecasts were off: what counts, and how it is grouped."""

import pandas as pd
import pytest

from forecasting_platform.forecasting.monitoring.prediction_errors import ACCURACY_COLUMNS, prediction_accuracy
from forecasting_platform.forecasting.series.frames import PREDICTION_ERRORS


def errors(*rows: tuple[str, int, float, int, bool]) -> pd.DataFrame:
    """Version, step, error, answers, before the actual."""
    served = pd.Timestamp("2023-07-01", tz="UTC")
    made = [
        {
            "unique_id": "a",
            "cutoff": pd.Timestamp("2023-06-30") - pd.Timedelta(days=step),
            "ds": pd.Timestamp("2023-06-30"),
            "model_version": version,
            "step": step,
            "y_hat": 5.0 + error,
            "answers": answers,
            "first_served_at": served,
            "last_served_at": served,
            "y": 5.0,
            "error": error,
            "before_actual": before,
        }
        for version, step, error, answers, before in rows
    ]
    return PREDICTION_ERRORS.conform(pd.DataFrame(made))


def test_errors_are_grouped_by_version_and_days_ahead() -> None:
    found = prediction_accuracy(
        errors(("1", 1, 3.0, 1, True), ("1", 2, -4.0, 7, True), ("1", 9, 1.0, 1, True), ("2", 1, 2.0, 1, True))
    )
    assert found[["model_version", "days_ahead", "forecasts", "answers"]].values.tolist() == [
        ["1", "1-3", 2, 8], ["1", "8+", 1, 1], ["2", "1-3", 1, 1],
    ]  # fmt: skip
    assert found.loc[0, ["bias", "rmse", "mae"]].tolist() == pytest.approx([-0.5, 12.5**0.5, 3.5])


def test_an_answer_given_after_the_value_was_known_is_no_forecast() -> None:
    assert prediction_accuracy(errors(("1", 1, 0.0, 1, False))).empty
    assert prediction_accuracy(PREDICTION_ERRORS.empty()).columns.tolist() == ACCURACY_COLUMNS
