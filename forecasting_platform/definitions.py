"""The composition root: everything that Dagster serves, in the order in which a day of data moves."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from forecasting_platform.feed_wiring import names_of_several_feeds, with_covariates
from forecasting_platform.orchestration.assets.champion_model import champion_model
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.assets.forecast_errors import forecast_errors
from forecasting_platform.orchestration.assets.forecasts import forecasts
from forecasting_platform.orchestration.assets.raw_observations import raw_observations
from forecasting_platform.orchestration.assets.trained_model import trained_model
from forecasting_platform.orchestration.catalog.entries import catalogued
from forecasting_platform.orchestration.checks import champion_model as champion_model_checks
from forecasting_platform.orchestration.checks import feature_table as feature_table_checks
from forecasting_platform.orchestration.checks import forecast_errors as forecast_errors_checks
from forecasting_platform.orchestration.checks import forecasts as forecasts_checks
from forecasting_platform.orchestration.checks import raw_observations as raw_observations_checks
from forecasting_platform.orchestration.checks import trained_model as trained_model_checks
from forecasting_platform.orchestration.jobs import (
    forecast_job,
    load_job,
    promotion_job,
    rollback_job,
    training_job,
)
from forecasting_platform.orchestration.partitions import partition_by
from forecasting_platform.orchestration.resources import build_resources
from forecasting_platform.orchestration.retention import retention_job, retention_sensor
from forecasting_platform.orchestration.schedules import build_schedules
from forecasting_platform.orchestration.sensors import (
    alert_sensor,
    build_reconcile_sensor,
    forecast_sensor,
    promotion_sensor,
    run_failure_sensor,
)
from forecasting_platform.settings import Settings

ASSETS = [raw_observations, feature_table, trained_model, champion_model, forecasts, forecast_errors]

CHECKS = dg.load_asset_checks_from_modules(
    [
        raw_observations_checks,
        feature_table_checks,
        trained_model_checks,
        champion_model_checks,
        forecasts_checks,
        forecast_errors_checks,
    ]
)


def build_definitions(
    *, settings: Settings | None = None, resources: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """All definitions, by the settings (the environment's, by default); `resources` replace those of the same key."""
    settings = with_covariates(settings or Settings())
    return dg.Definitions(
        assets=catalogued(settings, partition_by(settings, ASSETS)),
        asset_checks=[*CHECKS, *raw_observations_checks.feed_checks(names_of_several_feeds(settings))],
        jobs=[load_job, training_job, promotion_job, rollback_job, forecast_job, retention_job],
        schedules=build_schedules(settings),
        sensors=[
            build_reconcile_sensor(settings),
            promotion_sensor,
            forecast_sensor,
            alert_sensor,
            run_failure_sensor,
            retention_sensor,
        ],
        resources={**build_resources(settings), **(resources or {})},
        # A step must end with its run: an orphan of a killed worker would materialize under a failed run.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: built when it is loaded, so that importing this module reads no environment."""
    return build_definitions()
