"""The sensors: unloaded values of the feed, a new challenger, days to forecast, results for alerts, failed runs.

A sensor requests a run once for what it found. The asset that runs decides again for itself, so that a late or repeated
request is harmless.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pandas as pd

from forecasting_platform.errors import shortened
from forecasting_platform.forecasting.monitoring.evaluations import latest_alerts
from forecasting_platform.forecasting.promotion.decisions import newest_decision
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.quality.reconciliation import (
    days_to_reload,
    difference_key,
    differing_values,
)
from forecasting_platform.orchestration.catalog.external import fetches
from forecasting_platform.orchestration.decision_results import decision_results
from forecasting_platform.orchestration.event_log import (
    backfill_results,
    check_evaluations,
    recovered_runs,
    run_failure,
)
from forecasting_platform.orchestration.jobs import forecast_job, load_job, promotion_job, run_config
from forecasting_platform.orchestration.mounting.copies import with_resources_of
from forecasting_platform.orchestration.names import asset_key, asset_keys, part_name, tag_key
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.orchestration.tick_results import tick_results
from forecasting_platform.ports.engine import Engine
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.observation_feed import ObservationFeed
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.loading.raw_observations import differing_plans
from forecasting_platform.services.promotion.promoter import PROMOTION_SENSOR, Promoter
from forecasting_platform.services.watchers import beat
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import alerts_of, declared_not_normal, promoter_of

RUNNING = dg.DefaultSensorStatus.RUNNING
IN_PROGRESS = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
ENDED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.SUCCESS]
ASKED, WHY = "asked", "why"
"""Tags of a requested run, behind the platform's name: what for, and why, in a sentence for a person."""
CURSORS = ","
"""Between the last event and the last decision that the alert sensor has taken in."""


def build_reconcile_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor that loads by the clock, so that it is switched on with the schedules."""
    status = RUNNING if settings.schedules_enabled else dg.DefaultSensorStatus.STOPPED
    mount = settings.mounted_as
    named = dg.sensor(
        name=part_name(mount, reconcile_sensor.__name__),
        job_name=part_name(mount, load_job.name),
        minimum_interval_seconds=3600,
        default_status=status,
    )
    return named(with_resources_of(mount, reconcile_sensor))


def reconcile_sensor(
    context: dg.SensorEvaluationContext,
    observation_feed: dg.ResourceParam[ObservationFeed],
    table_store: dg.ResourceParam[TableStore],
    settings: dg.ResourceParam[Settings],
) -> dg.RunRequest | dg.SkipReason:
    """Each hour: requests the loaded days on which the feed's values differ from the table's; the newest for a plan."""
    loaded = sorted(context.instance.get_materialized_partitions(asset_key(settings.mounted_as, "raw_observations")))
    if not loaded:
        return dg.SkipReason("nothing is loaded yet")
    if is_running(context.instance, settings.mounted_as, load_job.name, "raw_observations"):
        return dg.SkipReason("a load is in progress; what it leaves is compared next time")
    days = DateRange(date.fromisoformat(loaded[0]), date.fromisoformat(loaded[-1]))
    document = observation_feed.fetch(days)
    for fetch in fetches(document, settings):
        context.instance.report_runless_asset_event(fetch)
    published = document.observations
    differing = differing_values(published, table_store.read_observations(_days_of(published) or days))
    plans = differing_plans(document, table_store)
    if differing.empty and plans.empty:
        return dg.SkipReason(f"all {len(published):,} values published of {days} are stored")
    wanted = DateRange(days.end, days.end) if differing.empty else days_to_reload(differing, days.end)
    found = f"{len(differing):,} of {len(published):,} published values and {len(plans):,} planned ones differ"
    context.log.info(f"{found}; {wanted} is loaded again")
    key = "-".join(difference_key(each) for each in (differing, plans) if len(each))
    return _request(context.instance, settings, f"reconcile-{wanted}-{key}", found, days=wanted)


def _days_of(published: pd.DataFrame) -> DateRange | None:
    """A feed that publishes its newest days alone is not compared with years; None of no value."""
    return DateRange(published["ds"].min().date(), published["ds"].max().date()) if len(published) else None


def is_running(instance: dg.DagsterInstance, mount: str, job_name: str, asset: str) -> bool:
    """Whether a run of a job, or one that makes an asset, is queued or in progress."""
    job, key = part_name(mount, job_name), asset_key(mount, asset)
    runs = instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS))
    return any(run.job_name == job or key in (run.asset_selection or ()) for run in runs)


@dg.sensor(job=promotion_job, minimum_interval_seconds=5, default_status=RUNNING)
def promotion_sensor(
    context: dg.SensorEvaluationContext,
    table_store: dg.ResourceParam[TableStore],
    engine: dg.ResourceParam[Engine],
    model_registry: dg.ResourceParam[ModelRegistry],
    ledger: dg.ResourceParam[Ledger],
    settings: dg.ResourceParam[Settings],
) -> dg.RunRequest | dg.SkipReason:
    """Asks for `champion_model` once for each new evidence: a challenger that the present champion was not compared
    with, a champion that goes wrong, shadow forecasts that decide.
    """
    ledger.beat("promotion_sensor", datetime.now(UTC))
    if is_running(context.instance, settings.mounted_as, promotion_job.name, "champion_model"):
        return dg.SkipReason("a promotion or rollback is in progress; what it decides is seen next time")
    promoter = promoter_of(table_store, engine, model_registry, ledger, declared_not_normal(settings))
    owed = promoter.versions.owed()
    if owed is not None:
        # Decided, but not carried out: the run died in between. The asset finishes exactly that.
        why = f"decision {owed.decision_id} was made, but not carried out"
        return _promotion(context.instance, settings, f"promotion-finish-{owed.decision_id}", why)
    lost = promoter.versions.lost()
    if lost is not None:
        # Its version was deleted from MLflow, and the alias with it: the asset finds another one.
        why = f"version {lost.challenger_version}, which decision {lost.decision_id} made champion, is gone from MLflow"
        return _promotion(context.instance, settings, f"promotion-lost-{lost.decision_id}", why)
    return _by_new_days(context, promoter, settings) or _by_versions(context.instance, promoter, settings)


def _by_new_days(context: dg.SensorEvaluationContext, promoter: Promoter, settings: Settings) -> dg.RunRequest | None:
    """Request a promotion if forecasts that matured since the last tick say that the champion should change."""
    made = _materialized(context.instance, settings, "forecast_errors")
    newest = str(max(made.values(), default=0))
    if newest == (context.cursor or "0"):
        return None
    why = promoter.shown_by_new_days()
    context.update_cursor(newest)
    if why is None:
        return None
    context.log.info(why)
    return _promotion(context.instance, settings, f"promotion-days-{newest}", why)


def _by_versions(instance: dg.DagsterInstance, promoter: Promoter, settings: Settings) -> dg.RunRequest | dg.SkipReason:
    challenger, serving = promoter.registry.version_at("challenger"), promoter.versions.serving_number()
    if challenger is None:
        return dg.SkipReason("no version has the alias challenger")
    if challenger.version == serving:
        return dg.SkipReason(f"challenger and champion are both version {serving}")
    asked = f"promotion-{challenger.version}-against-{serving or 'none'}"
    decision = newest_decision(promoter.ledger.decisions(limit=50, with_evidence=False), challenger.version, serving)
    if decision is None:
        against = f"was not compared with version {serving} yet" if serving else "is there, and no champion serves"
        why = f"version {challenger.version} {against}"
        return _promotion(instance, settings, asked, why)
    if decision.verdict == "rollback":
        return dg.SkipReason(f"version {challenger.version} was rolled back: {decision.reason}")
    return dg.SkipReason(
        f"version {challenger.version} was decided against version {serving or 'none'}: "
        f"{decision.verdict}, {decision.reason}"
    )


def _promotion(instance: dg.DagsterInstance, settings: Settings, asked: str, why: str) -> dg.RunRequest:
    config = run_config(settings.mounted_as, {"champion_model": {"decided_by": PROMOTION_SENSOR}})
    return _request(instance, settings, asked, why, run_config=config)


def _request(
    instance: dg.DagsterInstance,
    settings: Settings,
    asked: str,
    why: str,
    *,
    run_config: Mapping[str, Any] | None = None,
    days: DateRange | None = None,
) -> dg.RunRequest:
    """Request a run once for what was found; if an ended run left it as it was, once an hour."""
    asked_tag, why_tag = (tag_key(settings.mounted_as, name) for name in (ASKED, WHY))
    ended = dg.RunsFilter(statuses=ENDED, tags={asked_tag: asked})
    run_key = f"{asked}-{datetime.now(UTC):%Y-%m-%dT%H}" if instance.get_runs_count(ended) else asked
    tags = {asked_tag: asked, why_tag: shortened(why)} | (range_tags(days) if days else {})
    return dg.RunRequest(run_key=run_key, run_config=run_config, tags=tags)


@dg.sensor(job=forecast_job, minimum_interval_seconds=5, default_status=RUNNING)
def forecast_sensor(
    context: dg.SensorEvaluationContext,
    model_registry: dg.ResourceParam[ModelRegistry],
    settings: dg.ResourceParam[Settings],
) -> dg.RunRequest | dg.SkipReason:
    """Requests forecasts and errors of the days that were loaded since they were last made."""
    champion = model_registry.version_at("champion")
    if champion is None:
        return dg.SkipReason("there is no champion to forecast with")
    newest = champion.cutoff.isoformat()
    features = _materialized(context.instance, settings, "feature_table")
    loaded = {day: at for day, at in features.items() if day >= newest}
    made = _materialized(context.instance, settings, "forecast_errors")
    waiting = {day: at for day, at in loaded.items() if made.get(day, -1) < at}
    if not waiting:
        return dg.SkipReason(f"all {len(loaded)} loaded days since {champion.cutoff} have forecasts and errors")
    days = DateRange(date.fromisoformat(min(waiting)), date.fromisoformat(max(waiting)))
    loaded_since = "1 day was" if len(waiting) == 1 else f"{len(waiting)} days were"
    why = f"{loaded_since} loaded after forecasts and errors were made last"
    return _request(context.instance, settings, f"forecast-{days}-{max(waiting.values())}", why, days=days)


def _materialized(instance: dg.DagsterInstance, settings: Settings, asset: str) -> dict[str, int]:
    key = asset_key(settings.mounted_as, asset)
    return dict(instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION))


@dg.sensor(minimum_interval_seconds=10, default_status=RUNNING)
def alert_sensor(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], settings: dg.ResourceParam[Settings]
) -> dg.SensorResult:
    """Turns results of checks, runs, backfills, decisions and sensors into incidents in `alerts`, and sends what waits
    in the outbox.
    """
    newest = latest_alerts(ledger.alerts())
    events, _, decided = (context.cursor or "0").partition(CURSORS)
    checks, seen = check_evaluations(
        context.instance, int(events), settings, _owners(context.repository_def, settings.mounted_as)
    )
    decisions, decided_to = decision_results(ledger, int(decided or 0), settings)
    of_runs = [
        *recovered_runs(context.instance, newest, settings.mounted_as),
        *backfill_results(context.instance, newest, settings),
    ]
    evaluations = [*checks, *decisions, *of_runs, *tick_results(context.instance, settings)]
    alerts = alerts_of(ledger, settings)
    raised = alerts.raise_alerts(evaluations)
    beat(alerts, "alert_sensor")
    summary = (
        f"{len(evaluations)} results seen, {raised.changed} incidents changed, "
        f"{raised.sent} messages sent, {raised.refused} refused"
    )
    return dg.SensorResult(skip_reason=summary, cursor=f"{seen}{CURSORS}{decided_to}")


def _owners(repository: dg.RepositoryDefinition | None, mount: str) -> dict[str, str]:
    """The owner of each asset's incidents: its first owner in Dagster, a team without the prefix."""
    nodes = repository.asset_graph.asset_nodes if repository else ()
    ours = (node for node in nodes if node.key in asset_keys(mount) and node.owners)
    return {node.key.path[-1]: node.owners[0].removeprefix("team:") for node in ours}


@dg.run_failure_sensor(
    name="run_failure_sensor",
    description="Makes an incident of a failed run.",
    minimum_interval_seconds=10,
    default_status=RUNNING,
)
def run_failure_sensor(
    context: dg.RunFailureSensorContext, ledger: dg.ResourceParam[Ledger], settings: dg.ResourceParam[Settings]
) -> None:
    """Opens an incident for a failed run; the next successful run of the same job resolves it."""
    failure = run_failure(context.instance, context.dagster_run, str(context.failure_event.message), settings)
    if failure is not None:
        alerts_of(ledger, settings).report([failure])
