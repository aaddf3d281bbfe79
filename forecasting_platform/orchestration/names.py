"""What the parts of a platform are called in Dagster: by their own names, or with the name of a mounted platform."""

import dagster as dg

ASSET_NAMES = ("raw_observations", "feature_table", "trained_model", "champion_model", "forecasts", "forecast_errors")
"""In the order in which a day of data moves."""
JOB_NAMES = ("load_job", "training_job", "promotion_job", "rollback_job", "forecast_job", "retention_job")
WATCHER_NAMES = (
    *("daily_load_schedule", "training_schedule", "reconcile_sensor", "promotion_sensor", "forecast_sensor"),
    *("alert_sensor", "run_failure_sensor", "retention_sensor", "retraining_sensor"),
)
"""The schedules and sensors."""


def asset_key(mount: str, *path: str) -> dg.AssetKey:
    """The key of an asset.

    >>> asset_key("", "feeds", "gas").to_user_string(), asset_key("north", "forecasts").to_user_string()
    ('feeds/gas', 'north/forecasts')
    """
    return dg.AssetKey([mount, *path] if mount else list(path))


def part_name(mount: str, name: str) -> str:
    """The name of a job, schedule, sensor, op, group, pool or resource.

    >>> part_name("", "load_job"), part_name("north", "load_job")
    ('load_job', 'north_load_job')
    """
    return f"{mount}_{name}" if mount else name


def tag_key(mount: str, name: str) -> str:
    """The key of a run's tag.

    >>> tag_key("", "why"), tag_key("north", "why")
    ('forecasting/why', 'north/why')
    """
    return f"{mount or 'forecasting'}/{name}"


def owns(mount: str, run: dg.DagsterRun) -> bool:
    """Whether a run is of this platform: by its job, or by an asset or check that it is about."""
    if run.job_name in {part_name(mount, name) for name in JOB_NAMES}:
        return True
    if run.asset_selection is None and run.asset_check_selection is None:
        return run.job_name == ALL_ASSETS
    selected = {*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())}
    return bool(selected & asset_keys(mount))


ALL_ASSETS = "__ASSET_JOB"
"""Dagster's own job of every asset."""


def asset_keys(mount: str) -> set[dg.AssetKey]:
    """The keys of the assets that a platform makes."""
    return {asset_key(mount, name) for name in ASSET_NAMES}
