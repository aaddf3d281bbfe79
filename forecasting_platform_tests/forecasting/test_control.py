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
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.drift import REFERENCE_DAYS, drift_report
from forecasting_platform.forecasting.drift import WINDOW_DAYS as DRIFT_WINDOW_DAYS
from forecasting_platform.forecasting.features import build_features
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


def test_the_reference_of_drift_is_the_three_years_before_the_window() -> None:
    # The noisy years are exactly the oldest days that count: with them the newest days are ordinary.
    days = REFERENCE_DAYS + DRIFT_WINDOW_DAYS
    values = 100 + np.random.default_rng(0).normal(0, 1, days)
    rows = pd.DataFrame({"unique_id": "a", "ds": pd.date_range(end="2023-06-30", periods=days), "y": values})
    rows["mean_91"] = 100.0
    rows.loc[:20, "y"] = 130.0
    rows.loc[days - DRIFT_WINDOW_DAYS :, "y"] = 125.0
    assert drift_report(rows).passed
    older = rows.assign(ds=rows["ds"].where(rows.index > 20, rows["ds"] - timedelta(days=30)))
    assert only(drift_report(older)) == ("bad", 1.0)


def test_drift_of_a_few_days_after_a_gap_is_unknown() -> None:
    values = seasonal(600)
    values[-40:-6] = np.nan
    values[-6:] += 200
    assert only(drift_report(features_of(observations({"a": values}))))[0] == "unknown"
    values[-7] = 300
    assert only(drift_report(features_of(observations({"a": values}))))[0] == "bad"


def test_a_constant_series_does_not_drift_also_when_it_was_built_day_by_day() -> None:
    rows = observations({"a": np.full(400, 5.1)})
    parts = [build_features(rows, DateRange(day, day), "IE") for day in rows["ds"].dt.date.tail(30)]
    whole = features_of(rows)
    features = pd.concat([whole[whole["ds"] < parts[0]["ds"].min()], *parts], ignore_index=True)
    assert only(drift_report(features)) == ("good", 0.0)


def test_no_features_are_no_drift() -> None:
    assert drift_report(features_of(observations({"a": [1.0]})).iloc[:0]).passed


def test_each_series_is_judged_alone() -> None:
    rows = pd.concat([errors(28), errors(28, bias=9.0).assign(unique_id="b"), errors(3).assign(unique_id="c")])
    report = bias_report(rows, {"a": 2.0, "b": 2.0, "c": 2.0})
    assert report.series["state"].tolist() == ["good", "bad", "unknown"]
    assert report.summary == "bias of 1 series is out of budget (at most 1): b 4.50"


def test_coverage_judges_the_80_percent_interval() -> None:
    rows = errors(20)
    rows.loc[:8, "y"] = 1e3
    assert only(coverage_report(rows)) == ("good", 0.55)
    rows.loc[9, "y"] = 1e3
    assert only(coverage_report(rows)) == ("bad", 0.5)


def test_a_perfect_naive_forecast_is_beaten_by_a_perfect_one_only() -> None:
    perfect = errors(28, naive_error=0.0)
    assert only(naive_report(perfect)) == ("bad", float("inf"))
    assert only(naive_report(perfect.assign(y_hat=100.0))) == ("good", 1.0)


def test_a_series_that_ended_before_a_window_has_no_measures_in_it() -> None:
    ended = errors(10).assign(unique_id="ended")
    report = accuracy_report(pd.concat([errors(60), ended])).set_index(["unique_id", "window_days"])
    assert report.loc[("ended", 28), "days"] == 0
    assert np.isnan(report.loc[("ended", 28), "rmse"])
    assert report.loc[("ended", 90), "days"] == 10
    assert report.loc[("a", 28), "days"] == 28
    assert report.loc[("a", 90), ["coverage_80", "coverage_95"]].tolist() == [1.0, 1.0]
