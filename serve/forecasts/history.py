"""Actuals and the forecasts issued for them: the rows behind the plot of the page. No HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd

from forecasting_platform.errors import InvalidRangeError
from forecasting_platform.forecasting.models.record import newest_of_record
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECASTS, HELD_OBSERVATIONS, interval_columns
from forecasting_platform.ports.table_store import TableStore

MAX_DAYS = 3660
MAX_SERIES_DAYS = 6_000
"""Days × series read at once, from `horizon` days before the first day shown: of each day all forecasts are read."""
DEFAULT_DAYS = 365
FORECAST_COLUMNS = ["unique_id", "cutoff", "ds", "model_version", "y_hat", *interval_columns()]


@dataclass(frozen=True, slots=True)
class History:
    """Actuals, forecasts of record and those of other versions, JSON-ready, ordered by `unique_id`, `ds`.

    An actual on which nothing is built, since it is not complete or implausible, has the reason under `held`.
    """

    actuals: list[dict[str, Any]]
    forecasts: list[dict[str, Any]]
    shadows: list[dict[str, Any]]


def history_period(start: date | None, end: date | None, newest: date, series: int = 1, horizon: int = 15) -> DateRange:
    """The days to show: those given, or the last year up to the newest observation, or as much of it as is shown.

    Args:
        series: how many are shown.
        horizon: days a stored forecast reaches beyond its cutoff.

    Raises:
        InvalidRangeError: the end lies before the start, or there are too many days and series.

    >>> str(history_period(None, date(2023, 6, 30), date(2023, 7, 9)))
    '2022-07-01..2023-06-30'
    >>> str(history_period(None, None, date(2023, 7, 9), series=300))
    '2023-07-05..2023-07-09'
    """
    last, limit = end or (newest if start is None else max(newest, start)), MAX_SERIES_DAYS // series - horizon
    period = DateRange(start or last - timedelta(days=max(0, min(DEFAULT_DAYS, limit) - 1)), last)
    if len(period) > min(MAX_DAYS, limit):
        raise InvalidRangeError(
            f"{period} has {len(period)} days; at most {max(0, min(MAX_DAYS, limit))} of {series} series are shown at "
            "once: ask for fewer days, or name series in unique_id"
        )
    return period


def read_history(store: TableStore, period: DateRange, unique_ids: Sequence[str] | None, horizon: int) -> History:
    """Read actuals and forecasts of these days.

    Args:
        horizon: days a stored forecast reaches beyond its cutoff.
    """
    observations = store.read_observations(period, unique_ids=unique_ids)
    held = store.read(HELD_OBSERVATIONS, period, unique_ids=unique_ids)
    issued = store.read(FORECASTS, DateRange(period.start - timedelta(days=horizon), period.end), unique_ids=unique_ids)
    of_period = issued[issued["ds"].between(pd.Timestamp(period.start), pd.Timestamp(period.end))]
    record, shadows = newest_of_record(of_period)[FORECAST_COLUMNS], shadow_forecasts(of_period)
    return History(_actuals(observations, held), _records(record), _records(shadows))


def _actuals(observations: pd.DataFrame, held: pd.DataFrame) -> list[dict[str, Any]]:
    reasons = {(row.unique_id, row.ds): row.reason for row in held.itertuples()}
    actuals = observations[["unique_id", "ds", "y"]]
    keys = zip(actuals["unique_id"], actuals["ds"], strict=True)
    return [
        row | ({"held": reasons[key]} if key in reasons else {})
        for row, key in zip(_records(actuals), keys, strict=True)
    ]


def shadow_forecasts(issued: pd.DataFrame) -> pd.DataFrame:
    """For each series, day and version its newest forecast, without that of record."""
    newest = issued.sort_values(["unique_id", "ds", "model_version", "cutoff"], kind="stable")
    of_versions = newest.drop_duplicates(["unique_id", "ds", "model_version"], keep="last")[FORECAST_COLUMNS]
    record = newest_of_record(issued)[["unique_id", "ds", "model_version"]]
    marked = of_versions.merge(record, how="left", indicator="found")
    return marked.loc[marked["found"] == "left_only", FORECAST_COLUMNS]


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    days = {name: rows[name].dt.strftime("%Y-%m-%d") for name in ("cutoff", "ds") if name in rows}
    return [{str(name): value for name, value in row.items()} for row in rows.assign(**days).to_dict("records")]
