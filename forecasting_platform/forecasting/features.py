"""`feature_table`: what was known of a series at the end of a day.

Every feature of day t depends on the last 364 days up to and including t, and on nothing else: not
on the range it is built in, not on any later day. Days without an observation are left out of each
mean rather than filled, and have no row of their own.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting_platform.forecasting.calendar import Days, Floats, is_holiday, is_year_end
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.frames import FEATURE_NAMES, FEATURE_TABLE, LAGS, LEVEL_SMOOTHINGS, MEAN_WINDOWS

WINDOW_DAYS = max(MEAN_WINDOWS)
"""Days that a feature row looks at, its own day included."""

WEEKDAY_WEEKS = 13


def observations_period(period: DateRange) -> DateRange:
    """The days whose observations the features of `period` depend on.

    >>> from datetime import date
    >>> str(observations_period(DateRange(date(2023, 7, 1), date(2023, 7, 2))))
    '2022-07-03..2023-07-02'
    """
    return DateRange(period.start - timedelta(days=WINDOW_DAYS - 1), period.end)


def build_features(observations: pd.DataFrame, period: DateRange, country: str) -> pd.DataFrame:
    """The rows of `FEATURE_TABLE` for the observed days of `period`.

    Args:
        observations: `unique_id`, `ds`, `y`, one row per series and day; those of
            `observations_period(period)` decide, others are ignored.
        country: whose holidays are flagged.

    Returns:
        One row per observed day, ordered by `unique_id`, `ds`; empty where nothing was observed.
    """
    window = observations_period(period)
    days = np.arange(np.datetime64(window.start, "D"), np.datetime64(window.end, "D") + 1)
    inside = observations[observations["ds"].between(pd.Timestamp(window.start), pd.Timestamp(window.end))]
    tables = [
        _series_features(str(unique_id), _on_grid(rows, days), days, country)
        for unique_id, rows in inside.groupby("unique_id", sort=True)
    ]
    kept = [table for table in tables if len(table)]
    return FEATURE_TABLE.conform(pd.concat(kept) if kept else FEATURE_TABLE.empty(), period)


def _on_grid(rows: pd.DataFrame, days: Days) -> Floats:
    values = np.full(len(days), np.nan)
    values[(rows["ds"].to_numpy().astype("datetime64[D]") - days[0]).astype(np.int64)] = rows["y"].to_numpy()
    return values


def _series_features(unique_id: str, values: Floats, days: Days, country: str) -> pd.DataFrame:
    windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW_DAYS)
    asked = days[WINDOW_DAYS - 1 :]
    observed = np.isfinite(windows[:, -1])
    features = _window_features(windows[observed])
    table = pd.DataFrame(features, columns=list(FEATURE_NAMES[:-2]))
    table.insert(0, "unique_id", unique_id)
    table.insert(1, "ds", asked[observed].astype("datetime64[ns]"))
    table["is_holiday"] = is_holiday(asked[observed], country)
    table["is_year_end"] = is_year_end(asked[observed])
    table["observed_days"] = np.isfinite(windows[observed]).sum(axis=1)
    return table


def _window_features(windows: Floats) -> Floats:
    known = np.isfinite(windows)
    values = np.where(known, windows, 0.0)
    sums, counts = _products(_WEIGHTS, values), _products(_WEIGHTS, known.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(counts > 0, sums / counts, np.nan)
    lags, trailing, weekdays, levels = np.split(means, _SECTIONS, axis=1)
    # A lag that was never observed is best guessed by the mean of its week.
    lags = np.where(np.isfinite(lags), lags, trailing[:, :1])
    effects = np.nan_to_num(weekdays - trailing[:, [_EFFECT_WINDOW]], nan=0.0)
    shares = _products(_WEEKDAY_LEVEL_WEIGHTS, known.astype(np.float64)).reshape(len(known), 7, len(LEVEL_SMOOTHINGS))
    shares /= counts[:, None, _SECTIONS[-1] :]
    adjusted = levels - np.einsum("na,nas->ns", effects, shares)
    return np.hstack([lags, trailing, effects, adjusted])


def _products(weights: Floats, windows: Floats) -> Floats:
    # One product a row: the order in which BLAS adds depends on how many rows it is given at once, and
    # a feature may not depend on the range it is built in, not even in its last bit.
    products: Floats = (weights @ windows[:, :, None])[:, :, 0]
    return products


def _means(days_back: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
    weights = np.zeros((len(days_back), WINDOW_DAYS))
    for row, back in enumerate(days_back):
        weights[row, WINDOW_DAYS - 1 - np.array(list(back))] = 1.0
    return weights


def _smoothings() -> npt.NDArray[np.float64]:
    weights: npt.NDArray[np.float64] = (1 - np.array(LEVEL_SMOOTHINGS)[:, None]) ** _BACK
    return weights


_BACK = np.arange(WINDOW_DAYS - 1, -1, -1)
# Days back of the weekday that comes `ahead` days after the cutoff, in each of the last weeks.
_WEEKDAY_BACK = [[7 * week - ahead for week in range(1, WEEKDAY_WEEKS + 1)] for ahead in range(1, 8)]
_EFFECT_WINDOW = MEAN_WINDOWS.index(7 * WEEKDAY_WEEKS)
_LEVEL_WEIGHTS = _smoothings()
_WEIGHTS = np.vstack(
    [
        _means([[0], *([lag] for lag in LAGS)]),
        _means([range(days) for days in MEAN_WINDOWS]),
        _means(_WEEKDAY_BACK),
        _LEVEL_WEIGHTS,
    ]
)
_SECTIONS = np.cumsum([1 + len(LAGS), len(MEAN_WINDOWS), 7]).tolist()
# The part of each level's weights that lies on the weekday that comes `ahead` days after the cutoff.
_WEEKDAY_LEVEL_WEIGHTS = np.vstack([_LEVEL_WEIGHTS * ((_BACK + ahead) % 7 == 0) for ahead in range(1, 8)])
