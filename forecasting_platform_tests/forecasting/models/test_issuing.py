"""Forecasts of record: once, honestly, and matched with what came."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.models.intervals import adapt_widths
from forecasting_platform.forecasting.models.issuing import (
    cutoffs_of,
    issue_forecasts,
    learn_widths,
    match_errors,
    newly_issued,
)
from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal, trained

AT = datetime(2023, 7, 20, tzinfo=UTC)
JULY = date(2023, 7, 10)


@pytest.fixture(scope="module")
def model() -> ForecastModel:
    return trained({"a": seasonal(390)}).model


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return features_of(observations({"a": seasonal(400)}, JULY), JULY)


def test_a_series_new_to_the_model_is_on_record_from_its_first_day(model: ForecastModel) -> None:
    # Of two series, one has its first value on the fifth of July.
    both = features_of(observations({"a": seasonal(400), "new": seasonal(6)}, JULY), JULY)
    issued = issue_forecasts(model, both, model_version="1", issued_at=AT)
    alone = issue_forecasts(model, both[both["unique_id"] == "a"], model_version="1", issued_at=AT)
    new, known = issued[issued["unique_id"] == "new"], issued[issued["unique_id"] == "a"]
    assert sorted(new["cutoff"].unique()) == pd.date_range("2023-07-05", JULY).tolist()
    assert len(new) == 6 * 15
    width = (new["y_hat_hi_95"] - new["y_hat_lo_95"]).groupby(new["cutoff"]).mean()
    assert (width > 0).all()
    # What was known at a cutoff decides, not what came later.
    first = both[(both["unique_id"] == "new") & (both["ds"] == "2023-07-05")]
    then = issue_forecasts(model, first, model_version="1", issued_at=AT)
    pd.testing.assert_frame_equal(then, FORECASTS.conform(new[new["cutoff"] == "2023-07-05"]))
    pd.testing.assert_frame_equal(known.reset_index(drop=True), alone)


def test_cutoffs_the_model_was_trained_beyond_get_none(model: ForecastModel, features: pd.DataFrame) -> None:
    issued = issue_forecasts(model, features, model_version="1", issued_at=AT)
    assert issued["cutoff"].min() == pd.Timestamp("2023-06-30")
    assert issued["cutoff"].max() == pd.Timestamp(JULY)
    assert set(issued["unique_id"]) == {"a"}
    assert len(issued) == 11 * 15
    assert (issued["ds"] > issued["cutoff"]).all()


def test_a_series_without_a_finite_forecast_keeps_no_other_from_being_issued(features: pd.DataFrame) -> None:
    both = trained({"a": seasonal(390), "new": seasonal(390)}).model
    alone = issue_forecasts(both, features, model_version="1", issued_at=AT)
    calm = both.calm_volatility * np.array([1.0, np.nan])
    issued = issue_forecasts(replace(both, calm_volatility=calm), features, model_version="1", issued_at=AT)
    pd.testing.assert_frame_equal(issued, alone[alone["unique_id"] == "a"].reset_index(drop=True))


def test_no_usable_cutoff_is_an_empty_table(model: ForecastModel, features: pd.DataFrame) -> None:
    old = features[features["ds"] < "2023-06-01"]
    assert issue_forecasts(model, old, model_version="1", issued_at=AT).empty


def test_what_was_issued_once_stands(model: ForecastModel, features: pd.DataFrame) -> None:
    first = issue_forecasts(model, features.head(395), model_version="1", issued_at=AT)
    louder = replace(model, lower_bound=model.lower_bound + 1e6)
    again = issue_forecasts(louder, features, model_version="1", issued_at=AT)
    added = newly_issued(again, first)
    assert len(added) == len(again) - len(first) > 0
    assert not set(added["cutoff"]) & set(first["cutoff"])


def test_what_arrives_later_was_issued_later(model: ForecastModel, features: pd.DataFrame) -> None:
    first = issue_forecasts(model, features.tail(2), model_version="2", issued_at=AT)
    shadow = issue_forecasts(model, features.tail(3), model_version="1", issued_at=AT - timedelta(minutes=1))
    added = newly_issued(shadow, first)
    assert len(added) == len(shadow)
    is_new = ~added["cutoff"].isin(first["cutoff"])
    assert (added.loc[is_new, "issued_at"] == AT - timedelta(minutes=1)).all()
    assert (added.loc[~is_new, "issued_at"] == AT + timedelta(microseconds=1)).all()
    assert (forecasts_of_record(pd.concat([first, added[~is_new]]))["model_version"] == "2").all()


def test_errors_match_forecasts_with_actuals_of_the_days_asked_for(
    model: ForecastModel, features: pd.DataFrame
) -> None:
    issued = issue_forecasts(model, features, model_version="1", issued_at=AT)
    actuals = observations({"a": seasonal(400)}, JULY).assign(available_at=pd.Timestamp("2023-08-01", tz="UTC"))
    first = actuals.assign(y=actuals["y"] + 1, available_at=pd.Timestamp("2023-07-20", tz="UTC"))
    days = DateRange(date(2023, 7, 3), date(2023, 7, 4))
    matched = match_errors(issued, pd.concat([actuals, first]), days)
    assert (matched["y_first"] - matched["y"]).to_numpy() == pytest.approx(1.0)
    assert matched.groupby("ds").size().to_dict() == {pd.Timestamp("2023-07-03"): 3, pd.Timestamp("2023-07-04"): 4}
    expected = actuals.set_index("ds")["y"]
    assert (matched["y"].to_numpy() == expected.loc[matched["ds"]].to_numpy()).all()


def test_a_record_without_news_stays_and_news_without_a_record_begin_one(
    model: ForecastModel, features: pd.DataFrame
) -> None:
    issued = issue_forecasts(model, features, model_version="1", issued_at=AT)
    assert newly_issued(FORECASTS.empty(), issued).empty
    pd.testing.assert_frame_equal(newly_issued(issued, FORECASTS.empty()), issued)
    assert newly_issued(issued, issued).empty


def test_another_series_of_a_cutoff_already_issued_is_added(model: ForecastModel, features: pd.DataFrame) -> None:
    issued = issue_forecasts(model, features, model_version="1", issued_at=AT)
    other = issued.assign(unique_id="b")
    pd.testing.assert_frame_equal(newly_issued(pd.concat([issued, other]), issued), other)


def test_a_forecast_of_record_is_the_models_from_the_row_of_its_cutoff(
    model: ForecastModel, features: pd.DataFrame
) -> None:
    issued = issue_forecasts(model, features, model_version="1", issued_at=AT).set_index(["cutoff", "ds"])
    row = features[(features["unique_id"] == "a") & (features["ds"] == "2023-07-04")]
    alone = model.with_features(row)
    expected = alone.predict(alone.inputs([date(2023, 7, 6)])).to_frame().iloc[0]
    found = issued.loc[(pd.Timestamp("2023-07-04"), pd.Timestamp("2023-07-06"))]
    assert found[["y_hat", "y_hat_lo_80", "y_hat_hi_95"]].tolist() == (
        expected[["y_hat", "y_hat_lo_80", "y_hat_hi_95"]].tolist()
    )
    assert found["y_hat_naive"] == row["y"].item()


def test_a_day_without_an_actual_has_no_error_yet(model: ForecastModel, features: pd.DataFrame) -> None:
    issued = issue_forecasts(model, features, model_version="1", issued_at=AT)
    known = observations({"a": seasonal(400)}, JULY).assign(available_at=pd.Timestamp("2023-08-01", tz="UTC"))
    later = DateRange(date(2023, 7, 11), date(2023, 7, 20))
    assert match_errors(issued, known, later).empty


def test_the_cutoffs_of_a_day_are_those_whose_horizon_reaches_it(model: ForecastModel, features: pd.DataFrame) -> None:
    issued = issue_forecasts(model, features, model_version="1", issued_at=AT)
    day = date(2023, 7, 16)
    reaching = issued.loc[issued["ds"] == pd.Timestamp(day), "cutoff"]
    cutoffs = cutoffs_of(DateRange(day, day), model.horizon)
    assert {found.date() for found in reaching} == set(cutoffs) & {found.date() for found in issued["cutoff"]}


def test_intervals_learn_from_errors_known_at_each_cutoff_and_from_no_later_ones(
    model: ForecastModel, features: pd.DataFrame
) -> None:
    plain = issue_forecasts(model, features, model_version="1", issued_at=AT)
    days = DateRange(date(2023, 7, 1), JULY)
    known = observations({"a": np.full(400, 1e3)}, JULY).assign(available_at=pd.Timestamp(AT))
    matured = match_errors(plain, known, days)  # everything missed
    learned = issue_forecasts(model, features, model_version="1", issued_at=AT, widths=learn_widths(matured, ["a"]))
    growth = ((learned["y_hat_hi_80"] - learned["y_hat"]) / (plain["y_hat_hi_80"] - plain["y_hat"])).groupby(
        plain["cutoff"]
    )
    assert growth.first().iloc[0] == 1.0
    assert (np.diff(growth.first()) > 0).all()
    assert (learned["y_hat_hi_95"] >= learned["y_hat_hi_80"]).all()
    np.testing.assert_array_equal(learned["y_hat"], plain["y_hat"])


def test_a_series_without_matured_forecasts_learns_nothing(model: ForecastModel, features: pd.DataFrame) -> None:
    issued = issue_forecasts(model, features, model_version="1", issued_at=AT)
    known = observations({"a": seasonal(400)}, JULY).assign(available_at=pd.Timestamp(AT))
    matured = match_errors(issued, known, DateRange(date(2023, 7, 1), JULY))
    widths = learn_widths(matured, ["new", "a"]).log_widths[-1]
    assert (widths[0] == 0).all()
    assert (widths[1] != 0).any()
    learned = learn_widths(matured, ["a"])
    assert (learned.at(learned.days[-1], ["b", "a"])[1] == widths[1]).all()
    assert (learned.at(learned.days[0] - 1, ["a"]) == 0).all(), "nothing is known before the first day"
    assert (learn_widths(matured.iloc[:0], ["a"]).at(learned.days[-1], ["a"]) == 0).all()


def test_the_widths_after_each_day_are_those_of_the_errors_up_to_it() -> None:
    generator = np.random.default_rng(0)
    days = pd.date_range("2023-07-01", periods=30)
    matured = pd.DataFrame(
        [(name, day) for name in ("a", "b", "unknown") for day in days for _ in range(3)], columns=["unique_id", "ds"]
    ).assign(y=lambda rows: generator.standard_normal(len(rows)))
    for level, half in ((80, 1.28), (95, 1.96)):
        matured[f"y_hat_lo_{level}"], matured[f"y_hat_hi_{level}"] = -half, half
    matured = matured[generator.random(len(matured)) > 0.4]
    expected = np.zeros((2, 2))
    learned = learn_widths(matured, ["a", "b"])
    for position, day in enumerate(learned.days):
        today = matured[matured["ds"] == day]
        missed = pd.DataFrame(
            {level: ~today["y"].between(today[f"y_hat_lo_{level}"], today[f"y_hat_hi_{level}"]) for level in (80, 95)}
        )
        expected = adapt_widths(expected, missed.groupby(today["unique_id"]).mean().reindex(["a", "b"]).to_numpy())
        assert learned.log_widths[position].tolist() == expected.tolist()
