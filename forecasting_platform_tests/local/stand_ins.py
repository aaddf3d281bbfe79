"""What the platform under test serves in place of the real definitions, app and feed: small and quick to import.

Its processes import this module by its own name, so nothing of it may be imported by a test.
"""

import json
import multiprocessing
import os
import signal
import sys

import dagster as dg

DAYS = dg.DailyPartitionsDefinition(start_date="2018-01-01")


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def observations(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # no value
    """Says how many days it got."""
    return dg.MaterializeResult(metadata={"days": len(context.partition_keys), "unit": "GWh", "share": 0.5})


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def dies_once(context: dg.AssetExecutionContext) -> None:
    """Has its first worker killed."""
    if "dagster/retry_number" not in context.run.tags:
        os.kill(os.getpid(), signal.SIGKILL)


@dg.asset
def broken() -> None:
    """Fails as an asset of the platform would."""
    raise OSError("the disk is full") from ValueError("no space")


class Greeting(dg.Config):
    """Run configuration."""

    name: str


@dg.asset
def greeted(config: Greeting) -> dg.MaterializeResult:  # type: ignore[type-arg]  # no value
    """Shows that run configuration arrives."""
    return dg.MaterializeResult(metadata={"greeting": f"hello {config.name}"})


@dg.asset
def started() -> dg.MaterializeResult:  # type: ignore[type-arg]  # no value
    """Tells how its run's process came to be, and what was imported there that nothing here imports."""
    process = type(multiprocessing.current_process()).__name__
    imported = "great_expectations" in sys.modules
    return dg.MaterializeResult(metadata={"process": process, "parent": os.getppid(), "imported": imported})


greet_job = dg.define_asset_job("greet_job", [greeted])

defs = dg.Definitions(
    assets=[observations, dies_once, broken, greeted, started],
    jobs=[dg.define_asset_job("broken_job", [broken]), greet_job, dg.define_asset_job("start_job", [started])],
    executor=dg.in_process_executor,
    schedules=[dg.ScheduleDefinition(name="greet_schedule", job=greet_job, cron_schedule="0 0 * * *")],
)


def app(environ, start_response):
    """A WSGI app that tells the environment it was started in."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(dict(os.environ)).encode()]


if __name__ == "__main__":
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", int(os.environ["FORECASTING_APP_PORT"]), app, threaded=True)
