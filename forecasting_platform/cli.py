"""`forecasting-platform`: the group of all commands. Each is in the module of `commands` with its or a related name."""

import sys
from typing import Any

import click

from forecasting_platform.commands.alerts import alerts
from forecasting_platform.commands.as_of import as_of
from forecasting_platform.commands.backtest_policy import backtest_policy
from forecasting_platform.commands.backup import backup, restore
from forecasting_platform.commands.decisions import decisions
from forecasting_platform.commands.features import features
from forecasting_platform.commands.forecast import forecast, simulate
from forecasting_platform.commands.load import load
from forecasting_platform.commands.migrate import migrate
from forecasting_platform.commands.report import report
from forecasting_platform.commands.train import promote, rollback, train
from forecasting_platform.commands.up import down, status, up
from forecasting_platform.errors import ForecastingPlatformError

COMMANDS = (
    *(up, down, status, migrate, backup, restore),
    *(load, train, promote, rollback),
    *(forecast, simulate, features, as_of, backtest_policy, report),
    *(alerts, decisions),
)


class Commands(click.Group):
    """Errors of the platform are one sentence on standard error and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ForecastingPlatformError as error:
            click.echo(f"forecasting-platform: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            sys.exit(0 if ctx.invoked_subcommand == "up" else 1)


@click.group(
    cls=Commands,
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="forecasting-platform")
def main() -> None:
    """Load, train, promote, serve and control forecasts of daily series, on Dagster."""
