"""Control compares what was forecast with what came, and says unknown when it does not know."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.monitoring.control.charts import Chart
from forecasting_platform.forecasting.monitoring.control.questions import (
    bias_report,
    churn_report,
    coverage_report,
    naive_report,
    revision_report,
    rmse_report,
    watermark,
)
from forecasting_platform.forecasting.monitoring.control.references import (
    CHARTS,
    SeriesReference,
    add_control_references,
    references_from,
)
from forecasting_platform.forecasting.monitoring.control.report import (
    DAILY_COLUMNS,
    MAX_AGE_DAYS,
    SERIES_COLUMNS,
    ControlReport,
)
from forecasting_platform.forecasting.monitoring.control.shared_budget import share_budget
from forecasting_platform.forecasting.reports.accuracy import (
    COLUMNS,
    accuracy_report,
    detection_report,
    standard_error,
    vintage_report,
)
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, NotNormalPeriod
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars, SeriesCalendar
from forecasting_platform_tests.forecasting.monitoring.control.controlled import (
    NOISE,
    REFERENCES,
    errors,
    forecasts,
    reference,
)
from forecasting_platform_tests.support.drift_reports import drift_report, earlier_years_report
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal, trained


def only(report: ControlReport) -> Any:
    (row,) = report.series.itertuples()
    return row


@pytest.mark.parametrize(("bias", "state"), [(0.0, "good"), (1.5, "bad"), (-1.5, "bad")])
def test_a_lasting_bias_is_bad_on_both_sides(bias: float, state: str) -> None:
    report = bias_report(errors(40, bias=bias), REFERENCES, pages_a_year=1.0)
    assert only(report).state == report.state == state
    assert only(report).value_28 == pytest.approx(bias + NOISE[12:40].mean())
    assert report.passed == (state == "good")


def test_errors_wider_than_in_the_backtest_are_bad() -> None:
    assert only(rmse_report(errors(60), REFERENCES, pages_a_year=1.0)).state == "good"
    wide = only(rmse_report(errors(60, scale=2.0), REFERENCES, pages_a_year=1.0))
    assert wide.state == "bad"
    assert wide.value_28 == pytest.approx(2 * np.sqrt((NOISE[32:60] ** 2).mean()))


def test_coverage_below_the_backtests_is_bad() -> None:
    assert only(coverage_report(errors(60), REFERENCES, pages_a_year=1.0)).state == "good"
    narrow = only(coverage_report(errors(60, half=0.4), REFERENCES, pages_a_year=1.0))
    assert narrow.state == "bad"
    assert narrow.value_28 < 0.5


def test_forecasts_clearly_behind_naive_are_bad_and_a_smaller_lead_is_not() -> None:
    assert only(naive_report(errors(60), REFERENCES, pages_a_year=1.0)).state == "good"
    assert only(naive_report(errors(60, naive=1.2), REFERENCES, pages_a_year=1.0)).state == "good"
    behind = only(naive_report(errors(60, scale=3.0, naive=0.5), REFERENCES, pages_a_year=1.0))
    assert behind.state == "bad"
    assert behind.value_28 < 0


def test_a_budget_of_more_pages_finds_more() -> None:
    mild = errors(30, bias=0.7)
    strict, loose = (only(bias_report(mild, REFERENCES, pages_a_year=budget)) for budget in (0.1, 12.0))
    assert strict.threshold > loose.threshold
    assert loose.state == "bad"


REPORTS = [bias_report, rmse_report, coverage_report, naive_report]


@pytest.mark.parametrize("report", REPORTS)
def test_what_has_not_matured_is_unknown_and_fails_nothing(report: Any) -> None:
    for rows, why in ((errors(6, bias=50), "6 of the 7 days needed have matured"), (errors(0), None)):
        found = report(rows, REFERENCES, pages_a_year=1.0)
        assert found.passed
        assert found.state == "unknown"
        assert why is None or only(found).why == why


@pytest.mark.parametrize("report", REPORTS)
def test_a_series_without_a_backtest_is_unknown(report: Any) -> None:
    assert "backtest" in only(report(errors(28, bias=50), {}, pages_a_year=1.0)).why
    constant = {"a": SeriesReference(np.ones((4, 3)), "naive", {}, {}, constant=True)}
    assert "constant" in only(report(errors(28, bias=50), constant, pages_a_year=1.0)).why


def test_old_errors_are_unknown_not_good() -> None:
    newest = errors(28)["ds"].max().date()
    late = bias_report(errors(28), REFERENCES, pages_a_year=1.0, as_of=newest + timedelta(days=MAX_AGE_DAYS + 1))
    assert only(late).why == f"its newest matured day is {MAX_AGE_DAYS + 1} days old"
    assert only(bias_report(errors(28), REFERENCES, pages_a_year=1.0, as_of=newest)).state == "good"


def test_the_summary_names_the_series_with_its_number_and_since_when() -> None:
    rows = errors(60, bias=0.0)
    rows.loc[40:, "y_hat"] += 4
    report = bias_report(rows, REFERENCES, pages_a_year=1.0)
    row = only(report)
    assert date(2023, 8, 5) <= date.fromisoformat(row.since) <= date(2023, 8, 12)
    assert f"a ({row.value_28:.3g} over 28 days, since {row.since})" in report.summary


def test_what_is_unknown_has_no_numbers() -> None:
    row = only(bias_report(errors(6), {}, pages_a_year=1.0))
    assert np.isnan([row.evidence, row.threshold]).all()
    assert row.since is None


def test_the_evidence_of_each_day_is_shown_and_begins_the_day_after_it_was_last_used_up() -> None:
    rows = errors(60)
    rows.loc[40:, "y_hat"] += 4
    report = bias_report(rows, REFERENCES, pages_a_year=1.0)
    daily, row = report.daily.set_index("ds"), only(report)
    assert row.evidence == daily["evidence"].iloc[-1] == daily["evidence"].max()
    since = pd.Timestamp(row.since)
    assert (daily["evidence"].loc[since:] > 0).all()
    assert daily["evidence"].nunique() > 10


def test_each_series_is_judged_alone() -> None:
    rows = pd.concat([errors(28), errors(28, bias=9.0).assign(unique_id="b"), errors(3).assign(unique_id="c")])
    report = bias_report(rows, dict.fromkeys("abc", reference()), pages_a_year=1.0)
    assert report.series["state"].tolist() == ["good", "bad", "unknown"]
    assert set(report.daily["unique_id"]) == {"a", "b"}


def test_forecasts_that_move_more_than_in_the_backtest_are_bad() -> None:
    assert only(churn_report(forecasts(40, 1.0), REFERENCES, pages_a_year=1.0)).state == "good"
    assert only(churn_report(forecasts(40, 6.0), REFERENCES, pages_a_year=1.0)).state == "bad"


def test_revisions_that_change_the_judgement_are_bad_and_unknown_first_values_unknown() -> None:
    assert only(revision_report(errors(28), REFERENCES)).state == "good"
    assert only(revision_report(errors(28).assign(y_first=103.0), REFERENCES)).state == "bad"
    assert only(revision_report(errors(28).assign(y_first=np.nan), REFERENCES)).state == "unknown"


@pytest.mark.parametrize(("third", "complete"), [("2023-06-03", "2023-07-03"), ("2023-06-04", "2023-06-04")])
def test_actuals_are_complete_up_to_the_slowest_series_that_has_not_ended(third: str, complete: str) -> None:
    newest = {"a": "2023-07-05", "slow": "2023-07-03", "ended or late": third}
    rows = [(name, pd.Timestamp(day) - pd.Timedelta(days=age)) for name, day in newest.items() for age in range(3)]
    frame = pd.DataFrame(rows, columns=["unique_id", "ds"])
    assert str(watermark(frame)) == complete


def test_without_actuals_they_are_complete_up_to_no_day() -> None:
    assert watermark(pd.DataFrame({"unique_id": [], "ds": pd.to_datetime([])})) is None


# --- references ---


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    # What ended before the backtest was scored has no errors at all.
    ended = np.where(np.arange(600) < 120, seasonal(600), np.nan)
    training = trained({"a": seasonal(600), "flat": np.full(600, 5.0), "ended": ended})
    return add_control_references(training.model.metadata, training.results, training.panel)


def test_a_versions_metadata_carries_its_references_through_json(document: dict[str, Any]) -> None:
    restored = references_from(json.loads(json.dumps(document, allow_nan=False)))
    assert set(restored["a"].charts) == set(CHARTS)
    assert restored["a"].rmse.shape == (4, 3)
    assert restored["a"].days_to_detect["bias"]["2"] is not None
    assert restored["flat"].charts == {}, "nothing can be learnt from a constant"
    assert (restored["ended"].rmse.shape, restored["ended"].charts) == ((4, 3), {})
    assert np.isnan(restored["ended"].rmse).all()


@pytest.mark.parametrize("metadata", [{}, {"control": None}, {"control": {"budgets": [1.0], "series": {}}}])
def test_a_version_without_references_has_none(metadata: dict[str, Any]) -> None:
    assert references_from(metadata) == {}


def test_the_delays_of_each_series_are_listed() -> None:
    listed = detection_report(REFERENCES)
    assert listed["change"].tolist() == ["bias 1σ", "bias 2σ", "rmse ×1.5"]


# --- drift ---


def noisy(days: int) -> np.ndarray:
    return seasonal(days, seed=4)


def test_drift_is_silent_on_a_season_and_loud_on_a_new_level() -> None:
    assert drift_report(features_of(observations({"a": noisy(1300)})), pages_a_year=1.0).passed
    shifted = noisy(1300)
    shifted[-20:] += 30
    report = drift_report(features_of(observations({"a": shifted, "b": noisy(100)})), pages_a_year=1.0)
    assert report.series.set_index("unique_id")["state"].to_dict() == {"a": "bad", "b": "unknown"}


def test_a_weekly_series_is_judged_by_its_own_days() -> None:
    weekly = np.where(np.arange(2400) % 7 == 2399 % 7, noisy(2400), np.nan)
    due = DueDays(weekdays=(END.weekday(),))
    calendars = Calendars((SeriesCalendar(due),))
    features = features_of(observations({"a": weekly}))
    assert only(drift_report(features, pages_a_year=1.0)).state == "unknown", "three years are 156 values"
    assert only(drift_report(features, pages_a_year=1.0, calendars=calendars)).state == "good"
    moved = weekly.copy()
    moved[-8 * 7 :] += 30
    shifted = features_of(observations({"a": moved}))
    assert only(drift_report(shifted, pages_a_year=1.0, calendars=calendars)).state == "bad"


def test_a_budget_is_of_a_year_of_the_series_own_days_and_a_closed_day_makes_nothing_old() -> None:
    matured = errors(60)
    weekly = matured.assign(ds=pd.date_range(end=matured["ds"].max(), periods=60, freq="7D"))
    weekly = weekly.assign(cutoff=weekly["ds"] - timedelta(days=7))
    calendars = Calendars((SeriesCalendar(DueDays(weekdays=(weekly["ds"].max().weekday(),))),))
    later = weekly["ds"].max().date() + timedelta(days=MAX_AGE_DAYS + 1)
    daily, own = (
        only(bias_report(weekly, REFERENCES, pages_a_year=0.5, as_of=later, calendars=each))
        for each in (DAILY, calendars)
    )
    assert (daily.state, own.state) == ("unknown", "good")
    each_day, each_week = (share_budget([REFERENCES["a"].charts["bias"]], np.array([s]), 0.5) for s in (1.0, 1 / 7))
    assert own.threshold == pytest.approx(each_week.alone[0])
    assert own.threshold < each_day.alone[0]


def test_a_steady_decline_is_no_shift_against_earlier_years_and_a_faster_one_is() -> None:
    decline = noisy(2200) - np.arange(2200) * 0.02
    assert earlier_years_report(features_of(observations({"a": decline})), pages_a_year=1.0).passed
    decline[-60:] -= 25
    assert not earlier_years_report(features_of(observations({"a": decline})), pages_a_year=1.0).passed


def test_no_features_are_no_drift() -> None:
    assert drift_report(features_of(observations({"a": [1.0]})).iloc[:0], pages_a_year=1.0).passed


# --- report ---


def test_the_report_holds_means_bias_and_skill_of_each_window() -> None:
    report = accuracy_report(errors(28, bias=3.0)).set_index("window_days")
    assert report.index.tolist() == [7, 28, 90]
    assert report.loc[28, "bias"] == pytest.approx(3.0 + NOISE[:28].mean())
    assert report.loc[28, "mean_y"] == pytest.approx(100.0)
    assert accuracy_report(errors(0)).columns.tolist() == COLUMNS


def test_a_series_that_ended_before_a_window_has_no_measures_in_it() -> None:
    report = accuracy_report(pd.concat([errors(60), errors(10).assign(unique_id="ended")]))
    ended = report.set_index(["unique_id", "window_days"]).loc["ended"]
    assert ended.loc[28, "days"] == 0
    assert np.isnan(ended.loc[28, "rmse"])
    assert ended.loc[90, "days"] == 10


def test_autocorrelated_days_have_a_wider_standard_error_than_as_many_independent_ones() -> None:
    walk = np.repeat(NOISE[:100], 5)
    assert standard_error(walk) > 1.5 * walk.std() / np.sqrt(len(walk))
    assert standard_error(NOISE) == pytest.approx(1 / np.sqrt(1000), rel=0.25)
    assert np.isnan(standard_error(NOISE[:1]))


def test_vintages_are_reported_side_by_side() -> None:
    (row,) = vintage_report(errors(28).assign(y_first=99.0), windows=(28,)).to_dict("records")
    assert row["bias_first"] == pytest.approx(row["bias_latest"] + 1.0)


def test_the_charts_are_named_as_the_references_keep_them() -> None:
    assert all(isinstance(chart, Chart) and chart.name == name for name, chart in CHARTS.items())


# --- numbers and words, to the last one: what mutated code could say unnoticed ---


def in_units_of(unit: float) -> dict[str, SeriesReference]:
    """The backtest of a series whose errors are `unit` wide."""
    return {"a": replace(reference(), rmse=np.full((4, 3), unit))}


def test_what_is_measured_is_in_the_series_unit_or_in_that_of_its_backtest() -> None:
    rows, four = errors(40, bias=3.0), in_units_of(4.0)
    off, naive = 3.0 + NOISE[:40], 2.0 * NOISE[500:540]
    for window in (7, 28):
        of = slice(40 - window, 40)
        expected = {
            bias_report: off[of].mean(),
            rmse_report: np.sqrt((off[of] ** 2).mean()) / 4,
            coverage_report: (np.abs(off[of]) <= 1.28).mean(),
            naive_report: 1 - np.abs(off[of]).mean() / np.abs(naive[of]).mean(),
        }
        for report, value in expected.items():
            assert getattr(only(report(rows, four, pages_a_year=1.0)), f"value_{window}") == pytest.approx(value)
    assert only(bias_report(rows, four, pages_a_year=1.0)).value_90 == pytest.approx(off.mean())


def test_a_days_value_is_its_error_in_units_of_the_backtest() -> None:
    rows, four = errors(40, bias=3.0), in_units_of(4.0)
    off, naive = 3.0 + NOISE[:40], 2.0 * NOISE[500:540]
    for report, values in {
        bias_report: off / 4,
        coverage_report: (np.abs(off) > 1.28).astype(float),
        naive_report: (np.abs(off) - np.abs(naive)) / 4,
    }.items():
        daily = report(rows, four, pages_a_year=1.0).daily
        assert daily.columns.tolist() == ["unique_id", "ds", "value", "evidence", "threshold"]
        assert daily["value"].to_numpy() == pytest.approx(values)
        assert daily.index.tolist() == list(range(40))
        assert set(daily["unique_id"]) == {"a"}
        assert daily["ds"].is_monotonic_increasing


def test_evidence_is_that_of_the_last_day_never_above_the_threshold_and_since_is_the_day_it_began() -> None:
    quiet, loud = errors(40), errors(80, bias=3.0).iloc[40:]
    rows = pd.concat([quiet, loud])
    report = bias_report(rows, REFERENCES, pages_a_year=1.0)
    row, daily = only(report), report.daily
    assert row.threshold == REFERENCES["a"].charts["bias"].threshold(1.0) == daily["threshold"].unique().item()
    assert row.evidence == daily["evidence"].iloc[-1] == daily["evidence"].max() <= row.threshold
    before = daily.loc[daily["ds"] < pd.Timestamp(row.since), "evidence"]
    assert date(2023, 7, 1) < date.fromisoformat(row.since) <= date(2023, 8, 10)
    assert len(before) > 0
    whole = only(bias_report(errors(40, bias=3.0), REFERENCES, pages_a_year=1.0))
    assert whole.since == "2023-07-01", "wrong from the first day on"


@pytest.mark.parametrize(
    ("report", "question"),
    [
        (bias_report, "bias"),
        (rmse_report, "RMSE to the backtest's"),
        (coverage_report, "coverage of 80 %"),
        (naive_report, "skill against naive"),
    ],
)
def test_a_summary_asks_its_question_and_counts_what_is_good_and_unknown(report: Any, question: str) -> None:
    good = report(errors(40), REFERENCES, pages_a_year=1.0)
    assert good.summary == f"{question}: 1 of 1 series within budget"
    assert (only(good).days, only(good).why) == (40, "")
    both = pd.concat([errors(40), errors(40).assign(unique_id="b")])
    told = report(both, REFERENCES, pages_a_year=1.0)
    assert told.summary == f"{question}: 1 of 2 series within budget; 1 unknown (the champion has no backtest of it)"
    assert report(errors(40).iloc[:0], REFERENCES, pages_a_year=1.0).summary == f"{question}: no data"
    late = report(errors(40), REFERENCES, pages_a_year=1.0, as_of=date(2023, 8, 17))
    assert late.summary == f"{question}: 0 of 1 series within budget; 1 unknown (its newest matured day is 8 days old)"
    in_time = report(errors(40), REFERENCES, pages_a_year=1.0, as_of=date(2023, 8, 16))
    assert in_time.state == "good"
    few = report(errors(6), REFERENCES, pages_a_year=1.0)
    assert only(few).why == "6 of the 7 days needed have matured"
    assert only(report(errors(7), REFERENCES, pages_a_year=1.0)).state != "unknown"


def test_a_summary_names_five_bad_series_and_no_more() -> None:
    many = pd.concat([errors(40, bias=3.0).assign(unique_id=name) for name in "gfedcba"])
    report = bias_report(many, dict.fromkeys("abcdefg", REFERENCES["a"]), pages_a_year=0.5)
    value = 3.0 + NOISE[12:40].mean()
    named = ", ".join(f"{name} ({value:.3g} over 28 days, since 2023-07-01)" for name in "abcde")
    assert report.summary == (
        f"bias: 7 series out of a budget of 0.5 false pages a year: {named}; "
        "7 of 7 series moved within a week from 2023-07-01: look for one cause first"
    )
    assert report.series["unique_id"].tolist() == list("abcdefg")


def test_what_revisions_do_is_measured_in_units_of_the_backtest_and_told_by_series() -> None:
    revised = errors(40).assign(y_first=110.0)
    rows = pd.concat([revised.assign(unique_id=name) for name in "gfedcba"])
    four = dict.fromkeys("abcdefg", in_units_of(4.0)["a"])
    report = revision_report(rows, four)
    off = NOISE[12:40]
    effect = (np.sqrt(((off - 10) ** 2).mean()) - np.sqrt((off**2).mean())) / 4
    first = next(report.series.itertuples())
    assert (first.unique_id, first.state, first.days, first.why) == ("a", "bad", 40, "")
    assert first.value_28 == first.evidence == pytest.approx(effect)
    assert first.threshold == 0.25
    assert report.summary == "effect of revisions: 7 of 7 series are judged differently by first values: a, b, c, d, e"
    assert report.daily.empty
    good = revision_report(errors(7), in_units_of(4.0))
    assert good.summary == "effect of revisions: 0 of 1 series are judged differently by first values"
    assert only(good).state == "good"
    few = only(revision_report(errors(6), in_units_of(4.0)))
    assert (few.state, few.why) == ("unknown", "too few days with both vintages, or no backtest")
    assert only(revision_report(errors(40), {})).state == "unknown"


def test_a_report_of_revisions_has_the_columns_of_every_report_and_names_no_day_before() -> None:
    declared = NotNormal((NotNormalPeriod(date(2023, 7, 1), date(2023, 7, 3), "a strike"),))
    # What else is not known of a row is no reason to leave it out.
    found = revision_report(errors(40).assign(issued_at=pd.NaT), REFERENCES, not_normal=declared)
    assert found.series.columns.tolist() == SERIES_COLUMNS
    assert found.daily.columns.tolist() == DAILY_COLUMNS
    row = only(found)
    assert (row.state, row.day_before, row.days, row.left_out) == ("good", "unknown", 37 - 1, 3 + 1)


def test_an_effect_of_revisions_as_large_as_may_be_is_good() -> None:
    exact = errors(28).assign(y_hat=100.0, y_first=101.0)
    assert only(revision_report(exact, in_units_of(4.0))).evidence == 0.25
    assert only(revision_report(exact, in_units_of(4.0))).state == "good"


def test_an_actual_on_a_bound_lies_inside() -> None:
    for low, high in ((100.0, 110.0), (90.0, 100.0)):
        on_it = errors(28).assign(y_hat_lo_80=low, y_hat_hi_80=high)
        assert only(coverage_report(on_it, REFERENCES, pages_a_year=1.0)).value_7 == 1.0


def test_no_skill_is_measured_against_naive_forecasts_without_an_error() -> None:
    found = only(naive_report(errors(28).assign(y_hat_naive=100.0), REFERENCES, pages_a_year=1.0))
    assert np.isnan(found.value_28)


def test_what_is_found_is_none_where_nobody_knows_since_when() -> None:
    found = bias_report(errors(40, bias=1.5), REFERENCES, pages_a_year=1.0)
    assert found.findings() is not None
    assert replace(found, series=found.series.assign(since=None)).findings() is None


def test_the_days_of_each_bad_series_are_told_one_after_the_other_the_worst_series_first() -> None:
    rows = pd.concat([errors(60, bias=bias).assign(unique_id=name) for name, bias in (("a", 0.9), ("b", 4.0))])
    told = bias_report(rows, dict.fromkeys("ab", reference()), pages_a_year=1.0)
    share = (told.series["evidence"] / told.series["threshold"]).tolist()
    order = ["a", "b"] if share[0] >= share[1] else ["b", "a"]
    assert told.series["state"].tolist() == ["bad", "bad"]
    days = told.telling_days()
    assert days.columns.tolist() == DAILY_COLUMNS
    assert days["unique_id"].tolist() == [name for name in order for _ in range(60)]
    assert days["ds"].tolist() == 2 * pd.date_range("2023-07-01", periods=60).tolist()


def test_churn_tells_its_question_and_is_judged_as_of_a_day() -> None:
    rows = errors(2).iloc[:0]
    assert churn_report(rows, REFERENCES, pages_a_year=1.0).summary == "churn of forecasts: no data"
    unknown = churn_report(errors(3), {}, pages_a_year=1.0)
    assert unknown.summary == (
        "churn of forecasts: 0 of 1 series within budget; 1 unknown (the champion has no backtest of it)"
    )


@pytest.mark.parametrize(
    ("factor", "said"), [(0.0, "its values fell to zero"), (0.5, "its values fell from"), (2.0, "its values rose from")]
)
def test_a_finding_of_drift_tells_what_has_happened_to_the_values_and_since_when(factor: float, said: str) -> None:
    values = 100 + seasonal(2500)
    values[-14:] *= factor
    found = drift_report(features_of(observations({"a": values})), pages_a_year=1.0).findings()
    assert found.judged == 1
    assert found.bad["a"].said.startswith(said)
    assert abs((END - timedelta(days=13) - found.bad["a"].since).days) <= 3


def test_findings_of_control_are_the_bad_series_and_those_that_cannot_be_judged() -> None:
    rows = pd.concat([errors(40, bias=3.0), errors(40).assign(unique_id="b"), errors(3).assign(unique_id="c")])
    found = bias_report(rows, dict.fromkeys("abc", REFERENCES["a"]), pages_a_year=1.0).findings()
    assert (list(found.bad), found.unknown, found.judged) == (["a"], {"c"}, 2)
    assert found.bad["a"].said.startswith("bias 2.56 over")
