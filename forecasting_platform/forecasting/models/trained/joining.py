"""Joins models of some series into one of all."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from forecasting_platform.forecasting.models.trained.model import BY_SERIES, ForecastModel


def join_models(models: Sequence[ForecastModel]) -> ForecastModel:
    """One model of the series of several, one after the other; in everything else it is the first one."""
    arrays: dict[str, Any] = {name: np.concatenate([getattr(model, name) for model in models]) for name in BY_SERIES}
    return replace(
        models[0],
        unique_ids=tuple(unique_id for model in models for unique_id in model.unique_ids),
        candidates=tuple(type(fits[0]).join(fits) for fits in zip(*(of.candidates for of in models), strict=True)),
        **arrays,
    )
