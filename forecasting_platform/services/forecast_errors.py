"""Forecasts matched with what came: rows of `forecast_errors`."""

from dataclasses import dataclass

import pandas as pd

from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.frames import FORECAST_ERRORS, FORECASTS, OBSERVATIONS
from forecasting_platform.forecasting.issuing import cutoffs_of, match_errors
from forecasting_platform.ports.table_store import TableStore


@dataclass(frozen=True, slots=True)
class MatchedErrors:
    """Rows of `FORECAST_ERRORS` of some days, and every version of the days' values."""

    matched: pd.DataFrame
    versions: pd.DataFrame


def match_forecast_errors(store: TableStore, days: DateRange, horizon: int) -> MatchedErrors:
    """Match and store the errors of all forecasts of these days; again where values or forecasts came meanwhile.

    Args:
        horizon: how many days ahead forecasts reach.
    """
    while True:
        known = _known(store, days, horizon)
        versions = store.read(OBSERVATIONS, days)
        matched = match_errors(store.read(FORECASTS, cutoffs_of(days, horizon)), versions, days)
        store.replace(FORECAST_ERRORS, matched, days)
        if _known(store, days, horizon) == known:
            return MatchedErrors(matched, versions)


def _known(store: TableStore, days: DateRange, horizon: int) -> tuple[int, int]:
    return store.count(OBSERVATIONS, days), store.count(FORECASTS, cutoffs_of(days, horizon))
