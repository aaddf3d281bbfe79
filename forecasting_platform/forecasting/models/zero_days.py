"""Days on which a series is 0 because of a covariate: a shop sells nothing on a day that is known as closed.

The value of the covariate that says so is learned from the series' own days. A weighted sum of candidates is nearly 0
there; what was 0 without exception is forecast as 0, with an interval of no width.
"""

from collections.abc import Sequence

import numpy as np

from forecasting_platform.forecasting.models.candidates.candidate import Positions
from forecasting_platform.forecasting.models.candidates.pooled.pooled_columns import covariate_values
from forecasting_platform.forecasting.series.arrays import Flags, Floats
from forecasting_platform.forecasting.series.covariates.exogenous import Exogenous, KnownByTargetDay
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.panel import Panel
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES

MIN_ZERO_DAYS = 10
MAX_CHANCE = 1e-6
"""That all days with the value are 0 though it says nothing: a series that is often 0 needs more of them."""


def zero_columns(exogenous: Sequence[Exogenous], horizon: int) -> Positions:
    """Which exogenous column is the value on the day of each step, of the D covariates known by target day.

    Returns:
        Shape (1 + horizon, D), from the cutoff day itself on; -1 for none.
    """
    found, before = [np.empty((1 + horizon, 0), dtype=np.int64)], 0
    for declared in exogenous:
        count = len(declared.columns(horizon))
        if isinstance(declared, KnownByTargetDay):
            ahead = np.arange(1 + horizon)
            found.append(np.where(ahead < count, before + ahead, -1)[:, None])
        before += count
    return np.hstack(found)


def learn_zero_values(panel: Panel, columns: Positions) -> Floats:
    """The value of each covariate on whose days each series was always 0; shape (S, D), NaN for none.

    Args:
        panel: all that is known at the cutoff.
        columns: `zero_columns`.
    """
    values = np.full((len(panel.unique_ids), columns.shape[1]), np.nan)
    targets = panel.targets
    for series in np.flatnonzero((targets == 0).any(axis=1)) if columns.size else ():
        known = np.isfinite(targets[series])
        rows = panel.features[series, known][:, len(FEATURE_NAMES) + columns[0]]
        values[series] = [_zero_value(covariate, targets[series, known] == 0) for covariate in rows.T]
    return values


def _zero_value(covariate: Floats, is_zero: Flags) -> float:
    """The most frequent value on whose days all is 0, by more than chance; NaN if there is none.

    >>> _zero_value(np.tile([1.0, 1.0, 0.0], 20), np.tile([False, False, True], 20))
    0.0
    """
    known = np.isfinite(covariate)
    values, place, days = np.unique(covariate[known], return_inverse=True, return_counts=True)
    zeros = np.bincount(place, is_zero[known], len(values))
    # The share of zeros on the other days, as Laplace estimates it (rule of succession).
    elsewhere = (is_zero.sum() - zeros + 1) / (len(is_zero) - days + 2)
    is_proven = (zeros == days) & (days >= MIN_ZERO_DAYS) & (days * np.log(elsewhere) < np.log(MAX_CHANCE))
    return float(values[np.argmax(days * is_proven)]) if is_proven.any() else np.nan


def is_zero_day(values: Floats, step: Positions, zero_values: Floats, columns: Positions) -> Flags:
    """Whether each row's day is one on which its series is always 0; shape (n,).

    Args:
        values: `ModelInputs.values`; shape (n, …).
        step: days ahead; shape (n,).
        zero_values: `learn_zero_values` of each row's series; shape (n, D).
        columns: `zero_columns`.
    """
    if np.isnan(zero_values).all():
        return np.zeros(len(values), dtype=bool)
    return np.asarray((covariate_values(values, step, columns[1:]) == zero_values).any(axis=1))


def zero_block(block: InputBlock, zero_values: Floats, columns: Positions) -> Flags:
    """The same of every series, cutoff and step; shape (S, C, horizon)."""
    found = np.zeros(block.shape, dtype=bool)
    if np.isfinite(zero_values).any():
        for step in range(block.shape[2]):
            rows, series, cutoff = block.rows(step)
            found[series, cutoff, step] = is_zero_day(rows.values, rows.step, zero_values[series], columns)
    return found
