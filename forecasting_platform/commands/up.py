"""`up`, `down` and `status`: start, stop and inspect the embedded platform."""

import signal
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import click

from forecasting_platform.commands.alerts import alert_rows
from forecasting_platform.commands.connection import Connection, connect
from forecasting_platform.commands.options import Day, data_dir_option, json_option, range_of
from forecasting_platform.commands.output import print_json, print_rows
from forecasting_platform.errors import ForecastingPlatformError
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.main_job import MainJob
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform.redaction import shown
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import feed_of


@click.command(epilog='Example: forecasting-platform up --feed-url "http://127.0.0.1:8000/feed.json"')
@data_dir_option
@click.option(
    "--port-base",
    type=click.IntRange(1, 65530),
    default=3000,
    show_default=True,
    help="First of five ports, six with --spark.",
)
@click.option("--feed-url", help="Feed to load from (http, ckan+https, file); the simulated one by default.")
@click.option("--weather", is_flag=True, help="Load the simulated weather too, and train with it.")
@click.option("--spark", is_flag=True, help="Keep the tables in Spark SQL with a Hive metastore, and train on Spark.")
@click.option("--start", type=Day(), default="2018-01-01", show_default=True, help="First day of the initial load.")
@click.option("--end", type=Day(), default="2023-06-30", show_default=True, help="Last day of the initial load.")
@click.option("--live", is_flag=True, help="Run the schedules, and load up to yesterday.")
@click.option("--exit-when-served", is_flag=True, help="Stop everything once /predict has answered.")
@click.option("--no-main-job", is_flag=True, help="Start the platform only.")
@json_option
def up(
    data_dir: Path, port_base: int, feed_url: str | None, weather: bool, spark: bool, start: date, end: date,
    live: bool, exit_when_served: bool, no_main_job: bool, as_json: bool,
) -> None:  # fmt: skip
    """Start the embedded platform, run the main job on it, and stay up until Ctrl-C."""
    days, main_job = range_of(start, end), not no_main_job
    if weather and feed_url is not None:
        own = "for a feed of yours, set FORECASTING_EXOGENOUS_FEED_URL and declare its series in FORECASTING_EXOGENOUS"
        raise click.UsageError(f"--weather belongs to the simulated feed; {own}")
    if feed_url is not None:
        feed_of(Settings(feed_url=feed_url))  # a URL that names no feed is refused now, not by the first run
    began = time.monotonic()

    def progress(line: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {line}", err=as_json)

    signal.signal(signal.SIGTERM, _stop)
    if live:
        days = DateRange(days.start, max(days.end, datetime.now(UTC).date() - timedelta(days=1)))
    with EmbeddedPlatform(data_dir, port_base, feed_url, live, weather=weather, spark=spark) as platform:
        platform.start_services(progress)
        headers = Settings().api_key_header()
        job = MainJob(platform.dagster, platform.endpoints["app"], days, progress, platform.look, headers)
        # Requested while the daemon comes up, the backfill is taken at its first look.
        backfill_id = job.submit_load() if main_job else None
        platform.start_daemon(progress)
        if main_job:
            job.finish(backfill_id)
            progress(f"served: /predict answered {time.monotonic() - began:.1f} s after the start")
        else:
            platform.wait_until_ready(progress)
        _say_where(platform, time.monotonic() - began, as_json=as_json)
        if not exit_when_served:
            platform.watch()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say_where(platform: EmbeddedPlatform, seconds: float, *, as_json: bool) -> None:
    urls = {name: shown(url) for name, url in platform.endpoints.items() if name != "postgres"}
    if as_json:
        print_json({"seconds": round(seconds, 1), "endpoints": urls, "data_dir": str(platform.directory.path)})
        return
    app = urls["app"]
    click.echo(
        f"\n  page     {app}/\n  API      {app}/docs\n  Dagster  {urls['dagster']}\n  MLflow   {urls['mlflow']}\n"
        f"  feed     {urls['feed']}\n  Postgres in {platform.directory.path / 'endpoints.json'} (with its password)\n"
        f"  logs     {platform.directory.logs}\n\n  Ctrl-C stops everything.\n"
    )


@click.command(epilog="Example: forecasting-platform down --data-dir .platform")
@data_dir_option
@json_option
def down(data_dir: Path, as_json: bool) -> None:
    """Stop the embedded platform of a data directory."""
    stopped = DataDirectory(data_dir).stop_supervisor()
    print_json({"stopped": stopped}) if as_json else click.echo("stopped" if stopped else "no platform runs there")


@click.command(epilog="Example: forecasting-platform status --json")
@data_dir_option
@json_option
def status(data_dir: Path, as_json: bool) -> None:
    """What runs, which version serves, what was loaded last, and which alerts are open."""
    found = _status(connect(data_dir))
    print_json(found) if as_json else print_rows([{"what": key, "state": value} for key, value in found.items()])


def _status(connection: Connection) -> dict[str, Any]:
    days = connection.dagster.materialized_days("raw_observations")
    try:
        champion = connection.ask_app("GET", "/model")
    except ForecastingPlatformError as error:
        champion = {"version": None, "why": str(error)}
    with connection.ledger() as ledger:
        alerts = alert_rows(ledger.alerts(open_only=True))
    return {
        "dagster": shown(connection.dagster_url),
        "app": shown(connection.app_url),
        "champion": champion.get("version"),
        "champion_cutoff": champion.get("cutoff"),
        "loaded_days": len(days),
        "last_loaded_day": str(max(days)) if days else None,
        "open_alerts": [alert["alert"] for alert in alerts if alert["state"] == "FIRING"],
    }
