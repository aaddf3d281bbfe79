"""Scores of forecasts, each from arrays of errors. NaN marks what is not known and is left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.steps_ahead import TRAINED_BUCKETS
from forecasting_platform.forecasting.models.training.backtest import Backtest
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features.panel import Panel


def root_mean_square(errors: Floats) -> float:
    """RMSE; NaN without any known error.

    >>> root_mean_square(np.array([3.0, -4.0, np.nan]))
    3.5355339059327378
    """
    known = errors[np.isfinite(errors)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")


def mean_absolute(errors: Floats) -> float:
    """MAE; NaN without any known error."""
    known = errors[np.isfinite(errors)]
    return float(np.mean(np.abs(known))) if len(known) else float("nan")


def seasonal_scale(values: Floats) -> float:
    """Mean absolute weekly change of a series: the denominator of MASE (Hyndman & Koehler 2006,
    doi:10.1016/j.ijforecast.2006.03.001); NaN for a constant or too short series.
    """
    scale = mean_absolute(values[7:] - values[:-7])
    return scale if scale > 0 else float("nan")


BASELINES = ("naive", "seasonal_naive")


@dataclass(frozen=True, slots=True)
class SeriesScores:
    """Scores of one candidate on one series over the scored cutoffs of a backtest.

    `bias` is the mean of `y_hat - y`: positive means too high. A skill is 1 - RMSE / RMSE of the naive forecast on
    the same cells: positive means better. NaN where it is not defined.
    """

    rmse: float
    mae: float
    mase: float
    bias: float
    rmse_by_bucket: dict[str, float]
    skill_naive: float
    skill_seasonal_naive: float


def series_scores(results: Backtest, panel: Panel, candidates: Sequence[Floats]) -> list[list[SeriesScores]]:
    """Scores of each series by some candidates.

    Args:
        candidates: the errors `y - y_hat` of each; shape (S, C, horizon).

    Returns:
        One list a candidate, in it one a series.
    """
    baselines = [naive_errors(results, panel, name)[:, results.scored] for name in BASELINES]
    # The denominators of MASE, from the days before the first scored cutoff.
    first = results.cutoffs[results.scored].min(initial=panel.days[-1] + 1)
    scales = [seasonal_scale(y[panel.days < first]) for y in panel.targets]
    return [_scores_of(errors[:, results.scored], baselines, scales) for errors in candidates]


def _scores_of(errors: Floats, baselines: Sequence[Floats], scales: list[float]) -> list[SeriesScores]:
    # Sums over zeros and counts instead of `nanmean`, which would warn of each series without an error.
    known = np.isfinite(errors)
    found = np.where(known, errors, 0.0)
    count, squares = known.sum(axis=1), np.einsum("sch,sch->sh", found, found)
    mae = _ratio(np.abs(found).sum(axis=(1, 2)), count.sum(axis=1))
    columns = (
        np.sqrt(_ratio(squares.sum(axis=1), count.sum(axis=1))),
        mae,
        mae / scales,
        -_ratio(found.sum(axis=(1, 2)), count.sum(axis=1)),
        *(_skills(found, known, baseline) for baseline in baselines),
    )
    buckets = [
        np.sqrt(_ratio(squares[:, steps].sum(axis=1), count[:, steps].sum(axis=1)))
        for steps in TRAINED_BUCKETS.values()
    ]
    by_bucket = [dict(zip(TRAINED_BUCKETS, series.tolist(), strict=True)) for series in np.column_stack(buckets)]
    rows = np.column_stack(columns).tolist()
    return [
        SeriesScores(rmse, mae, mase, bias, of_bucket, skill, seasonal_skill)
        for (rmse, mae, mase, bias, skill, seasonal_skill), of_bucket in zip(rows, by_bucket, strict=True)
    ]


def _skills(found: Floats, known: npt.NDArray[np.bool_], baseline: Floats) -> Floats:
    # The same cells for both: a baseline that lacks the hard days would look good.
    both = known & np.isfinite(baseline)
    own, other = np.where(both, found, 0.0), np.where(both, baseline, 0.0)
    squares = [np.einsum("sch,sch->s", errors, errors) for errors in (own, other)]
    return 1 - np.sqrt(_ratio(squares[0], squares[1]))


def _ratio(total: Floats, count: Floats | npt.NDArray[np.int64]) -> Floats:
    """NaN where the count is 0 or the total has overflowed."""
    with np.errstate(over="ignore"):
        ratio: Floats = total / np.where(count > 0, count, 1)
    return np.where((count > 0) & np.isfinite(ratio), ratio, np.nan)


def naive_errors(results: Backtest, panel: Panel, baseline: str) -> Floats:
    """Errors of the naive or seasonal naive forecast at a backtest's cutoffs; shape (S, C, horizon).

    Computed from the panel, so that every recipe is compared with them, whether it offers them or not.
    """
    horizon = results.y.shape[2]
    at = (results.cutoffs - panel.days[0]).astype(np.int64)
    steps = np.arange(1, horizon + 1)
    # Days before the cutoff: none, or to the same weekday in the last week known.
    back = np.zeros(horizon, dtype=np.int64) if baseline == "naive" else 6 - (steps - 1) % 7
    positions = at[:, None] - back
    values = np.where(positions >= 0, panel.y[:, np.maximum(positions, 0)], np.nan)
    errors: Floats = results.y - values
    return errors
