"""Forecasts of record: issued once for a series and cutoff, and later matched with the actuals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.models.intervals import adapt_widths
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.new_series import answer_from
from forecasting_platform.forecasting.series.arrays import Days, Floats, code_names
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.frames import FORECAST_ERRORS, FORECASTS, LEVELS


def issue_forecasts(
    model: ForecastModel,
    features: pd.DataFrame,
    *,
    model_version: str,
    issued_at: datetime,
    widths: "LearnedWidths | None" = None,
) -> pd.DataFrame:
    """Forecasts of the next `horizon` days for every cutoff the model has not been trained beyond.

    Args:
        features: rows of `FEATURE_TABLE`; each row's `ds` is a cutoff. Rows before the model's own
            cutoff are left out: the model was fitted on the days they would forecast. Series that are new to the
            model are forecast too: what was known of them at the cutoff is in its row, as for any other.
        widths: what the widths of its intervals have learnt by each cutoff; nothing without.

    Returns:
        Rows of `FORECASTS`, one for each series, cutoff and day; none of what is not finite.
    """
    usable = features[features["ds"] >= pd.Timestamp(model.cutoff)]
    frames = []
    for cutoff, rows in usable.groupby("ds", sort=True):
        day = pd.Timestamp(str(cutoff)).to_numpy().astype("datetime64[D]")
        widened = model if widths is None else model.with_widths(widths.at(day, model.unique_ids))
        frames.append(_issue(widened, rows, cutoff))
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


@dataclass(frozen=True, slots=True)
class LearnedWidths:
    """How much wider or narrower a version's intervals have become at the end of some days.

    Attributes:
        unique_ids: S series.
        days: ascending; shape (D,).
        log_widths: logarithm of the factor of each of `LEVELS`; shape (D, S, len(LEVELS)).
    """

    unique_ids: tuple[str, ...]
    days: Days
    log_widths: Floats

    def at(self, day: np.datetime64, unique_ids: Sequence[str]) -> Floats:
        """Those of some series at the end of a day, by what was known then; shape (len(unique_ids), len(LEVELS)).

        0 before the first day and of a series that is not among these.
        """
        found = np.zeros((len(unique_ids), len(LEVELS)))
        known_days = int(np.searchsorted(self.days, day, side="right"))
        position = pd.Index(self.unique_ids, dtype=object).get_indexer(pd.Index(unique_ids, dtype=object))
        if known_days:
            found[position >= 0] = self.log_widths[known_days - 1, position[position >= 0]]
        return found


def learn_widths(matured: pd.DataFrame, unique_ids: Sequence[str]) -> LearnedWidths:
    """Adapt the widths of a version's intervals to its own forecasts, day by day as they matured.

    Args:
        matured: `unique_id`, `ds`, `y` and the intervals of rows of `FORECAST_ERRORS`.
        unique_ids: the series that learn.

    Returns:
        The widths at the end of each day that has errors.
    """
    codes, names = code_names(matured["unique_id"].to_numpy(dtype=object))
    series = pd.Index(list(unique_ids), dtype=object).get_indexer(pd.Index(names, dtype=object))[codes]
    known = series >= 0
    days, day = np.unique(matured["ds"].to_numpy()[known].astype("datetime64[D]"), return_inverse=True)
    shape = (len(days), len(unique_ids))
    # One number for day and series, so that one count covers all of them.
    cell, y = day * shape[1] + series[known], matured["y"].to_numpy()[known]
    count = np.bincount(cell, minlength=shape[0] * shape[1])
    missed = np.empty((*shape, len(LEVELS)))
    for position, level in enumerate(LEVELS):
        low, high = (matured[f"y_hat_{side}_{level}"].to_numpy()[known] for side in ("lo", "hi"))
        with np.errstate(invalid="ignore"):
            share = np.bincount(cell, (y < low) | (y > high), minlength=len(count)) / count
        missed[:, :, position] = share.reshape(shape)
    widths = np.zeros((len(days) + 1, len(unique_ids), len(LEVELS)))
    # Each day's widths begin with those of the day before: a sequence, and no product of arrays.
    for position in range(len(days)):
        widths[position + 1] = adapt_widths(widths[position], missed[position])
    return LearnedWidths(tuple(unique_ids), days, widths[1:])


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
    # The least step that the stores keep: a microsecond.
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
    matched = match_actuals(forecasts, actuals, days, calendars)
    return FORECAST_ERRORS.conform(matched[FORECAST_ERRORS.column_names], days)


def match_actuals(
    forecasts: pd.DataFrame, actuals: pd.DataFrame, days: DateRange, calendars: Calendars = DAILY
) -> pd.DataFrame:
    """Forecasts of some days with the columns of their actuals, without those of closed days or that have none yet.

    Args:
        forecasts: the key, and any other columns, of rows of `FORECASTS`; those of other days are ignored.
        actuals: `unique_id`, `ds` and what else is known of the days; one row a series and day.
    """
    own, names = code_names(actuals["unique_id"].to_numpy(dtype=object))
    first = np.datetime64(days.start, "D")
    # Where the actual of each series and day stands, -1 where there is none.
    row_of = np.full((len(names) + 1, len(days)), -1)
    known, day = _inside(actuals["ds"], first, len(days))
    row_of[own[known], day] = np.flatnonzero(known)
    codes, asked = code_names(forecasts["unique_id"].to_numpy(dtype=object))
    series = pd.Index(names, dtype=object).get_indexer(pd.Index(asked, dtype=object))[codes]
    inside, day = _inside(forecasts["ds"], first, len(days))
    found = row_of[series[inside], day]
    values = actuals.drop(columns=["unique_id", "ds"]).iloc[found[found >= 0]].reset_index(drop=True)
    kept = forecasts[inside][found >= 0].reset_index(drop=True)
    matched = pd.concat([kept, values], axis=1)
    if calendars.is_every_day:
        return matched
    days_matched = matched["ds"].to_numpy().astype("datetime64[D]")
    return matched[~calendars.closed_rows(matched["unique_id"].tolist(), days_matched)]


def _inside(
    ds: "pd.Series[pd.Timestamp]", first: np.datetime64, count: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Which rows lie within so many days from one on, and at which of them those do."""
    day = (ds.to_numpy().astype("datetime64[D]") - first).astype(np.int64)
    inside: npt.NDArray[np.bool_] = (day >= 0) & (day < count)
    return inside, day[inside]
