"""A backtest as frames: its scores by series and steps ahead, and its forecasts. Whether it is better is in `rule`."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.intervals import WalkForward
from forecasting_platform.forecasting.models.steps_ahead import TRAINED_BUCKETS
from forecasting_platform.forecasting.models.training.backtest import Backtest
from forecasting_platform.forecasting.models.training.scores import series_scores
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features.panel import Panel
from forecasting_platform.forecasting.series.frames import LEVELS

ALL_STEPS = "all"
_MEASURES = ("rmse", "mae", "mase", "bias", "skill_naive", "skill_seasonal_naive")


def backtest_scores(results: Backtest, panel: Panel, intervals: WalkForward) -> pd.DataFrame:
    """Scores of what would have been served.

    Returns:
        One row for each series and group of steps, the last group being all of them: `unique_id`, `steps`, `forecasts`
        (how many have an actual), RMSE, MAE and `bias` (mean of `y_hat - y`) in the unit of the series, MASE, the
        skills as 1 - RMSE / RMSE of the naive forecasts, and coverage of the intervals as shares. NaN where nothing is
        known.
    """
    horizon = results.y.shape[2]
    groups = {name: steps for name, steps in TRAINED_BUCKETS.items() if steps.start < horizon}
    frames = [_scores_of(results, panel, intervals, *group) for group in [*groups.items(), (ALL_STEPS, slice(None))]]
    order = {unique_id: place for place, unique_id in enumerate(results.unique_ids)}
    joined = pd.concat(frames, ignore_index=True)
    return joined.sort_values("unique_id", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _scores_of(results: Backtest, panel: Panel, intervals: WalkForward, name: str, steps: slice) -> pd.DataFrame:
    errors = np.full(results.y.shape, np.nan)
    errors[:, :, steps] = results.served_errors[:, :, steps]
    (scores,) = series_scores(results, panel, [errors])
    known = np.isfinite(errors[:, results.scored]).sum(axis=(1, 2))
    frame = pd.DataFrame({"unique_id": results.unique_ids, "steps": name, "forecasts": known})
    for measure in _MEASURES:
        frame[measure] = [asdict(each)[measure] for each in scores]
    for position, level in enumerate(LEVELS):
        frame[f"coverage_{level}"] = _share(intervals.inside[:, :, steps, position])
    return frame


def _share(inside: Floats) -> Floats:
    count = np.isfinite(inside).sum(axis=(1, 2))
    return np.where(count > 0, np.nansum(inside, axis=(1, 2)) / np.maximum(count, 1), np.nan)


def backtest_forecasts(results: Backtest) -> pd.DataFrame:
    """What would have been served, and each candidate's forecast, where the actual is known.

    Returns:
        `unique_id`, `cutoff`, `ds`, `y`, `y_hat`, then a column for each candidate by its name; ordered by the first
        three. Cutoffs before the first evaluation, where no weights were known yet, are left out.
    """
    served = np.einsum("ksch,sck->sch", results.y_hat, results.weights)
    series, cutoff, step = np.nonzero(np.isfinite(served) & np.isfinite(results.y))
    days = results.cutoffs[cutoff]
    of_each = zip(results.candidates, results.y_hat, strict=True)
    columns = {name: y_hat[series, cutoff, step] for name, y_hat in of_each}
    return pd.DataFrame(
        {
            "unique_id": np.array(results.unique_ids, dtype=object)[series],
            "cutoff": days.astype("datetime64[ns]"),
            "ds": (days + step + 1).astype("datetime64[ns]"),
            "y": results.y[series, cutoff, step],
            "y_hat": served[series, cutoff, step],
        }
        | columns
    )
