"""The jobs: what a schedule, a sensor, a command or a person can start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from forecasting_platform.orchestration.names import asset_key, part_name


@dataclass(frozen=True, slots=True)
class _AssetJob:
    """A job of some assets and their checks.

    Attributes:
        config: of one of them, by its name.
    """

    name: str
    assets: tuple[str, ...]
    description: str
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_ASSET_JOBS = (
    _AssetJob(
        "load_job",
        ("raw_observations", "feature_table"),
        "Load a range of days from the feed and build their features.",
    ),
    _AssetJob(
        "training_job",
        ("trained_model",),
        "Train on everything known and register the version as challenger.",
    ),
    _AssetJob(
        "promotion_job",
        ("champion_model",),
        "Evaluate challenger against champion, record the decision, and move the alias if it says so.",
    ),
    _AssetJob(
        "rollback_job",
        ("champion_model",),
        "Serve the previous champion again, or the version named; say why in the launchpad.",
        {"champion_model": {"action": "rollback", "reason": ""}},
    ),
    _AssetJob(
        "forecast_job",
        ("forecasts", "forecast_errors"),
        "Issue the champion's forecasts of a range of cutoffs and match earlier ones with actuals.",
    ),
)


def asset_jobs(mount: str, executor: dg.ExecutorDefinition | None = None) -> list[UnresolvedAssetJobDefinition]:
    """The jobs of a platform.

    Args:
        mount: the platform's name, empty for the only one.
        executor: by default that of the definitions.
    """
    return [
        dg.define_asset_job(
            part_name(mount, job.name),
            selection=dg.AssetSelection.assets(*(asset_key(mount, name) for name in job.assets)),
            description=job.description,
            config=run_config(mount, job.config) if job.config else None,
            executor_def=executor,
        )
        for job in _ASSET_JOBS
    ]


def run_config(mount: str, config: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The configuration of a run, from that of assets by their names."""
    return {"ops": {part_name(mount, name): {"config": dict(given)} for name, given in config.items()}}


load_job, training_job, promotion_job, rollback_job, forecast_job = asset_jobs("")
