"""Tables of series cut to what a person reads: every row of few series; of many the worst ten, and quantiles of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np
import pandas as pd

MAX_SERIES = 10
"""So many are shown one by one."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a table of series.

    Attributes:
        rows: those of every series where they are few, else those of the worst, in the table's order.
        quantiles: of each column of numbers over all series, a row each of `QUANTILES`; empty where they are few.
    """

    rows: pd.DataFrame
    quantiles: pd.DataFrame


def show_series(rows: pd.DataFrame, worst: Sequence[str], by: Sequence[str] = ()) -> Shown:
    """The rows of some series and the quantiles of all, where these are more than `MAX_SERIES`.

    Args:
        rows: with a column `unique_id`.
        worst: the series to show, the worst first; more than `MAX_SERIES` are cut.
        by: columns whose values each have quantiles of their own, such as a window of days.
    """
    if rows["unique_id"].nunique() <= MAX_SERIES:
        return Shown(rows, pd.DataFrame())
    shown = rows[rows["unique_id"].isin(list(worst)[:MAX_SERIES])].reset_index(drop=True)
    return Shown(shown, _quantiles(rows, list(by)))


def _quantiles(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    numbers = [name for name in rows.select_dtypes(["number"]).columns if name not in by]
    groups = rows.groupby(by, sort=True) if by else [((), rows)]
    found = [
        {**dict(zip(by, key, strict=True)), "quantile": q, "series": of["unique_id"].nunique(), **row}
        for key, of in groups
        for q, row in zip(QUANTILES, of[numbers].quantile(list(QUANTILES)).to_dict("records"), strict=True)
    ]
    return pd.DataFrame(found)


def worst_by(unique_ids: "pd.Series[str]", badness: "pd.Series[float]") -> list[str]:
    """The series, the one with the largest number first; each by its largest, those without one last.

    >>> worst_by(pd.Series(["a", "b", "b", "c"]), pd.Series([2.0, 1.0, 3.0, np.nan]))
    ['b', 'a', 'c']
    """
    largest = badness.astype(np.float64).groupby(unique_ids).max()
    return [str(name) for name in largest.sort_values(ascending=False, kind="stable", na_position="last").index]


def worst_by_mase(series: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The series of a model's metadata, the largest MASE of its backtest first; those without one last.

    >>> worst_by_mase({"a": {"scores": {"mase": 1.0}}, "b": {"scores": {"mase": None}}, "c": {"scores": {"mase": 2.0}}})
    ['c', 'a', 'b']
    """
    return sorted(series, key=lambda name: -_mase(series[name]))


def _mase(of: Mapping[str, Any]) -> float:
    mase = of["scores"]["mase"]
    return mase if mase is not None and isfinite(mase) else -inf
