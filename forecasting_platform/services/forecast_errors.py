"""Matches forecasts with their actuals: rows of `forecast_errors`."""

from dataclasses import dataclass

import pandas as pd

from forecasting_platform.errors import OverlappingWritesError
from forecasting_platform.forecasting.models.issuing import cutoffs_of, match_errors
from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.monitoring.control.daily_sums import sum_errors
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.frames import (
    DAILY_ERRORS,
    FORECAST_ERRORS,
    FORECASTS,
    HELD_OBSERVATIONS,
    OBSERVATIONS,
)
from forecasting_platform.forecasting.series.quality.holding import without_held
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.daily_sums import forget

MAX_MATCHES = 20


@dataclass(frozen=True, slots=True)
class MatchedErrors:
    """Rows of `FORECAST_ERRORS` of some days, and every version of the days' values."""

    matched: pd.DataFrame
    versions: pd.DataFrame


def match_forecast_errors(
    store: TableStore, days: DateRange, horizon: int, calendars: Calendars = DAILY
) -> MatchedErrors:
    """Match and store the errors of all forecasts of these days, and their daily sums; repeated if values or forecasts
    arrive meanwhile.

    Args:
        horizon: how many days ahead forecasts reach.
        calendars: the days on which values of each series are due; the others have no error.

    Raises:
        OverlappingWritesError: values or forecasts came during each of `MAX_MATCHES` attempts.
    """
    for _ in range(MAX_MATCHES):
        known, held = _known(store, days, horizon), store.read(HELD_OBSERVATIONS, days)
        # What is held back is no actual yet: a typing error would condemn the model.
        versions = without_held(store.read(OBSERVATIONS, days), held)
        matched = match_errors(store.read(FORECASTS, cutoffs_of(days, horizon)), versions, days, calendars)
        forget(store, DAILY_ERRORS, days)
        store.replace(FORECAST_ERRORS, matched, days)
        store.replace(DAILY_ERRORS, sum_errors(forecasts_of_record(matched)), days)
        if _known(store, days, horizon) == known and store.read(HELD_OBSERVATIONS, days).equals(held):
            return MatchedErrors(matched, versions)
    raise OverlappingWritesError("forecast_errors", days, MAX_MATCHES)


def _known(store: TableStore, days: DateRange, horizon: int) -> tuple[int, int]:
    return store.count(OBSERVATIONS, days), store.count(FORECASTS, cutoffs_of(days, horizon))
