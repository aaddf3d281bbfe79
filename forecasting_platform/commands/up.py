"""`up` and `down`: the embedded platform in the foreground."""

import signal
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType

import click

from forecasting_platform.commands.output import print_json
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.local.data_directory import DataDirectory
from forecasting_platform.local.main_job import MainJob
from forecasting_platform.local.platform import EmbeddedPlatform
from forecasting_platform.redaction import shown
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import feed_of


def run_platform(
    data_dir: Path,
    port_base: int,
    feed_url: str | None,
    days: DateRange,
    *,
    live: bool,
    weather: bool,
    spark: bool,
    main_job: bool,
    exit_when_served: bool,
    as_json: bool,
) -> None:
    """Start the platform, run the main job on it, say where everything is, and stay until stopped."""
    if feed_url is not None:
        feed_of(Settings(feed_url=feed_url))  # what is no feed is said now, not by the first run
    began = time.monotonic()

    def progress(line: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {line}", err=as_json)

    signal.signal(signal.SIGTERM, _stop)
    with EmbeddedPlatform(data_dir, port_base, feed_url, live, weather=weather, spark=spark) as platform:
        platform.start_services(progress)
        job = MainJob(platform.dagster, platform.endpoints["app"], _until(days, live), progress, platform.look)
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


def _until(days: DateRange, live: bool) -> DateRange:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    return DateRange(days.start, max(days.end, yesterday)) if live else days


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


def stop_platform(data_dir: Path) -> bool:
    """Stop the platform of a data directory; whether one ran."""
    return DataDirectory(data_dir).stop_supervisor()


DEFAULT_DAYS = DateRange(date(2018, 1, 1), date(2023, 6, 30))
