"""Forecasts of record: issued once for a series and cutoff, and later matched with the actuals."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.intervals import adapt_widths
from forecasting_platform.forecasting.models.model import ForecastModel
from forecasting_platform.forecasting.models.new_series import answer_from
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS, FORECASTS, LEVELS
from forecasting_platform.forecasting.series.not_normal import ALL_NORMAL, NotNormal, not_normal_of
from forecasting_platform.forecasting.series.series_calendars import DAILY, Calendars


def issue_forecasts(
    model: ForecastModel,
    features: pd.DataFrame,
    *,
    model_version: str,
    issued_at: datetime,
    matured: pd.DataFrame | None = None,
    not_normal: NotNormal = ALL_NORMAL,
) -> pd.DataFrame:
    """Forecasts of the next `horizon` days for every cutoff the model has not been trained beyond.

    Args:
        features: rows of `FEATURE_TABLE`; each row's `ds` is a cutoff. Rows before the model's own
            cutoff are left out: the model was fitted on the days they would forecast. Series that are new to the
            model are forecast too: what was known of them at the cutoff is in its row, as for any other.
        matured: rows of `FORECAST_ERRORS` of the version, from which the widths of its intervals learn.
        not_normal: periods from which they do not, besides those of the model's recipe.

    Returns:
        Rows of `FORECASTS`, one for each series, cutoff and day; none of what is not finite.
    """
    errors = FORECAST_ERRORS.empty() if matured is None else matured
    errors = errors[~(not_normal | not_normal_of(model.metadata)).rows(errors, "cutoff", "ds")]
    usable = features[features["ds"] >= pd.Timestamp(model.cutoff)]
    frames = [
        _issue(model.with_widths(learn_widths(errors[errors["ds"] <= cutoff], model.unique_ids)), rows, cutoff)
        for cutoff, rows in usable.groupby("ds", sort=True)
    ]
    if not frames:
        return FORECASTS.empty()
    issued = pd.concat(frames, ignore_index=True).assign(model_version=model_version, issued_at=pd.Timestamp(issued_at))
    # One forecast that is not finite, of one series, would keep all from being stored.
    numbers = issued[[column.name for column in FORECASTS.columns if column.kind == "float"]]
    return FORECASTS.conform(issued.loc[np.isfinite(numbers.to_numpy()).all(axis=1)])


def _issue(model: ForecastModel, rows: pd.DataFrame, cutoff: object) -> pd.DataFrame:
    first = pd.Timestamp(str(cutoff)).date()
    days = [first + timedelta(days=step) for step in range(1, model.horizon + 1)]
    known = answer_from(model, rows)
    return known.predict(known.inputs(days, unique_ids=rows["unique_id"].tolist())).to_frame()


def learn_widths(matured: pd.DataFrame, unique_ids: Sequence[str]) -> Floats:
    """Adapt the widths of a version's intervals to its own forecasts, day by day as they matured.

    Args:
        matured: rows of `FORECAST_ERRORS`.

    Returns:
        Logarithm of the factor of each of `LEVELS`; shape (len(unique_ids), len(LEVELS)), 0 without errors.
    """
    widths = np.zeros((len(unique_ids), len(LEVELS)))
    missed = pd.DataFrame(
        {
            level: (matured["y"] < matured[f"y_hat_lo_{level}"]) | (matured["y"] > matured[f"y_hat_hi_{level}"])
            for level in LEVELS
        }
    )
    daily = missed.astype(float).groupby([matured["unique_id"], matured["ds"]]).mean()
    for _, day in daily.groupby(level="ds", sort=True):
        widths = adapt_widths(widths, day.droplevel("ds").reindex(list(unique_ids)).to_numpy())
    return widths


def newly_issued(issued: pd.DataFrame, recorded: pd.DataFrame) -> pd.DataFrame:
    """The forecasts to record: those of a series and cutoff that a version has recorded before are left out, whole.

    Each is issued after every other one of its series and cutoff: the forecast of record, which is the first, does not
    change by one that was made earlier and arrives later.

    Args:
        issued: rows of `FORECASTS`.
        recorded: `unique_id`, `cutoff`, `model_version` and `issued_at` of what was recorded of their cutoffs, in any
            number of rows.

    Returns:
        Rows of `issued`, their `issued_at` raised where it must be.
    """
    if recorded.empty or issued.empty:
        return issued
    versions = recorded[["unique_id", "cutoff", "model_version"]].drop_duplicates().assign(is_known=True)
    newest = recorded.groupby(["unique_id", "cutoff"], as_index=False)["issued_at"].max()
    known = issued.merge(versions, how="left").merge(newest, on=["unique_id", "cutoff"], how="left", suffixes=("", "_"))
    earliest = known["issued_at_"] + pd.Timedelta(microseconds=1)
    raised = known.assign(issued_at=known["issued_at"].where(~(known["issued_at"] < earliest), earliest))
    return raised.loc[known["is_known"].isna(), issued.columns].reset_index(drop=True)


def cutoffs_of(days: DateRange, horizon: int) -> DateRange:
    """The cutoffs whose forecasts reach into some days.

    >>> from datetime import date
    >>> str(cutoffs_of(DateRange(date(2023, 7, 16), date(2023, 7, 20)), 15))
    '2023-07-01..2023-07-19'
    """
    return DateRange(days.start - timedelta(days=horizon), days.end - timedelta(days=1))


def match_errors(
    forecasts: pd.DataFrame, versions: pd.DataFrame, days: DateRange, calendars: Calendars = DAILY
) -> pd.DataFrame:
    """Forecasts of some days with their actuals: rows of `FORECAST_ERRORS`.

    The 0 of a closed day is no forecast, so it has no error.

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
    if not calendars.is_every_day:
        days_matched = matched["ds"].to_numpy().astype("datetime64[D]")
        matched = matched[~calendars.closed_rows(matched["unique_id"].tolist(), days_matched)]
    return FORECAST_ERRORS.conform(matched[FORECAST_ERRORS.column_names], days)
