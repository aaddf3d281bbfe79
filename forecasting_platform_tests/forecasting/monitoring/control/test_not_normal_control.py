"""Days of a period that is not normal are judged by no question, and each answer says how many there are."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.monitoring.control.questions import (
    bias_report,
    churn_report,
    coverage_report,
    naive_report,
    revision_report,
    rmse_report,
)
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, NotNormalPeriod
from forecasting_platform_tests.forecasting.monitoring.control.controlled import REFERENCES, errors, forecasts
from forecasting_platform_tests.support.drift_reports import drift_report, earlier_years_report
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal

QUESTIONS = (bias_report, rmse_report, coverage_report, naive_report)


def period(start: str, end: str, *unique_id: str) -> NotNormal:
    return NotNormal((NotNormalPeriod(date.fromisoformat(start), date.fromisoformat(end), "strike", unique_id),))


def struck() -> pd.DataFrame:
    """60 days, of which the last but one week is far off."""
    rows = errors(60)
    during = rows["ds"].between("2023-08-20", "2023-08-27")
    return rows.assign(y=rows["y"].where(~during, 60.0), y_first=100.0)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_declared_period_pages_nobody_and_is_counted(question) -> None:  # type: ignore[no-untyped-def] # any question
    before = question(struck(), REFERENCES, pages_a_year=0.5)
    # The naive forecast is as far off: that question is of both.
    assert before.state == ("good" if question is naive_report else "bad")
    assert before.series["left_out"].tolist() == [0]
    found = question(struck(), REFERENCES, pages_a_year=0.5, not_normal=period("2023-08-20", "2023-08-27"))
    assert found.state == "good"
    # The day after is forecast from the last day of the period.
    assert found.series["left_out"].tolist() == [9]
    assert found.series["days"].tolist() == [51]
    assert "9 days of 1 series left out as not normal" in found.summary


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("start", ["2023-07-01", "2023-08-15"])
def test_nothing_is_good_of_which_no_new_day_is_left(question, start: str) -> None:  # type: ignore[no-untyped-def] # any
    """Neither where all days are left out, nor where the newest two weeks are: what is left is too old."""
    found = question(errors(60), REFERENCES, pages_a_year=0.5, not_normal=period(start, "2023-09-30"))
    assert found.series["unique_id"].tolist() == ["a"]
    assert found.state == "unknown"
    assert "left out as not normal" in found.series["why"].iloc[0]
    assert "left out as not normal" in found.summary


def test_another_series_is_judged_as_before() -> None:
    found = bias_report(struck(), REFERENCES, pages_a_year=0.5, not_normal=period("2023-08-20", "2023-08-27", "b"))
    assert found.state == "bad"
    assert "not normal" not in found.summary


def test_revisions_and_moves_of_a_period_are_left_out() -> None:
    declared = period("2023-08-20", "2023-08-27")
    assert revision_report(struck(), REFERENCES).state == "bad"
    assert revision_report(struck(), REFERENCES, not_normal=declared).state == "good"
    moving = forecasts(60, 1.0)
    moving.loc[moving["cutoff"].between("2023-08-20", "2023-08-27"), "y_hat"] += np.arange(16) * 40.0
    assert churn_report(moving, REFERENCES, pages_a_year=0.5).state == "bad"
    found = churn_report(moving, REFERENCES, pages_a_year=0.5, not_normal=declared)
    assert (found.state, found.series["left_out"].tolist()) == ("good", [9])
    everything = churn_report(moving, REFERENCES, pages_a_year=0.5, not_normal=period("2023-01-01", "2023-12-31"))
    assert everything.state == "unknown"


@pytest.mark.parametrize("report", [drift_report, earlier_years_report])
def test_drift_is_not_found_in_a_period_or_after_it_ended(report) -> None:  # type: ignore[no-untyped-def] # either
    values = seasonal(1500)
    values[-40:-10] *= 0.4
    features = features_of(observations({"a": values}))
    assert report(features, pages_a_year=0.5).state == "bad"
    found = report(features, pages_a_year=0.5, not_normal=period("2023-05-22", "2023-06-20"))
    assert found.state == "good"
    assert found.series["left_out"].tolist() == [30]
    assert report(features, pages_a_year=0.5, not_normal=period("2000-01-01", str(END))).state == "unknown"
