"""`load`: a date range, loaded as one backfill of a running Dagster."""

from datetime import date
from pathlib import Path

import click

from forecasting_platform.commands.terminal.connection import connect
from forecasting_platform.commands.terminal.options import data_dir_option, json_option, range_of, range_options
from forecasting_platform.commands.terminal.output import print_rows
from forecasting_platform.local.main_job import LOAD_ASSETS, loads_of, refused_by

DEADLINE_SECONDS = 3600.0


@click.command(epilog="Example: forecasting-platform load --start 2023-07-01 --end 2023-07-31")
@range_options()
@data_dir_option
@json_option
def load(start: date, end: date, data_dir: Path, as_json: bool) -> None:
    """Load a date range as one Dagster partition backfill, and wait for it."""
    days, dagster = range_of(start, end), connect(data_dir).dagster
    backfill_id = dagster.launch_backfill(LOAD_ASSETS, days, tags={"forecasting/asked_by": "load command"})
    click.echo(f"backfill {backfill_id} of {len(days)} days", err=True)
    done = dagster.wait_for_backfill(backfill_id, deadline_seconds=DEADLINE_SECONDS)
    loads = loads_of(dagster, done)
    counts = {
        name: sum(found.metadata[f"load_{name}"] for found in loads)
        for name in ("new", "revised", "unchanged", "quarantined")
    }
    refused = {"refused": refused_by(loads)} if as_json else {}
    print_rows([{"backfill": backfill_id, "days": len(days), **counts, **refused}], as_json=as_json)
    if not as_json:
        click.echo(refused_by(loads))
