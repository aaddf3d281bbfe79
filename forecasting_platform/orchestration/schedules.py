"""The schedules: the daily load, and training every 15 days from an anchor date."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

import dagster as dg

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.orchestration.jobs import load_job, training_job
from forecasting_platform.orchestration.mounting.copies import with_resources_of
from forecasting_platform.orchestration.names import asset_key, part_name, tag_key
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.settings import Settings

CYCLE = "training_cycle"
"""The tag of a run that the training schedule asked for, behind the platform's name."""
UNSUCCESSFUL = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedules, switched on from the start if the settings say so."""
    status = dg.DefaultScheduleStatus.RUNNING if settings.schedules_enabled else dg.DefaultScheduleStatus.STOPPED
    mount = settings.mounted_as

    def schedule(function: Callable[..., Any], job: str, cron: str) -> dg.ScheduleDefinition:
        named = dg.schedule(
            name=part_name(mount, function.__name__),
            job_name=part_name(mount, job),
            cron_schedule=cron,
            default_status=status,
        )
        return named(with_resources_of(mount, function))

    return [
        schedule(daily_load_schedule, load_job.name, "0 0 * * *"),
        schedule(training_schedule, training_job.name, "0 1 * * *"),
    ]


def days_to_load(yesterday: date, loaded: Iterable[date], settings: Settings) -> DateRange:
    """The days of a daily load: all since the first day that was never loaded, and a look-back window before it.

    The window catches revisions. It ends where loading stopped, because what was loaded last is what was
    least final then. Nothing before the first loaded day is missing: history is loaded by who wants it,
    never by the clock.

    >>> days = days_to_load(date(2023, 7, 31), [date(2023, 6, 1), date(2023, 7, 1)], Settings())
    >>> str(days)
    '2023-05-03..2023-07-31'
    """
    known = {day for day in loaded if day <= yesterday}
    since = DateRange(min(known, default=yesterday), yesterday)
    missing = next((day for day in since if day not in known), yesterday)
    start = max(missing - timedelta(days=settings.load_look_back_days - 1), settings.first_partition_date)
    return DateRange(min(start, yesterday), yesterday)


def training_cycle(day: date, settings: Settings) -> date:
    """The first day of a day's training cycle: a whole number of intervals after the anchor.

    >>> training_cycle(date(2018, 1, 15), Settings()), training_cycle(date(2018, 1, 16), Settings())
    (datetime.date(2018, 1, 1), datetime.date(2018, 1, 16))
    """
    since = (day - settings.training_anchor_date).days
    return settings.training_anchor_date + timedelta(
        days=since // settings.training_interval_days * settings.training_interval_days
    )


def daily_load_schedule(context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.RunRequest:
    """Each midnight: loads the last day, and the days before it that may be missing or revised."""
    today = context.scheduled_execution_time.date()
    loaded = context.instance.get_materialized_partitions(asset_key(settings.mounted_as, "raw_observations"))
    days = days_to_load(today - timedelta(days=1), map(date.fromisoformat, loaded), settings)
    return dg.RunRequest(run_key=f"load-{today}", tags=range_tags(days))


def training_schedule(
    context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """Trains every 15 days from the anchor date; a missed, failed or cancelled training is requested again each day."""
    today = context.scheduled_execution_time.date()
    cycle, tag = training_cycle(today, settings), tag_key(settings.mounted_as, CYCLE)
    # A dry evaluation has no instance, and knows of no runs.
    instance = context.instance if context.instance_ref is not None else None
    runs = instance.get_runs(dg.RunsFilter(tags={tag: cycle.isoformat()})) if instance else []
    if any(run.status not in UNSUCCESSFUL for run in runs):
        following = cycle + timedelta(days=settings.training_interval_days)
        return dg.SkipReason(f"the cycle of {cycle} has a run; the next training falls on {following}")
    if runs:
        return _request(cycle, f"training-{cycle}-{today}", tag)
    tagged = instance.get_run_tags([tag]) if instance else []
    was_missed = max((max(cycles) for _tag, cycles in tagged), default=cycle.isoformat()) < cycle.isoformat()
    if today == cycle or was_missed:
        return _request(cycle, f"training-{cycle}", tag)
    return dg.SkipReason(
        f"the clock never asked for a training; the first falls on a cycle's first day, as {cycle} was"
    )


def _request(cycle: date, run_key: str, tag: str) -> dg.RunRequest:
    return dg.RunRequest(run_key=run_key, tags={tag: cycle.isoformat()})
