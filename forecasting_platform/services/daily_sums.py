"""Keeps the daily sums that control judges by beside what they are made of, and reads them back.

A day whose sums are not kept is summed up anew where it is read, so that a write that ends in the middle leaves nothing
wrong: sums go before what they are made of is replaced, and come back after it.
"""

from collections.abc import Callable
from datetime import date, timedelta

import pandas as pd

from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.monitoring.control.daily_sums import (
    ERROR_COLUMNS,
    MOVE_COLUMNS,
    DailySums,
    judged_errors,
    judged_moves,
    sum_moves,
)
from forecasting_platform.forecasting.series.days.date_range import DateRange, stretches
from forecasting_platform.forecasting.series.days.not_normal import NotNormal
from forecasting_platform.forecasting.series.frames import DAILY_ERRORS, DAILY_MOVES, FORECAST_ERRORS, FORECASTS
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.ports.table_store import TableStore

ONE_DAY = timedelta(days=1)
CUTOFFS_AT_ONCE = 31
"""Cutoffs whose forecasts are in memory together while moves are summed up."""


def daily_errors(store: TableStore, days: DateRange, not_normal: NotNormal, horizon: int) -> DailySums:
    """The sums of the errors of some days; of those that a period which is not normal touches, without its forecasts.

    Args:
        horizon: how many days ahead forecasts reach.
    """
    reach = horizon * ONE_DAY
    touched = {day for day in days if any(of.start <= day <= of.end + reach for of in not_normal.periods)}

    def sum_up(stretch: DateRange) -> DailySums:
        return judged_errors(store.read(FORECAST_ERRORS.only(*ERROR_COLUMNS), stretch), not_normal)

    return _read(store, DAILY_ERRORS, days, touched, sum_up)


def daily_moves(store: TableStore, cutoffs: DateRange, not_normal: NotNormal, horizon: int) -> DailySums:
    """The same of how far forecasts moved to some cutoffs."""
    reach = horizon * ONE_DAY
    touched = {day for day in cutoffs if any(of.start - reach <= day <= of.end + ONE_DAY for of in not_normal.periods)}

    def sum_up(stretch: DateRange) -> DailySums:
        # What the first cutoff moved from was issued a day before it.
        issued = store.read(FORECASTS.only(*MOVE_COLUMNS), DateRange(stretch.start - ONE_DAY, stretch.end))
        return judged_moves(issued, not_normal).since(stretch.start)

    return _read(store, DAILY_MOVES, cutoffs, touched, sum_up)


def forget(store: TableStore, sums: Table, days: DateRange) -> None:
    """Remove the sums of days before what they are made of is written."""
    if store.count(sums, days):
        store.replace(sums, sums.empty(), days)


def cutoffs_moved_by(cutoffs: DateRange) -> DateRange:
    """The cutoffs to which forecasts moved from others when some are issued: those, and the day after."""
    return DateRange(cutoffs.start, cutoffs.end + ONE_DAY)


def keep_moves(store: TableStore, cutoffs: DateRange) -> None:
    """Sum up how far forecasts moved to the cutoffs, and on from them, after they were issued."""
    every = cutoffs_moved_by(cutoffs)
    for days in range(0, len(every), CUTOFFS_AT_ONCE):
        first = every.start + timedelta(days=days)
        _keep_moves(store, DateRange(first, min(first + timedelta(days=CUTOFFS_AT_ONCE - 1), every.end)))


def _keep_moves(store: TableStore, kept: DateRange) -> None:
    read = DateRange(kept.start - ONE_DAY, kept.end)
    known = -1
    # Repeated where others issue meanwhile: whoever writes last has then read all.
    while known != (counted := store.count(FORECASTS, read)):
        known = counted
        issued = forecasts_of_record(store.read(FORECASTS.only(*MOVE_COLUMNS), read))
        moves = sum_moves(issued)
        store.replace(DAILY_MOVES, moves[moves["cutoff"] >= pd.Timestamp(kept.start)], kept)


def _read(
    store: TableStore, table: Table, days: DateRange, touched: set[date], sum_up: Callable[[DateRange], DailySums]
) -> DailySums:
    """The kept sums of the days that no period touches; the others are summed up anew."""
    kept = store.read(table, days)
    known = {day.date() for day in kept[table.day_column].unique()}
    untouched = kept[~kept[table.day_column].isin(pd.DatetimeIndex(sorted(touched)))] if touched else kept
    anew = [sum_up(stretch) for stretch in stretches(day for day in days if day in touched or day not in known)]
    return DailySums.together([DailySums(untouched, kept.iloc[:0][["unique_id", table.day_column]]), *anew])
