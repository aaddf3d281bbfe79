"""`backtest-policy`: which policy of training, promotion and alerting would have served best."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click

from forecasting_platform.commands.terminal.connection import connect
from forecasting_platform.commands.terminal.options import data_dir_option, json_option, range_of, range_options
from forecasting_platform.commands.terminal.output import print_rows, records
from forecasting_platform.feed_wiring import calendars_of
from forecasting_platform.forecasting.policy_backtest.policies import policies
from forecasting_platform.services.backtests.policy_backtest import backtest_policies, stored_history
from forecasting_platform.wiring import recipe_of


@click.command(
    name="backtest-policy", epilog="Example: forecasting-platform backtest-policy --series Total --every 15 --every 30"
)
@range_options(required=False)
@click.option("--series", multiple=True, help="A series to replay; all by default. Minutes grow with their number.")
@click.option("--every", type=click.IntRange(1, 366), multiple=True, default=(15, 30, 91), show_default=True,
              help="Days between two trainings.")  # fmt: skip
@click.option("--budget", type=click.FloatRange(0.05, 24), multiple=True, default=(0.5, 1.0, 4.0), show_default=True,
              help="False pages a series and year.")  # fmt: skip
@click.option("--on-incident", type=click.IntRange(0, 366), multiple=True, default=(0,), show_default=True,
              help="Train for a lasting page too, at most once in so many days; 0 does not.")  # fmt: skip
@data_dir_option
@json_option
def backtest_policy(
    start: date | None, end: date | None, series: Sequence[str], every: Sequence[int], budget: Sequence[float],
    on_incident: Sequence[int], data_dir: Path, as_json: bool,
) -> None:  # fmt: skip
    """Replay the stored history under a grid of policies: how often to train, which promotion rule, when to page."""
    if (start is None) != (end is None):
        raise click.UsageError("give both --start and --end, or neither for the whole history")
    days, connection = range_of(start, end) if start and end else None, connect(data_dir)
    with connection.table_store() as store:
        features = stored_history(store, days, series)
    settings, grid = connection.settings, policies(every, budgets=budget, incident_days=on_incident)
    recipe = recipe_of(settings, calendars_of(settings))
    found = backtest_policies(features, recipe, grid, lambda line: click.echo(line, err=True))
    print_rows(records(found), title="policies, the lowest RMSE first", as_json=as_json)
