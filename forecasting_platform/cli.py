"""`forecasting-platform`: the group of all commands. A command's module is imported when the command is used."""

import sys
from importlib import import_module
from typing import Any

import click

from forecasting_platform.code_version import code_version
from forecasting_platform.errors import ForecastingPlatformError

COMMANDS = {
    "alerts": ("alerts:alerts", "List, acknowledge and mute incidents; watch the alert sensor."),
    "as-of": ("as_of:as_of", "What was served, known and decided at a past moment."),
    "backtest": ("backtest:backtest", "Scores of a recipe on past days, and whether it beats another."),
    "backtest-policy": ("backtest_policy:backtest_policy", "Replay the stored history under other policies."),
    "backup": ("embedded.backup:backup", "Write databases, models and documents into a directory."),
    "decisions": ("decisions:decisions", "The promotion ledger, newest first."),
    "down": ("embedded.up:down", "Stop the embedded platform of a data directory."),
    "features": ("features:features", "What models knew at the end of each day."),
    "feed": ("feed:feed", "Propose the description of a feed, and check one."),
    "forecast": ("forecast:forecast", "The champion's forecast of a date range."),
    "gateway": ("gateway:gateway", "Who may log in at the gateway, and what each may do."),
    "load": ("load:load", "Load a date range as one partition backfill."),
    "migrate": ("embedded.migrate:migrate", "Upgrade the databases of an earlier release."),
    "promote": ("train:promote", "Evaluate the challenger against the champion now."),
    "report": ("report:report", "Accuracy, bias, coverage, drift and alerts."),
    "restore": ("embedded.backup:restore", "Put a backup into the directory of a stopped platform."),
    "rollback": ("train:rollback", "Serve an earlier version again, and record why."),
    "simulate": ("forecast:simulate", "The model's input frame for a date range."),
    "status": ("embedded.up:status", "What runs, which version serves, what is open."),
    "train": ("train:train", "Train a new version, with alias challenger."),
    "up": ("embedded.up:up", "Start the embedded platform and run the main job on it."),
}
"""By command: its module in `commands`, its name there, and its line in the list of commands."""


class Commands(click.Group):
    """Imports a command when it is used (click's documentation, "Lazily Loading Subcommands").

    Errors of the platform are one sentence on standard error and exit code 1.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        try:
            command: click.Command = getattr(import_module(f"forecasting_platform.commands.{module}"), name)
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"{cmd_name} needs {error.name}, which is not installed: pip install 'forecasting-platform[local]'"
            ) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

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


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"forecasting-platform {code_version()}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    callback=_print_version,
    expose_value=False,
    is_eager=True,
    help="Print release and commit.",
)
def main() -> None:
    """Load, train, promote, serve and control forecasts of daily series, on Dagster."""
