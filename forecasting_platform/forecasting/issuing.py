"""Forecasts of record: issued once for a series and cutoff, and later matched with what came."""

from datetime import datetime, timedelta

import pandas as pd

from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.frames import FORECAST_ERRORS, FORECASTS
from forecasting_platform.forecasting.model import ForecastModel


def issue_forecasts(
    model: ForecastModel, features: pd.DataFrame, *, model_version: str, issued_at: datetime
) -> pd.DataFrame:
    """Forecasts of the next `horizon` days for every cutoff the model has not been trained beyond.

    Args:
        features: rows of `FEATURE_TABLE`; each row's `ds` is a cutoff. Rows before the model's own
            cutoff are left out, since a forecast of days it was fitted on is none; so are series
            that the model does not know.

    Returns:
        Rows of `FORECASTS`, one for each series, cutoff and day.
    """
    usable = features[(features["ds"] >= pd.Timestamp(model.cutoff)) & features["unique_id"].isin(model.unique_ids)]
    frames = [_issue(model, rows, cutoff) for cutoff, rows in usable.groupby("ds", sort=True)]
    if not frames:
        return FORECASTS.empty()
    issued = pd.concat(frames, ignore_index=True).assign(model_version=model_version, issued_at=pd.Timestamp(issued_at))
    return FORECASTS.conform(issued)


def _issue(model: ForecastModel, rows: pd.DataFrame, cutoff: object) -> pd.DataFrame:
    first = pd.Timestamp(str(cutoff)).date()
    days = [first + timedelta(days=step) for step in range(1, model.horizon + 1)]
    inputs = model.with_features(rows).inputs(days, unique_ids=rows["unique_id"].tolist())
    return model.predict(inputs).to_frame()


def keep_issued(issued: pd.DataFrame, existing: pd.DataFrame) -> pd.DataFrame:
    """`issued` and `existing` together; where a series and cutoff was issued before, that record stands.

    Both are rows of `FORECASTS` of one model version.
    """
    record = existing[["unique_id", "cutoff"]].drop_duplicates()
    merged = issued.merge(record, on=["unique_id", "cutoff"], how="left", indicator="known")
    fresh = merged.loc[merged["known"] == "left_only", FORECASTS.column_names]
    return FORECASTS.conform(pd.concat([existing, fresh]) if len(existing) else issued)


def cutoffs_of(days: DateRange, horizon: int) -> DateRange:
    """The cutoffs whose forecasts reach into some days.

    >>> from datetime import date
    >>> str(cutoffs_of(DateRange(date(2023, 7, 16), date(2023, 7, 20)), 15))
    '2023-07-01..2023-07-19'
    """
    return DateRange(days.start - timedelta(days=horizon), days.end - timedelta(days=1))


def match_errors(forecasts: pd.DataFrame, versions: pd.DataFrame, days: DateRange) -> pd.DataFrame:
    """Forecasts of some days with their actuals: rows of `FORECAST_ERRORS`.

    Args:
        forecasts: rows of `FORECASTS`; those of other days are ignored.
        versions: every version of the days' values, rows of `OBSERVATIONS`; a day without one has no
            error yet.
    """
    by_age = versions.sort_values("available_at", kind="stable")
    newest = by_age.drop_duplicates(["unique_id", "ds"], keep="last")
    first = by_age.drop_duplicates(["unique_id", "ds"], keep="first").rename(columns={"y": "y_first"})
    actuals = newest[["unique_id", "ds", "y"]].merge(first[["unique_id", "ds", "y_first"]], on=["unique_id", "ds"])
    inside = forecasts[forecasts["ds"].between(pd.Timestamp(days.start), pd.Timestamp(days.end))]
    matched = inside.merge(actuals, on=["unique_id", "ds"])
    return FORECAST_ERRORS.conform(matched[FORECAST_ERRORS.column_names], days)
