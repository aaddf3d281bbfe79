"""`up`, `down` and `status`: start, stop and inspect the embedded platform."""

import signal
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import click

from forecasting_platform.commands.alerts import alert_rows
from forecasting_platform.commands.terminal.connection import Connection, connect
from forecasting_platform.commands.terminal.options import Day, PortBase, data_dir_option, json_option, range_of
from forecasting_platform.commands.terminal.output import print_json, print_rows
from forecasting_platform.errors import ForecastingPlatformError, UnavailableError
from forecasting_platform.feed_wiring import calendars_of, feed_of
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import DAILY
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.main_job import MainJob
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform.redaction import shown
from forecasting_platform.services.loading.feed_reach import first_load, reach_of
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import recipe_of

SIMULATED_DAYS = DateRange(date(2018, 1, 1), date(2023, 6, 30))


@click.command(epilog="Example: forecasting-platform up --feed gas.yaml")
@data_dir_option
@click.option(
    "--port-base",
    type=PortBase(),
    default=3000,
    show_default=True,
    help="First of five ports, six with --spark.",
)
@click.option(
    "--feed",
    type=click.Path(path_type=Path),
    help="Description of the feed to load from, a YAML file, or a folder of several.",
)
@click.option("--feed-url", help="Feed of the default shape to load from; the simulated one by default.")
@click.option("--weather", is_flag=True, help="Load the simulated weather too, and train with it.")
@click.option("--spark", is_flag=True, help="Keep the tables in Spark SQL with a Hive metastore, and train on Spark.")
@click.option("--start", type=Day(), help="First day of the initial load; by default the feed's own.")
@click.option("--end", type=Day(), help="Last day of the initial load; by default the feed's newest complete one.")
@click.option("--live", is_flag=True, help="Run the schedules, and load up to yesterday.")
@click.option("--exit-when-served", is_flag=True, help="Stop everything once /predict has answered.")
@click.option("--no-main-job", is_flag=True, help="Start the platform only.")
@json_option
def up(
    data_dir: Path, port_base: int, feed: Path | None, feed_url: str | None, weather: bool, spark: bool,
    start: date | None, end: date | None, live: bool, exit_when_served: bool, no_main_job: bool, as_json: bool,
) -> None:  # fmt: skip
    """Start the embedded platform, run the main job on it, and stay up until Ctrl-C."""
    if start and end:
        range_of(start, end)
    if feed and feed_url is not None:
        raise click.UsageError("give --feed or --feed-url; a folder given as --feed holds several feeds")
    if weather and (feed or feed_url is not None):
        own = "for a feed of yours, set FORECASTING_EXOGENOUS_FEED_URL and declare its series in FORECASTING_EXOGENOUS"
        raise click.UsageError(f"--weather belongs to the simulated feed; {own}")
    began = time.monotonic()

    def progress(line: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {line}", err=as_json)

    signal.signal(signal.SIGTERM, _stop)
    is_simulated = feed is None and feed_url is None
    settings = _settings(feed, feed_url)
    # A recipe that cannot be used is refused now, not by the first training.
    recipe_of(settings, DAILY)
    if is_simulated:
        DataDirectory(data_dir).require_simulated_feed("give it again with --feed or --feed-url")
        days: DateRange | None = range_of(start or SIMULATED_DAYS.start, end or SIMULATED_DAYS.end)
    else:
        is_new = DataDirectory(data_dir).known_first_day is None
        days = _days_of_feed(settings, start, end, progress, must_answer=is_new)
    if live and days:
        days = DateRange(days.start, max(days.end, datetime.now(UTC).date() - timedelta(days=1)))
    with EmbeddedPlatform(
        data_dir, port_base, feed_url, live,
        feed=feed, first_day=days.start if days and not is_simulated else None, weather=weather, spark=spark,
    ) as platform:  # fmt: skip
        platform.start_services(progress)
        if no_main_job or days is None:
            platform.start_daemon(progress)
            platform.wait_until_ready(progress)
        else:
            job = MainJob(
                platform.dagster, platform.endpoints["app"], days, progress, platform.look,
                settings.api_key_header(), settings.horizon_days,
            )  # fmt: skip
            # Requested while the daemon comes up, the backfill is taken at its first look.
            backfill_id = job.submit_load()
            platform.start_daemon(progress)
            job.finish(backfill_id)
            progress(f"served: /predict answered {time.monotonic() - began:.1f} s after the start")
        _say_where(platform, time.monotonic() - began, as_json=as_json)
        if not exit_when_served:
            platform.watch()


def _settings(feed: Path | None, feed_url: str | None) -> Settings:
    """The settings of this process, of the feed that was asked for and no other."""
    is_folder = feed is not None and feed.is_dir()
    return Settings(feed_url=feed_url, feed=None if is_folder else feed, feeds=feed if is_folder else None)


def _days_of_feed(
    settings: Settings, start: date | None, end: date | None, progress: Callable[[str], None], *, must_answer: bool
) -> DateRange | None:
    """The days of the initial load. A feed that cannot be used is refused now, not by the first run.

    None where the feed does not answer and need not, since a platform ran here before: it goes on from what it has.
    """
    feed = feed_of(settings)
    calendars_of(settings)
    if start and end:
        return range_of(start, end)
    progress("looking how far the feed reaches")
    try:
        reach = reach_of(feed, datetime.now(UTC).date(), progress)
    except UnavailableError as error:
        if must_answer:
            raise
        progress(f"going on from what is loaded: {error}")
        return None
    days = first_load(reach, start, end, progress)
    progress(f"the feed's days are {days}")
    return days


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
