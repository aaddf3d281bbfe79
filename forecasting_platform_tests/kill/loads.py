"""One load of a range of days, as the worker of a run does it, in a process that can be killed.

The process is forked from a server that has imported everything: an import of Dagster takes longer than a load.
"""

import multiprocessing
import multiprocessing.process
import os
import sys
from collections.abc import Mapping

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.settings import Settings

_IMPORTED_ONCE = [
    "forecasting_platform.definitions",
    "forecasting_platform.adapters.great_expectations_quality",
    "forecasting_platform.adapters.feeds",
    "forecasting_platform.adapters.postgres.ledger",
    "forecasting_platform.adapters.postgres.table_store",
    "forecasting_platform_tests.kill.loads",
]
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(_IMPORTED_ONCE)


def start_load(
    days: DateRange, run_id: str | None, environment: Mapping[str, str], log_file: str
) -> multiprocessing.process.BaseProcess:
    """Start the load; the process ends with 0 when it succeeded.

    Args:
        run_id: of the run in Dagster; None loads as the assets do, without Dagster, in a tenth of the time.
        environment: that of a run's worker: where Dagster's instance, the store and the feed are.
        log_file: gets what the process says.
    """
    process = _processes.Process(target=_load, args=(days, run_id, dict(environment), log_file), daemon=True)
    process.start()
    return process


def _load(days: DateRange, run_id: str | None, environment: dict[str, str], log_file: str) -> None:
    with open(log_file, "ab") as log:  # noqa: PTH123 # its number is what is needed
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    os.environ.update(environment)
    if run_id is None:
        _load_alone(days)
    else:
        _load_by_dagster(days, run_id)


def _load_alone(days: DateRange) -> None:
    from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
    from forecasting_platform.feed_wiring import feed_at
    from forecasting_platform.forecasting.series.features.feature_table import build_features, observations_period

    settings = Settings()
    store = PostgresTableStore(settings.require_postgres_dsn())
    store.prepare()
    document = feed_at(settings.require_feed_url(), settings).fetch(days)
    store.record_observations(
        document.observations, days, available_at=document.fetched_at, quarantined=document.quarantined
    )
    observations = store.read_observations(observations_period(days))
    store.replace(FEATURE_TABLE, build_features(observations, days, settings.holiday_country), days)
    store.close()


def _load_by_dagster(days: DateRange, run_id: str) -> None:
    from dagster import DagsterInstance

    from forecasting_platform.definitions import build_definitions
    from forecasting_platform.orchestration.assets import raw_observations
    from forecasting_platform.orchestration.partitions import range_tags

    # A picture takes most of a load's processor time and sends nothing.
    raw_observations.observations_plot = lambda _: b""  # type: ignore[attr-defined] # it imports the name
    job = build_definitions().resolve_job_def("load_job")
    with DagsterInstance.get() as instance:
        job.execute_in_process(instance=instance, tags=range_tags(days), run_id=run_id)
