"""Data quality of loaded days: the limits that each series' own past gives its values, and the days outside them.

Limits are made from the days before the loaded ones and from nothing else. The checks decide what a finding stops; the
suite that a person reads is an adapter's.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.errors import InvalidFrameError
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.date_range import DateRange
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
    observations: pd.DataFrame, history: pd.DataFrame, period: DateRange, policy: QualityPolicy = POLICY
) -> pd.DataFrame:
    """Each day of `period` of each series with a past, with the limits from that past.

    Args:
        observations: `unique_id`, `ds`, `y` of `period`, one row per series and day.
        history: the same of `history_period(period)`.

    Returns:
        `unique_id`, `ds` and `JUDGED_COLUMNS`, one row per series and day, ordered. `change` is the absolute
        difference from the day before; `flat_days` counts the equal days that end with this one; `swing` is the
        distance between the largest and the smallest value of the seven days that end with this one, NaN of equal ones;
        `is_due` says that a value should be there by now. Limits are NaN where the past is too short to give any.
    """
    # The past and the loaded days on one grid, so that changes and runs go on from one to the other.
    known = DateRange(period.start - timedelta(days=HISTORY_DAYS), period.end)
    names = sorted(history["unique_id"].unique())
    days = np.arange(np.datetime64(known.start, "D"), np.datetime64(known.end, "D") + 1)
    values = _on_grid(pd.concat([history, observations]), names, days)
    past, first = values[:HISTORY_DAYS], HISTORY_DAYS
    low, high = _range(past, policy.range_spreads)
    changes, runs = np.abs(np.diff(values, axis=0, prepend=np.nan)), _run_lengths(values)
    swings = _swings(values)
    (usual_change,) = _quantiles(changes[:first], [1 - _TAIL])
    enough = np.isfinite(swings[:first]).sum(axis=0) >= MIN_HISTORY_DAYS
    columns = {
        "y": values[first:],
        "low": low,
        "high": high,
        "change": changes[first:],
        # A series that never moved has no scale to measure by.
        "max_change": np.where(usual_change > 0, usual_change, np.nan) * policy.change_factor,
        "flat_days": runs[first:],
        "max_flat_days": np.maximum(runs[:first].max(axis=0), policy.flat_days),
        # A week of one value is a flat line, which has its own limit.
        "swing": np.where(swings > 0, swings, np.nan)[first:],
        "min_swing": policy.min_swing * np.where(enough, np.fmin.reduce(swings[:first], axis=0), np.nan),
        "is_due": _is_due(past, days, policy.grace_days),
    }
    shape = (len(period), len(names))
    rows = {name: np.broadcast_to(column, shape).T.ravel() for name, column in columns.items()}
    keys = {"unique_id": np.repeat(np.array(names, dtype=object), len(period)), "ds": np.tile(days[first:], len(names))}
    return pd.DataFrame(keys | rows).astype({"ds": "datetime64[ns]"})


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
    """How many equal days in a row end with each; 0 where there is no value."""
    # NaN equals nothing, itself included: a missing day ends a run.
    runs = np.isfinite(values).astype(np.int64)
    for day in range(1, len(values)):
        runs[day] += np.where(values[day] == values[day - 1], runs[day - 1], 0)
    return runs


def _swings(values: Floats) -> Floats:
    """Largest minus smallest of the last seven days; NaN where fewer than four of them have a value."""
    windows = np.lib.stride_tricks.sliding_window_view(values, SWING_DAYS, axis=0)
    enough = np.isfinite(windows).sum(axis=-1) >= MIN_SWING_VALUES
    swings = np.full_like(values, np.nan)
    swings[SWING_DAYS - 1 :] = np.where(enough, np.fmax.reduce(windows, -1) - np.fmin.reduce(windows, -1), np.nan)
    return swings


def _is_due(past: Floats, days: Days, grace_days: int) -> npt.NDArray[np.bool_]:
    """Whether the newest 13 weeks of the past had nearly all days of this weekday; not for the newest days."""
    weeks = np.isfinite(past[-7 * DUE_WEEKS :]).reshape(DUE_WEEKS, 7, -1)
    # 13 whole weeks: the first of them begins with the weekday that the loaded days begin with.
    due = weeks.mean(axis=0)[np.arange(len(days) - len(past)) % 7] >= 0.9
    due[max(len(due) - grace_days, 0) :] = False
    return np.asarray(due)
