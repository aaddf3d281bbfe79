"""Checks of `trained_model`."""

import dagster as dg

from forecasting_platform.forecasting.series.lifetime import undecided_series
from forecasting_platform.orchestration.assets.trained_model import trained_model
from forecasting_platform.ports.model_registry import ModelRegistry


@dg.asset_check(asset=trained_model)
def trained_model_beats_naive(model_registry: dg.ResourceParam[ModelRegistry]) -> dg.AssetCheckResult:
    """In the backtest no deciding series is forecast worse than its naive forecast, within 5 %."""
    challenger = model_registry.version_at("challenger")
    if challenger is None:
        return dg.AssetCheckResult(passed=False, description="no version has the alias challenger")
    metadata = model_registry.load(challenger).metadata
    series, apart = metadata["series"], undecided_series(metadata)
    skills = {name: of["scores"]["skill_naive"] for name, of in series.items() if name not in apart}
    behind = {unique_id: skill for unique_id, skill in skills.items() if skill is not None and skill < -0.05}
    return dg.AssetCheckResult(
        passed=not behind,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"version {challenger.version}: {len(behind)} of {len(skills)} series are behind naive",
        metadata={"skill_against_naive": dg.MetadataValue.json(skills)},
    )
