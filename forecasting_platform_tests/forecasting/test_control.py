"""Control compares what was forecast with what came, and says unknown when it does not know."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.control import (
    ControlReport,
    bias_report,
    coverage_report,
    naive_report,
    newest_window,
    rmse_report,
)
from forecasting_platform.forecasting.drift import drift_report
from forecasting_platform.forecasting.frames import FORECAST_ERRORS
from forecasting_platform.forecasting.reporting import COLUMNS, accuracy_report
from forecasting_platform_tests.forecasting.series import features_of, observations, seasonal


def errors(days: int, *, bias: float = 0.0, inside: bool = True, naive_error: float = 5.0) -> pd.DataFrame:
    """One-step forecasts of one series: actual 100, forecast off by `bias` and ± 1."""
    ds = pd.date_range("2023-07-01", periods=days)
    wobble = np.where(np.arange(days) % 2 == 0, 1.0, -1.0)
    y_hat = 100 + bias + wobble
    half = 10.0 if inside else 0.1
    return FORECAST_ERRORS.conform(
        pd.DataFrame(
            {
                "unique_id": "a",
                "cutoff": ds - timedelta(days=1),
                "ds": ds,
                "model_version": "1",
                "y_hat": y_hat,
                "y_hat_lo_80": y_hat - half,
                "y_hat_hi_80": y_hat + half,
                "y_hat_lo_95": y_hat - 2 * half,
                "y_hat_hi_95": y_hat + 2 * half,
                "y_hat_naive": 100 + naive_error,
                "y_hat_seasonal_naive": 100 - 2 * naive_error,
                "y": 100.0,
            }
        )
    )


def only(report: ControlReport) -> tuple[str, float]:
    (row,) = report.series.itertuples()
    return str(row.state), float(row.value)


@pytest.mark.parametrize(("bias", "state"), [(0.0, "good"), (1.9, "good"), (-1.9, "good"), (2.1, "bad"), (-2.1, "bad")])
def test_bias_is_judged_in_units_of_the_backtests_rmse_on_both_sides(bias: float, state: str) -> None:
    found, value = only(bias_report(errors(28, bias=bias), {"a": 2.0}))
    assert found == state
    assert value == pytest.approx(abs(bias) / 2)


def test_rmse_is_judged_against_the_backtests() -> None:
    assert only(rmse_report(errors(28), {"a": 0.6})) == ("good", pytest.approx(1 / 0.6))
    assert only(rmse_report(errors(28), {"a": 0.4}))[0] == "bad"


def test_coverage_fails_when_too_few_actuals_are_inside() -> None:
    assert only(coverage_report(errors(28))) == ("good", 1.0)
    assert only(coverage_report(errors(28, inside=False))) == ("bad", 0.0)


def test_the_better_of_the_two_naive_forecasts_is_the_bar() -> None:
    assert only(naive_report(errors(28, naive_error=1.0))) == ("good", pytest.approx(1.0))
    assert only(naive_report(errors(28, naive_error=0.5)))[0] == "bad"


@pytest.mark.parametrize("rows", [errors(6), errors(0)])
def test_what_has_not_matured_is_unknown_and_fails_nothing(rows: pd.DataFrame) -> None:
    for report in (bias_report(rows, {"a": 0.1}), rmse_report(rows, {"a": 0.1}), coverage_report(rows)):
        assert report.passed
        assert "unknown" in report.summary
        assert set(report.series["state"]) <= {"unknown"}


def test_a_series_without_a_backtest_is_unknown() -> None:
    assert only(bias_report(errors(28, bias=50), {}))[0] == "unknown"


def test_the_window_ends_on_the_newest_day_with_an_actual() -> None:
    assert newest_window(errors(40))["ds"].min() == pd.Timestamp("2023-07-13")


def test_the_summary_names_the_worst_series_with_its_value() -> None:
    assert "a 5.00" in bias_report(errors(28, bias=10), {"a": 2.0}).summary


def test_drift_is_silent_on_a_season_and_loud_on_a_new_level() -> None:
    assert drift_report(features_of(observations({"a": seasonal(1200)}))).passed
    shifted = seasonal(1200)
    shifted[-20:] += 80
    report = drift_report(features_of(observations({"a": shifted, "b": seasonal(100)})))
    assert not report.passed
    assert report.series.set_index("unique_id")["state"].to_dict() == {"a": "bad", "b": "unknown"}


def test_the_report_holds_means_bias_and_skill_of_each_window() -> None:
    report = accuracy_report(errors(28, bias=3.0)).set_index("window_days")
    assert report.index.tolist() == [7, 28, 90]
    assert report.loc[28, "bias"] == pytest.approx(3.0)
    assert report.loc[28, "mean_y"] == pytest.approx(100.0)
    assert report.loc[28, "rmse"] == pytest.approx(np.sqrt(10))
    assert report.loc[28, "skill_naive"] == pytest.approx(1 - np.sqrt(10) / 5)
    assert accuracy_report(errors(0)).columns.tolist() == COLUMNS
