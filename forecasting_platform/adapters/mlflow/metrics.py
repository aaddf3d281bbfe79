"""A model's scores as MLflow metrics: means over all series, and each series' own; of many series quantiles and the
worst ten, since a server takes at most a thousand metrics at once and a person reads fewer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecasting_platform.adapters.mlflow.metric_names import MEAN, metric_prefix, quantile_prefix
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.reports.many_series import MAX_SERIES, QUANTILES, worst_by_mase

_Measured = Mapping[str, Mapping[str, float | None]]


def model_metrics(model: ForecastModel) -> dict[str, float]:
    """Scores and coverage of what is served."""
    described = model.metadata.get("series", {})
    measured = {
        unique_id: _scores(series["scores"])
        | {f"coverage_{level}": share for level, share in series["coverage"].items()}
        for unique_id, series in described.items()
    }
    return _metrics(measured, shown_series(described))


def candidate_metrics(name: str, described: Mapping[str, Any]) -> dict[str, float]:
    """Weight and scores of a candidate, had it served alone; of the same series as `model_metrics`.

    Args:
        described: the records of the model's series.
    """
    measured = {
        unique_id: {"weight": series["weights"][name], **_scores(series["candidates"][name])}
        for unique_id, series in described.items()
    }
    return _metrics(measured, shown_series(described))


def shown_series(described: Mapping[str, Any]) -> list[str]:
    """The series with metrics of their own: all where they are few, else the worst."""
    return list(described) if len(described) <= MAX_SERIES else worst_by_mase(described)[:MAX_SERIES]


def _scores(scores: Mapping[str, Any]) -> dict[str, float | None]:
    names = ("rmse", "mae", "mase", "bias", "skill_naive", "skill_seasonal_naive")
    buckets = {f"rmse_{steps}": value for steps, value in scores["rmse_by_bucket"].items()}
    return {name: scores[name] for name in names} | buckets


def _metrics(measured: _Measured, shown: Sequence[str]) -> dict[str, float]:
    metrics = {}
    for name in next(iter(measured.values()), {}):
        known = [value for of in measured.values() if (value := of[name]) is not None]
        if known:
            metrics[f"{MEAN}/{name}"] = sum(known) / len(known)
        if known and len(measured) > MAX_SERIES:
            at = np.quantile(known, QUANTILES).tolist()
            metrics |= {f"{quantile_prefix(q)}/{name}": value for q, value in zip(QUANTILES, at, strict=True)}
    for unique_id in shown:
        prefix = metric_prefix(unique_id)
        metrics |= {f"{prefix}/{name}": value for name, value in measured[unique_id].items() if value is not None}
    return metrics
