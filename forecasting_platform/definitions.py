"""The composition root: everything that Dagster serves, in the order in which a day of data moves."""

from collections.abc import Mapping
from typing import Any, cast

import dagster as dg

from forecasting_platform.errors import ConfigurationError
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
    asset_jobs,
    forecast_job,
    load_job,
    promotion_job,
    rollback_job,
    training_job,
)
from forecasting_platform.orchestration.mounting.copies import copied_assets, copied_sensor
from forecasting_platform.orchestration.mounting.given_settings import MountedSettings, mounted
from forecasting_platform.orchestration.names import part_name
from forecasting_platform.orchestration.partitions import partition_by
from forecasting_platform.orchestration.resources import build_resources
from forecasting_platform.orchestration.retention import mounted_retention_job, retention_job, retention_sensor
from forecasting_platform.orchestration.retraining import retraining_sensor
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


SENSORS = [promotion_sensor, forecast_sensor, alert_sensor, run_failure_sensor, retention_sensor, retraining_sensor]


def build_definitions(
    *,
    name: str = "",
    settings: Settings | None = None,
    environment: Mapping[str, str] | None = None,
    resources: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """All definitions of a platform.

    Args:
        name: of a platform that is mounted beside others in one code location: it is in front of every key and name.
        settings: by default those of the process's environment, and then there is no name.
        environment: of a mounted platform the environment variable of each setting that is read when a run starts, such
            as a password.
        resources: in the place of those of the same key.

    Raises:
        ConfigurationError: a setting cannot be used, or a mounted platform is given none.
    """
    if name:
        return _mounted_definitions(name, settings, environment or {}, resources or {})
    settings = with_covariates(settings or Settings())
    return dg.Definitions(
        assets=catalogued(settings, partition_by(settings, ASSETS)),
        asset_checks=[*CHECKS, *raw_observations_checks.feed_checks(names_of_several_feeds(settings))],
        jobs=[load_job, training_job, promotion_job, rollback_job, forecast_job, retention_job],
        schedules=build_schedules(settings),
        sensors=[build_reconcile_sensor(settings), *SENSORS],
        resources=build_resources(settings, resources),
        # A step must end with its run: an orphan of a killed worker would materialize under a failed run.
        executor=dg.in_process_executor,
    )


def _mounted_definitions(
    name: str, settings: Settings | None, environment: Mapping[str, str], resources: Mapping[str, Any]
) -> dg.Definitions:
    if settings is None:
        problem = "needs settings of its own: the process's environment is not read for a mounted platform"
        raise ConfigurationError(name, problem)
    settings = mounted(name, with_covariates(settings))
    checks = [*CHECKS, *raw_observations_checks.feed_checks(names_of_several_feeds(settings))]
    found = build_resources(MountedSettings.of(settings, environment), resources)
    return dg.Definitions(
        assets=copied_assets(name, catalogued(settings, partition_by(settings, ASSETS))),
        asset_checks=cast("list[dg.AssetChecksDefinition]", copied_assets(name, checks)),
        # Each job has its executor, and the project keeps its own.
        jobs=[*asset_jobs(name, dg.in_process_executor), mounted_retention_job(name)],
        schedules=build_schedules(settings),
        sensors=[build_reconcile_sensor(settings), *(copied_sensor(name, sensor) for sensor in SENSORS)],
        resources={part_name(name, key): resource for key, resource in found.items()},
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: built when it is loaded, so that importing this module reads no environment."""
    return build_definitions()
