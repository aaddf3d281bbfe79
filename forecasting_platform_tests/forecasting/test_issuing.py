"""Forecasts of record: once, honestly, and matched with what came."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.frames import FORECASTS
from forecasting_platform.forecasting.issuing import issue_forecasts, keep_issued, match_errors
from forecasting_platform.forecasting.model import ForecastModel
from forecasting_platform_tests.forecasting.series import features_of, observations, seasonal, trained

AT = datetime(2023, 7, 20, tzinfo=UTC)
JULY = date(2023, 7, 10)


@pytest.fixture(scope="module")
def model() -> ForecastModel:
    return trained({"a": seasonal(390)}).model


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return features_of(observations({"a": seasonal(400), "new": seasonal(400)}, JULY), JULY)


def test_cutoffs_the_model_was_trained_beyond_and_unknown_series_get_none(
    model: ForecastModel, features: pd.DataFrame
) -> None:
    issued = issue_forecasts(model, features, model_version="1", issued_at=AT)
    assert issued["cutoff"].min() == pd.Timestamp("2023-06-30")
    assert issued["cutoff"].max() == pd.Timestamp(JULY)
    assert set(issued["unique_id"]) == {"a"}
    assert len(issued) == 11 * 15
    assert (issued["ds"] > issued["cutoff"]).all()


def test_no_usable_cutoff_is_an_empty_table(model: ForecastModel, features: pd.DataFrame) -> None:
    old = features[features["ds"] < "2023-06-01"]
    assert issue_forecasts(model, old, model_version="1", issued_at=AT).empty


def test_what_was_issued_once_stands(model: ForecastModel, features: pd.DataFrame) -> None:
    first = issue_forecasts(model, features.head(395), model_version="1", issued_at=AT)
    louder = replace(model, lower_bound=model.lower_bound + 1e6)
    again = issue_forecasts(louder, features, model_version="1", issued_at=AT)
    record = keep_issued(again, first)
    assert len(record) == len(again)
    old = record.merge(first[["cutoff"]].drop_duplicates(), on="cutoff")
    pd.testing.assert_frame_equal(FORECASTS.conform(old), first)


def test_errors_match_forecasts_with_actuals_of_the_days_asked_for(
    model: ForecastModel, features: pd.DataFrame
) -> None:
    issued = issue_forecasts(model, features, model_version="1", issued_at=AT)
    actuals = observations({"a": seasonal(400)}, JULY)
    days = DateRange(date(2023, 7, 3), date(2023, 7, 4))
    matched = match_errors(issued, actuals, days)
    assert matched.groupby("ds").size().to_dict() == {pd.Timestamp("2023-07-03"): 3, pd.Timestamp("2023-07-04"): 4}
    expected = actuals.set_index("ds")["y"]
    assert (matched["y"].to_numpy() == expected.loc[matched["ds"]].to_numpy()).all()
