"""The sensor that closes the loop: a lasting incident asks for a training, and what became of it is recorded.

Its challenger is judged as any other. `forecasting.monitoring.retraining` decides when one is asked for.
"""

from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg

from forecasting_platform.errors import shortened
from forecasting_platform.forecasting.monitoring.retraining import Retraining, ask_for_training
from forecasting_platform.orchestration.jobs import training_job
from forecasting_platform.orchestration.names import asset_key, tag_key
from forecasting_platform.orchestration.sensors import ASKED, ENDED, RUNNING, WHY, is_running
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.settings import Settings


@dg.sensor(job=training_job, minimum_interval_seconds=60, default_status=RUNNING)
def retraining_sensor(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """Requests a training once for a lasting incident of bias or error, at most one in
    FORECASTING_INCIDENT_TRAINING_DAYS days, and records its end.
    """
    asked, mount = ledger.retrainings(), settings.mounted_as
    unfinished = next((each for each in asked if each.ended_at is None), None)
    if unfinished is not None:
        return _follow(context.instance, ledger, unfinished, mount)
    found = ask_for_training(ledger.alerts(open_only=True), asked, datetime.now(UTC), settings.incident_training_days)
    if found is None:
        return dg.SkipReason("no lasting incident of bias or error asks for a training now")
    if is_running(context.instance, mount, training_job.name, "trained_model"):
        return dg.SkipReason("a training is in progress; an incident that outlives it asks for the next one")
    # Recorded first: a look that ends here asks again, by the same key.
    ledger.save_retraining(found)
    return _request(found, mount)


def _request(found: Retraining, mount: str) -> dg.RunRequest:
    why = f"the incident {found.alert_id} lasts; a newer model may end it"
    return dg.RunRequest(
        run_key=found.key, tags={tag_key(mount, ASKED): found.key, tag_key(mount, WHY): shortened(why)}
    )


def _follow(
    instance: dg.DagsterInstance, ledger: Ledger, asked: Retraining, mount: str
) -> dg.RunRequest | dg.SkipReason:
    """Record the end of a training that was asked for; one that has no run is requested again."""
    runs = instance.get_runs(dg.RunsFilter(tags={tag_key(mount, ASKED): asked.key}), limit=1)
    if not runs:
        return _request(asked, mount)
    if runs[0].status not in ENDED:
        return dg.SkipReason(f"the training of {asked.alert_id} is in progress")
    version = _registered(instance, runs[0], mount)
    ledger.save_retraining(replace(asked, ended_at=datetime.now(UTC), version=version))
    return dg.SkipReason(f"the training of {asked.alert_id} made {f'version {version}' if version else 'no version'}")


def _registered(instance: dg.DagsterInstance, run: dg.DagsterRun, mount: str) -> str | None:
    """The version that a run registered; None where it failed before."""
    made = dg.DagsterEventType.ASSET_MATERIALIZATION
    key = asset_key(mount, "trained_model")
    for record in instance.get_records_for_run(run.run_id, of_type=made).records:
        found = record.event_log_entry.asset_materialization
        if found is not None and found.asset_key == key:
            return str(found.metadata["model_version"].value)
    return None
