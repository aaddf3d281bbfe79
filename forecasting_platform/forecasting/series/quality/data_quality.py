"""Data quality of loaded days: the limits that each series' own past gives its values, and the days outside them.

Limits are made from the days before the loaded ones and from nothing else. A series' days are its due days: a Monday is
compared with the Friday before where no value is due at the weekend. The checks decide what a finding stops; the suite
that a person reads is an adapter's.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.errors import InvalidFrameError
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.frames import OBSERVATIONS

HISTORY_DAYS = 1095
MIN_HISTORY_DAYS = 91
DUE_WEEKS = 13
_NEWEST = replace(OBSERVATIONS, key=("unique_id", "ds"))


@dataclass(frozen=True, slots=True)
class QualityPolicy:
    """How far from its own past a value may lie.

    A series' spread is the distance between its 0.5 % and 99.5 % quantiles: a few wild values do not widen it.

    Attributes:
        range_spreads: spreads beyond those quantiles at which a value is unusual.
        change_factor: times the 99.5 % quantile of day-to-day changes at which a change is a jump.
        flat_days: equal days in a row that are never unusual; beyond, the longest run of the past counts.
        min_swing: share of the least swing of the past below which a week is too still: a meter that hums.
        grace_days: newest days that may still be unpublished.
    """

    range_spreads: float = 0.25
    change_factor: float = 1.5
    flat_days: int = 7
    min_swing: float = 0.1
    grace_days: int = 3


POLICY = QualityPolicy()
_TAIL = 0.005

JUDGED_COLUMNS = (
    "y", "low", "high", "change", "max_change", "flat_days", "max_flat_days", "swing", "min_swing", "is_due"
)  # fmt: skip
SWING_DAYS, MIN_SWING_VALUES = 7, 4
"""Days that a swing is taken over, and values among them without which there is none."""


def history_period(period: DateRange) -> DateRange:
    """The days whose values decide what is usual in `period`: the three years before it."""
    return DateRange(period.start - timedelta(days=HISTORY_DAYS), period.start - timedelta(days=1))


def structural_problem(observations: pd.DataFrame, period: DateRange) -> str | None:
    """Why a frame is not one of newest observations of these days: columns, kinds, nulls, repeats, other days."""
    try:
        conformed = _NEWEST.conform(observations, period)
    except InvalidFrameError as error:
        return error.problem
    wrong = conformed.dtypes.compare(observations[_NEWEST.column_names].dtypes)
    return None if wrong.empty else f"columns of another kind: {', '.join(wrong.index)}"


def judge_days(
    observations: pd.DataFrame,
    history: pd.DataFrame,
    period: DateRange,
    policy: QualityPolicy = POLICY,
    *,
    calendars: Calendars = DAILY,
    moment: datetime | None = None,
) -> pd.DataFrame:
    """Each day of `period` of each series with a past, with the limits from that past.

    Args:
        observations: `unique_id`, `ds`, `y` of `period`, one row per series and day.
        history: the same of `history_period(period)`.
        calendars: the days on which values of each series are due.
        moment: when it is asked: a day that is not complete then is not due; without it all are.

    Returns:
        `unique_id`, `ds` and `JUDGED_COLUMNS`, one row per series and day, ordered. `change` is the absolute
        difference from the due day before; `flat_days` counts the equal due days that end with this one; `swing` is
        the distance between the largest and the smallest value of the seven due days that end with this one, NaN of
        equal ones; `is_due` says that a value should be there by now. Limits are NaN where the past is too short to
        give any; a closed day has none of what is measured from day to day.
    """
    # The past and the loaded days on one grid, so that changes and runs go on from one to the other.
    known = DateRange(period.start - timedelta(days=HISTORY_DAYS), period.end)
    names = sorted(history["unique_id"].unique())
    days = np.arange(np.datetime64(known.start, "D"), np.datetime64(known.end, "D") + 1)
    values = _on_grid(pd.concat([history, observations]), names, days)
    columns: dict[str, npt.NDArray[np.generic]] = {"y": values[HISTORY_DAYS:]}
    for due, positions in calendars.groups(names):
        judged = _judge(values[:, positions], days, due, policy, moment)
        for name, column in judged.items():
            whole = columns.setdefault(name, np.empty((len(period), len(names)), column.dtype))
            whole[:, positions] = column
    shape = (len(period), len(names))
    rows = {name: columns.get(name, np.empty(shape)).T.ravel() for name in JUDGED_COLUMNS}
    keys = {
        "unique_id": np.repeat(np.array(names, dtype=object), len(period)),
        "ds": np.tile(days[HISTORY_DAYS:], len(names)),
    }
    return pd.DataFrame(keys | rows).astype({"ds": "datetime64[ns]"})


def _judge(
    values: Floats, days: Days, due: DueDays, policy: QualityPolicy, moment: datetime | None
) -> dict[str, npt.NDArray[np.generic]]:
    """`JUDGED_COLUMNS` but `y` of the days after the past, of series with one calendar; each of shape (T, S)."""
    is_due = due.is_due(days)
    on_due_days, loaded = values[is_due], is_due[HISTORY_DAYS:]
    first = len(on_due_days) - int(loaded.sum())
    past = on_due_days[:first]
    low, high = _range(past, policy.range_spreads)
    changes, runs = np.abs(np.diff(on_due_days, axis=0, prepend=np.nan)), _run_lengths(on_due_days)
    swings = _swings(on_due_days)
    (usual_change,) = _quantiles(changes[:first], [1 - _TAIL])
    enough = np.isfinite(swings[:first]).sum(axis=0) >= MIN_HISTORY_DAYS
    least_swing = np.fmin.reduce(swings[:first], axis=0, initial=np.nan)
    is_expected = _is_due(values, days, is_due, policy.grace_days)
    if moment is not None:
        is_expected &= (days[HISTORY_DAYS:] <= np.datetime64(due.newest_complete(moment)))[:, None]
    shape = (len(loaded), values.shape[1])

    def of_days(measured: npt.NDArray[np.generic], closed: float) -> npt.NDArray[np.generic]:
        found = np.full(shape, closed, dtype=measured.dtype)
        found[loaded] = measured[first:]
        return found

    return {
        "low": np.broadcast_to(low, shape),
        "high": np.broadcast_to(high, shape),
        "change": of_days(changes, np.nan),
        # A series that never moved has no scale to measure by.
        "max_change": np.broadcast_to(np.where(usual_change > 0, usual_change, np.nan) * policy.change_factor, shape),
        "flat_days": of_days(runs, 0),
        "max_flat_days": np.broadcast_to(np.maximum(runs[:first].max(axis=0, initial=0), policy.flat_days), shape),
        # A week of one value is a flat line, which has its own limit.
        "swing": of_days(np.where(swings > 0, swings, np.nan), np.nan),
        "min_swing": np.broadcast_to(policy.min_swing * np.where(enough, least_swing, np.nan), shape),
        "is_due": is_expected,
    }


def _on_grid(rows: pd.DataFrame, names: list[str], days: Days) -> Floats:
    rows = rows[rows["unique_id"].isin(names)]
    values = np.full((len(days), len(names)), np.nan)
    day = (rows["ds"].to_numpy().astype("datetime64[D]") - days[0]).astype(np.int64)
    values[day, np.searchsorted(names, rows["unique_id"].to_numpy(dtype=str))] = rows["y"].to_numpy()
    return values


def _quantiles(values: Floats, shares: list[float]) -> Floats:
    """Of each column with at least 91 numbers, NaN of the others; shape (len(shares), S)."""
    enough = np.isfinite(values).sum(axis=0) >= MIN_HISTORY_DAYS
    found = np.full((len(shares), values.shape[1]), np.nan)
    found[:, enough] = np.nanquantile(values[:, enough], shares, axis=0)
    return found


def _range(past: Floats, spreads: float) -> tuple[Floats, Floats]:
    low, high = _quantiles(past, [_TAIL, 1 - _TAIL])
    # A series that never moved has no scale to measure by.
    spread = np.where(high > low, high - low, np.nan)
    return low - spreads * spread, high + spreads * spread


def _run_lengths(values: Floats) -> npt.NDArray[np.int64]:
    """How many equal values in a row end with each; 0 where there is no value."""
    # NaN equals nothing, itself included: a missing day ends a run.
    runs = np.isfinite(values).astype(np.int64)
    for day in range(1, len(values)):
        runs[day] += np.where(values[day] == values[day - 1], runs[day - 1], 0)
    return runs


def _swings(values: Floats) -> Floats:
    """Largest minus smallest of the last seven values; NaN where fewer than four of them are known."""
    if len(values) < SWING_DAYS:
        return np.full_like(values, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(values, SWING_DAYS, axis=0)
    enough = np.isfinite(windows).sum(axis=-1) >= MIN_SWING_VALUES
    swings = np.full_like(values, np.nan)
    swings[SWING_DAYS - 1 :] = np.where(enough, np.fmax.reduce(windows, -1) - np.fmin.reduce(windows, -1), np.nan)
    return swings


def _is_due(values: Floats, days: Days, is_due: npt.NDArray[np.bool_], grace_days: int) -> npt.NDArray[np.bool_]:
    """Whether a value of each loaded day should be there; shape (T, S).

    The newest 13 weeks of the past had nearly all due days of its weekday. None of the newest days is expected yet.
    """
    # 13 whole weeks: the first of them begins with the weekday that the loaded days begin with.
    newest = slice(HISTORY_DAYS - 7 * DUE_WEEKS, HISTORY_DAYS)
    due_weeks = is_due[newest].reshape(DUE_WEEKS, 7, 1)
    weeks = np.isfinite(values[newest]).reshape(DUE_WEEKS, 7, values.shape[1]) & due_weeks
    count = due_weeks.sum(axis=0)
    of_weekday = (weeks.sum(axis=0) / np.maximum(count, 1) >= 0.9) & (count > 0)
    expected = of_weekday[np.arange(len(days) - HISTORY_DAYS) % 7] & is_due[HISTORY_DAYS:, None]
    expected[max(len(expected) - grace_days, 0) :] = False
    return np.asarray(expected)
