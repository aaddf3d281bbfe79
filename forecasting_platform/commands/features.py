"""`features`: the feature table as stored, or rebuilt from what was known at a time."""

from datetime import date, datetime
from pathlib import Path

import click

from forecasting_platform.commands.terminal.connection import connect
from forecasting_platform.commands.terminal.options import Moment, data_dir_option, json_option, range_of, range_options
from forecasting_platform.commands.terminal.output import print_csv, print_json, records
from forecasting_platform.feed_wiring import calendars_of
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from
from forecasting_platform.forecasting.series.quality.holding import accepted_days
from forecasting_platform.services.feature_table import features_as_of


@click.command(
    epilog="Example: forecasting-platform features --start 2023-06-01 --end 2023-06-30 --as-of 2023-07-01T06:00Z"
)
@range_options()
@click.option("--as-of", type=Moment(), help="Use only what was known then; now by default.")
@data_dir_option
@json_option
def features(start: date, end: date, as_of: datetime | None, data_dir: Path, as_json: bool) -> None:
    """What models knew at the end of each day, built from what was known at a time: CSV, or JSON."""
    days, connection = range_of(start, end), connect(data_dir)
    settings = connection.settings
    exogenous, accepted = exogenous_from(settings.exogenous), accepted_days(settings.accepted_values)
    with connection.table_store() as store:
        found = features_as_of(
            store, days, settings.holiday_country, as_of, exogenous, accepted, calendars_of(settings)
        )
    rows = records(found.assign(ds=found["ds"].dt.date.astype(str)))
    print_json(rows) if as_json else print_csv(rows, list(found.columns))
