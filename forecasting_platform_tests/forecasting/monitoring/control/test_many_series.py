"""All series side by side are judged as each would be alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.monitoring.control import questions
from forecasting_platform.forecasting.monitoring.control.references import SeriesReference
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars, SeriesCalendar
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS
from forecasting_platform_tests.forecasting.monitoring.control import controlled, one_by_one
from forecasting_platform_tests.forecasting.monitoring.control.controlled import reference
from forecasting_platform_tests.support.drift_reports import drift_report, earlier_years_report
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal

WEEKLY = Calendars((SeriesCalendar(DueDays(weekdays=(END.weekday(),)), prefix="weekly"),))
REPORTS = {
    "bias": questions.bias_report,
    "rmse": questions.rmse_report,
    "coverage": questions.coverage_report,
    "naive": questions.naive_report,
    "churn": questions.churn_report,
}


def panel(length: int = 2500) -> pd.DataFrame:
    """Features of series that are calm, moved, gappy, late, ended, young, constant, weekly."""
    generator = np.random.default_rng(0)
    at = np.arange(length)
    values = {f"calm {number}": seasonal(length, seed=number) for number in range(3)}
    values["moved"] = seasonal(length, seed=7) + 30 * (at >= length - 20)
    values["fell and came back"] = seasonal(length, seed=8) - 40 * ((at >= length - 80) & (at < length - 40))
    values["gappy"] = np.where(generator.random(length) < 0.1, np.nan, seasonal(length, seed=9))
    values["late"] = np.where(at >= length - 5, np.nan, seasonal(length, seed=10))
    values["ended"] = np.where(at >= length - 30, np.nan, seasonal(length, seed=11))
    values["young"] = np.where(at < length - 250, np.nan, seasonal(length, seed=12))
    values["constant"] = np.full(length, 5.0)
    values["weekly"] = np.where(at % 7 == (length - 1) % 7, seasonal(length, seed=13), np.nan)
    return features_of(observations(values))


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return panel()


def same(found: Any, expected: tuple[pd.DataFrame, pd.DataFrame], *, tolerance: float) -> None:
    series, daily = expected
    pd.testing.assert_frame_equal(found.series, series, rtol=tolerance, atol=tolerance, check_dtype=False)
    pd.testing.assert_frame_equal(found.daily, daily, rtol=tolerance, atol=tolerance, check_dtype=False)
    assert found.series["state"].tolist() == series["state"].tolist()


@pytest.mark.parametrize("calendars", [DAILY, WEEKLY], ids=["every day", "with a weekly series"])
@pytest.mark.parametrize("which", ["level", "earlier"])
def test_drift_of_many_series_is_the_drift_of_each(features: pd.DataFrame, which: str, calendars: Calendars) -> None:
    report = {"level": drift_report, "earlier": earlier_years_report}[which]
    found = report(features, pages_a_year=one_by_one.BUDGET, calendars=calendars)
    # Seasons of all series are fitted by one product, whose last bits are other than those of one series' alone.
    same(found, one_by_one.drift(features, calendars, which), tolerance=1e-9)
    assert {"good", "bad", "unknown"} <= set(found.series["state"])


def matured(series: int, days: int, horizon: int, seed: int) -> pd.DataFrame:
    """Errors of forecasts by two versions, of series with gaps, one of them biased, one late, one wider."""
    generator = np.random.default_rng(seed)
    cutoffs = pd.date_range("2023-01-01", periods=days)
    key = pd.MultiIndex.from_product([[f"s{n}" for n in range(series)], cutoffs, range(1, horizon + 1), ["9", "10"]])
    rows = key.to_frame(index=False, name=["unique_id", "cutoff", "step", "model_version"])
    rows["ds"] = rows["cutoff"] + pd.to_timedelta(rows["step"], unit="D")
    rows = rows[generator.random(len(rows)) > 0.2]
    rows = rows[~((rows["unique_id"] == "s1") & (rows["ds"] > rows["ds"].max() - pd.Timedelta(days=12)))]
    noise = generator.standard_normal(len(rows))
    late = rows["ds"] > rows["ds"].max() - pd.Timedelta(days=25)
    rows["y"] = 100.0 + generator.standard_normal(len(rows)) * 0.1
    rows["y_hat"] = rows["y"] + noise * np.where(late & (rows["unique_id"] == "s3"), 3.0, 1.0)
    rows["y_hat"] += np.where(late & (rows["unique_id"] == "s2"), 2.0, 0.0)
    for level, half in ((80, 1.28), (95, 1.96)):
        rows[f"y_hat_lo_{level}"], rows[f"y_hat_hi_{level}"] = rows["y_hat"] - half, rows["y_hat"] + half
    for name, size in (("naive", 2.0), ("seasonal_naive", 1.5)):
        rows[f"y_hat_{name}"] = rows["y"] + size * generator.standard_normal(len(rows))
    # One actual a day.
    rows["y"] = rows.groupby(["unique_id", "ds"])["y"].transform("first")
    rows["y_first"] = rows["y"] + (rows["unique_id"] == "s4") * 3
    rows.loc[rows["ds"].isin(rows["ds"].unique()[::3]), "y_first"] = np.nan
    rows["issued_at"] = pd.Timestamp("2023-01-01", tz="UTC") + pd.to_timedelta(generator.integers(0, 3, len(rows)), "h")
    return FORECAST_ERRORS.conform(rows.drop(columns="step"))


def references(series: int) -> dict[str, SeriesReference]:
    """Of each series but one, one without charts, one constant, units that differ by season and step."""
    base, generator = reference(), np.random.default_rng(1)
    found = {
        f"s{n}": SeriesReference(
            generator.uniform(0.5, 2, (4, 3)), ["naive", "seasonal_naive"][n % 2], base.charts, {}, constant=n == 5
        )
        for n in range(series)
        if n != 6
    }
    found["s7"] = SeriesReference(np.full((4, 3), np.nan), "naive", {}, {})
    return found


@pytest.mark.parametrize("question", REPORTS)
@pytest.mark.parametrize("seed", range(3))
def test_control_of_many_series_is_the_control_of_each(question: str, seed: int) -> None:
    errors, known = matured(9, 150, 4, seed), references(9)
    found = REPORTS[question](errors, known, pages_a_year=one_by_one.BUDGET, calendars=WEEKLY)
    expected = one_by_one.control(question, errors, known, WEEKLY)
    # A day's mean is made of those of its groups of steps, so it may differ in the last bits.
    same(found, expected, tolerance=1e-10)
    if question in {"bias", "rmse"}:
        assert {"good", "bad", "unknown"} == set(found.series["state"])


def test_revisions_of_many_series_are_those_of_each() -> None:
    errors, known = matured(9, 60, 3, 0), references(9)
    found = questions.revision_report(errors, known).series
    expected = one_by_one.revisions(errors, known)
    pd.testing.assert_frame_equal(found[expected.columns.tolist()], expected, rtol=1e-12, check_dtype=False)
    assert set(found["state"]) == {"good", "bad", "unknown"}


def test_what_is_shown_are_the_bad_series_the_worst_first_and_else_the_one_nearest_to_its_threshold() -> None:
    errors, known = matured(9, 150, 4, 0), references(9)
    found = questions.bias_report(errors, known, pages_a_year=one_by_one.BUDGET)
    bad = found.series[found.series["state"] == "bad"].set_index("unique_id")
    worst = (bad["evidence"] / bad["threshold"]).sort_values(ascending=False)
    assert len(worst) > 0
    assert found.telling_days()["unique_id"].unique().tolist() == worst.index.tolist()
    assert found.worst_series(len(worst))["unique_id"].tolist() == worst.index.tolist()
    assert "unknown" not in set(found.worst_series(len(worst) + 1)["state"])
    calm = found.series["state"].where(found.series["state"] != "bad", "good")
    shown = replace(found, series=found.series.assign(state=calm)).telling_days()
    judged = found.series[found.series["state"] != "unknown"].set_index("unique_id")
    assert shown["unique_id"].unique().tolist() == [(judged["evidence"] / judged["threshold"]).idxmax()]
    assert len(shown) == judged.loc[shown["unique_id"].iloc[0], "days"]


def days_of(names: list[str], days: int) -> pd.DataFrame:
    """One-step errors of calm series, all alike."""
    return pd.concat([controlled.errors(days).assign(unique_id=name) for name in names], ignore_index=True)


def summary_of(rows: pd.DataFrame) -> str:
    known = dict.fromkeys(rows["unique_id"].unique(), reference())
    return questions.bias_report(rows, known, pages_a_year=1.0).summary


def test_a_summary_says_which_series_are_new_and_names_the_worst_first() -> None:
    rows = days_of(["a", "b", "calm"], 60)
    for name, size, since in (("a", 1.5, 30), ("b", 4.0, 40)):
        late = (rows["unique_id"] == name) & (rows["ds"] >= rows["ds"].min() + pd.Timedelta(days=since))
        rows.loc[late, "y_hat"] += size
    known = dict.fromkeys(["a", "b", "calm"], reference())
    days = pd.date_range(rows["ds"].min() + pd.Timedelta(days=41), rows["ds"].max())
    reports = {day: questions.bias_report(rows[rows["ds"] <= day], known, pages_a_year=1.0) for day in days}
    first = {name: min(day for day, of in reports.items() if name in bad_in(of)) for name in ("a", "b")}
    late = max(first.values())
    assert first["a"] != first["b"]
    assert "2 series, 1 of them new, out of a budget" in reports[late].summary
    assert "new" not in reports[late + pd.Timedelta(days=1)].summary
    last = reports[days[-1]]
    worst = (last.series["evidence"] / last.series["threshold"])[last.series["state"] == "bad"].idxmax()
    assert f"a year: {last.series['unique_id'][worst]} (" in last.summary


def bad_in(report: Any) -> set[str]:
    return set(report.series.loc[report.series["state"] == "bad", "unique_id"])


def test_a_summary_says_that_a_series_has_recovered_on_the_day_it_does() -> None:
    rows = days_of(["a", "calm"], 100)
    moved = rows["ds"].between(rows["ds"].min() + pd.Timedelta(days=20), rows["ds"].min() + pd.Timedelta(days=30))
    rows.loc[moved & (rows["unique_id"] == "a"), "y_hat"] += 4
    known = dict.fromkeys(["a", "calm"], reference())
    said = [
        questions.bias_report(rows[rows["ds"] <= day], known, pages_a_year=1.0)
        for day in pd.date_range(rows["ds"].min() + pd.Timedelta(days=25), rows["ds"].max())
    ]
    recovered = [position for position, of in enumerate(said) if "recovered since the day before: 'a'" in of.summary]
    assert len(recovered) == 1
    assert not said[recovered[0] - 1].passed
    assert said[recovered[0]].passed


@pytest.mark.parametrize(("moved", "is_told"), [(6, True), (3, False)])
def test_many_series_that_move_within_a_week_are_said_to_have_one_cause(moved: int, is_told: bool) -> None:
    names = [f"s{number}" for number in range(20)]
    rows = days_of(names, 60)
    late = rows["ds"] >= rows["ds"].min() + pd.Timedelta(days=40)
    rows.loc[late & rows["unique_id"].isin(names[:moved]), "y_hat"] += 4
    said = summary_of(rows)
    assert f"{moved} series" in said
    assert (f"{moved} of 20 series moved within a week from 2023-08" in said) == is_told
