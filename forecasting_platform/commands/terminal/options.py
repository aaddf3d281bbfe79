"""Options and types of arguments that several commands share."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from forecasting_platform.forecasting.reports.as_of import end_of
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.local.environment import Addresses, blocked_ports

data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), default=Path(".platform"), show_default=True,
    envvar="FORECASTING_DATA_DIR", help="Where the embedded platform keeps everything.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")


class PortBase(click.IntRange):
    """The first of the ports of a platform."""

    def __init__(self) -> None:
        super().__init__(1, 65530)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The port, or a usage error that names the ports of it that no browser would open."""
        base: int = super().convert(value, param, ctx)
        if blocked := blocked_ports(Addresses(base)):
            named = ", ".join(f"{port} ({service})" for port, service in blocked.items())
            self.fail(
                f"{base} uses port {named}, which browsers refuse to open; give another, such as 3000", param, ctx
            )
        return base


class Day(click.ParamType[date]):  # type: ignore[type-arg,unused-ignore] # generic since click 8.2
    """A day as YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day, or a usage error that says what is expected."""
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 # a day has no zone
        except ValueError:
            self.fail(f"{value!r} is no day; write YYYY-MM-DD", param, ctx)


class Moment(click.ParamType[datetime]):  # type: ignore[type-arg,unused-ignore] # generic since click 8.2
    """A time as ISO 8601 with its zone."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time, or a usage error that says what is expected."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write it as 2023-07-01T06:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no time zone; add Z for UTC", param, ctx)
        return moment


class DayOrMoment(click.ParamType[datetime]):  # type: ignore[type-arg,unused-ignore] # generic since click 8.2
    """A day, which means its end in UTC, or a time as ISO 8601 with its zone."""

    name = "DAY|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, or a usage error that says what is expected."""
        if isinstance(value, str) and len(value) == len("YYYY-MM-DD"):
            return end_of(Day().convert(value, param, ctx))
        return Moment().convert(value, param, ctx)


def range_options(required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--start` and `--end`, both inclusive."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, text in (("--end", "Last day, inclusive."), ("--start", "First day, inclusive.")):
            command = click.option(name, type=Day(), required=required, help=text)(command)
        return command

    return decorate


def range_of(start: date, end: date) -> DateRange:
    """The days from `--start` to `--end`, or a usage error where they are swapped."""
    if end < start:
        raise click.UsageError(f"--end {end} lies before --start {start}; swap them")
    return DateRange(start, end)


recipe_option = click.option(
    "--recipe", type=click.Path(path_type=Path),
    help="A recipe file (docs/reference/recipe.md); its text is used, whoever can see the file.",
)  # fmt: skip


def recipe_text(path: Path | None) -> str:
    """The text of a recipe file, checked; empty without a file.

    Raises:
        RecipeFileError: it cannot be read, or something in it cannot be used.
    """
    if path is None:
        return ""
    from forecasting_platform.forecasting.models.recipes.recipe import Recipe
    from forecasting_platform.forecasting.models.recipes.recipe_file import read_recipe

    read_recipe(path, Recipe())
    return path.read_text(encoding="utf-8")
