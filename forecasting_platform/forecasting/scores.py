"""Scores of forecasts, each from arrays of errors. NaN marks what is not known and is left out."""

from dataclasses import dataclass

import numpy as np

from forecasting_platform.forecasting.backtesting import Backtest
from forecasting_platform.forecasting.calendar import Floats
from forecasting_platform.forecasting.panel import Panel

STEP_BUCKETS: dict[str, slice] = {"1-3": slice(0, 3), "4-7": slice(3, 7), "8-15": slice(7, 15)}


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


@dataclass(frozen=True, slots=True)
class SeriesScores:
    """Scores of one option on one series over the scored cutoffs of a backtest."""

    rmse: float
    mae: float
    mase: float
    bias: float
    rmse_by_bucket: dict[str, float]
    skill_naive: float
    skill_seasonal_naive: float


def series_scores(results: Backtest, panel: Panel, series: int, errors: Floats) -> SeriesScores:
    """Scores of one series.

    Args:
        series: its position.
        errors: `y - y_hat`; shape (C, horizon).

    Returns:
        `bias` is the mean of `y_hat - y`: positive means too high. A skill is 1 - RMSE / RMSE of the
        naive forecast on the same cells: positive means better. NaN where it is not defined.
    """
    scored = errors[results.scored]
    rmse = root_mean_square(scored)
    before = panel.days < results.cutoffs[results.scored].min() if results.scored.any() else panel.observed[series]
    return SeriesScores(
        rmse=rmse,
        mae=mean_absolute(scored),
        mase=mean_absolute(scored) / seasonal_scale(panel.y[series, before]),
        bias=-float(np.nanmean(scored)) if np.isfinite(scored).any() else float("nan"),
        rmse_by_bucket={name: root_mean_square(scored[:, steps]) for name, steps in STEP_BUCKETS.items()},
        skill_naive=_skill(scored, _baseline_errors(results, panel, series, "naive")),
        skill_seasonal_naive=_skill(scored, _baseline_errors(results, panel, series, "seasonal_naive")),
    )


def _skill(errors: Floats, baseline: Floats) -> float:
    both = np.isfinite(errors) & np.isfinite(baseline)
    against = root_mean_square(baseline[both])
    return 1 - root_mean_square(errors[both]) / against if against > 0 else float("nan")


def _baseline_errors(results: Backtest, panel: Panel, series: int, baseline: str) -> Floats:
    return naive_errors(results, panel, baseline, slice(series, series + 1))[0][results.scored]


def naive_errors(results: Backtest, panel: Panel, baseline: str, series: slice = slice(None)) -> Floats:
    """Errors of the naive or seasonal naive forecast at a backtest's cutoffs; shape (S, C, horizon).

    Computed from the panel, so that every recipe is compared with them, whether it offers them or not.

    Args:
        series: those wanted; all by default.
    """
    horizon = results.y.shape[2]
    at = (results.cutoffs - panel.days[0]).astype(np.int64)
    steps = np.arange(1, horizon + 1)
    back = np.zeros(horizon, dtype=np.int64) if baseline == "naive" else 6 - (steps - 1) % 7
    positions = at[:, None] - back
    values = np.where(positions >= 0, panel.y[series][:, np.maximum(positions, 0)], np.nan)
    errors: Floats = results.y[series] - values
    return errors
