"""Forecasts that the app answered, matched with their actuals. Answering and logging belong to `serve`."""

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.steps_ahead import STEP_BUCKETS, bucket_of
from forecasting_platform.forecasting.series.frames import PREDICTION_ERRORS

ACCURACY_COLUMNS = ["unique_id", "model_version", "days_ahead", "forecasts", "answers", "bias", "rmse", "mae"]


def match_predictions(log: pd.DataFrame, versions: pd.DataFrame) -> pd.DataFrame:
    """Each distinct forecast that was answered, with its actual: rows of `PREDICTION_ERRORS`.

    Args:
        log: rows of `PREDICTION_LOG`. Answers to a client's own input rows are left out: they are hypothetical.
        versions: every version of the days' values, rows of `OBSERVATIONS`; a day without one has no error yet.
    """
    answered = (
        log[~log["given_inputs"]]
        .groupby(["unique_id", "cutoff", "ds", "model_version", "y_hat"], as_index=False)
        .agg(answers=("request_id", "size"), first_served_at=("served_at", "min"), last_served_at=("served_at", "max"))
    )
    by_age = versions.sort_values("available_at", kind="stable").groupby(["unique_id", "ds"], as_index=False)
    actuals = by_age.agg(y=("y", "last"), known_at=("available_at", "first"))
    matched = answered.merge(actuals, on=["unique_id", "ds"])
    return PREDICTION_ERRORS.conform(
        matched.assign(
            step=(matched["ds"] - matched["cutoff"]).dt.days,
            error=matched["y_hat"] - matched["y"],
            before_actual=matched["first_served_at"] < matched["known_at"],
        )[PREDICTION_ERRORS.column_names]
    )


def prediction_accuracy(errors: pd.DataFrame) -> pd.DataFrame:
    """How far answered forecasts were off: one row a series, model version and group of days ahead, in this order.

    Args:
        errors: rows of `PREDICTION_ERRORS`; only forecasts answered before the day's value was known count, each once
            however often it was answered.

    Returns:
        `days_ahead` is one of `STEP_BUCKETS`; `forecasts` and `answers` are numbers of them; `bias` (mean of
        `y_hat - y`), `rmse` and `mae` are in the unit of the series. Empty without such forecasts.
    """
    ahead = errors[errors["before_actual"]]
    buckets = [STEP_BUCKETS[bucket] for bucket in bucket_of(ahead["step"].to_numpy())]
    groups = ahead.groupby(["unique_id", "model_version", pd.Series(buckets, ahead.index, dtype=object)], sort=True)
    rows = [(*key, len(group), group["answers"].sum(), *_measures(group["error"])) for key, group in groups]
    return pd.DataFrame(rows, columns=ACCURACY_COLUMNS)


def _measures(error: "pd.Series[float]") -> tuple[float, float, float]:
    return float(error.mean()), float(np.sqrt((error**2).mean())), float(error.abs().mean())
