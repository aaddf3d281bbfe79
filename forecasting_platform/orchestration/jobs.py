"""The jobs: what a schedule, a sensor, a command or a person can start."""

import dagster as dg

from forecasting_platform.orchestration.assets.champion_model import champion_model
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.assets.forecast_errors import forecast_errors
from forecasting_platform.orchestration.assets.forecasts import forecasts
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.assets.trained_model import trained_model

load_job = dg.define_asset_job(
    "load_job",
    selection=[raw_observations, feature_table],
    description="Load a range of days from the feed and build their features.",
)
training_job = dg.define_asset_job(
    "training_job",
    selection=[trained_model],
    description="Train on everything known and register the version as challenger.",
)
promotion_job = dg.define_asset_job(
    "promotion_job",
    selection=[champion_model],
    description="Evaluate challenger against champion, record the decision, and move the alias if it says so.",
)
rollback_job = dg.define_asset_job(
    "rollback_job",
    selection=[champion_model],
    config={"ops": {"champion_model": {"config": {"action": "rollback", "reason": ""}}}},
    description="Serve the previous champion again, or the version named; say why in the launchpad.",
)
forecast_job = dg.define_asset_job(
    "forecast_job",
    selection=[forecasts, forecast_errors],
    description="Issue the champion's forecasts of a range of cutoffs and match earlier ones with actuals.",
)
