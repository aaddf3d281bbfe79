"""Checks of `champion_model`."""

from datetime import timedelta

import dagster as dg
import numpy as np

from forecasting_platform.orchestration.assets.champion_model import champion_model
from forecasting_platform.ports.model_registry import ModelRegistry


@dg.asset_check(asset=champion_model)
def champion_model_loads_and_forecasts(model_registry: dg.ResourceParam[ModelRegistry]) -> dg.AssetCheckResult:
    """The champion can be loaded from the registry, its checksum holds, and its forecasts are finite."""
    champion = model_registry.version_at("champion")
    if champion is None:
        return dg.AssetCheckResult(passed=False, description="no version has the alias champion")
    model = model_registry.load(champion)
    first = model.feature_days.max().astype(object)
    forecasts = model.predict(model.inputs([first + timedelta(days=step) for step in range(1, model.horizon + 1)]))
    return dg.AssetCheckResult(
        passed=bool(np.isfinite(forecasts.y_hat).all()),
        description=f"version {champion.version} forecasts {len(model.unique_ids)} series",
        metadata={"model_version": champion.version, "forecasts": len(forecasts.y_hat)},
    )
