"""`forecast` and `simulate`: what the running app answers."""

from datetime import date
from pathlib import Path
from typing import Any

import click

from forecasting_platform.commands.terminal.connection import connect
from forecasting_platform.commands.terminal.options import data_dir_option, json_option, range_of, range_options
from forecasting_platform.commands.terminal.output import print_csv, print_json, print_rows


@click.command(epilog="Example: forecasting-platform forecast --start 2023-07-01 --end 2023-07-15 --format csv")
@range_options()
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@data_dir_option
@json_option
def forecast(start: date, end: date, form: str, data_dir: Path, as_json: bool) -> None:
    """The champion's forecast of a date range."""
    answer = _ask("/predict", start, end, data_dir)
    if as_json or form == "json":
        print_json(answer)
    elif form == "csv":
        print_csv(answer["forecasts"])
    else:
        model = answer["model"]
        print_rows(answer["forecasts"], title=f"champion: version {model['version']}, cutoff {model['cutoff']}")


@click.command(epilog="Example: forecasting-platform simulate --start 2023-07-01 --end 2023-07-03 --json")
@range_options()
@data_dir_option
@json_option
def simulate(start: date, end: date, data_dir: Path, as_json: bool) -> None:
    """The model's input frame for a date range: CSV, or JSON that POST /predict takes back."""
    answer = _ask("/simulate", start, end, data_dir)
    print_json(answer) if as_json else print_csv(answer["inputs"])


def _ask(path: str, start: date, end: date, data_dir: Path) -> Any:
    days = range_of(start, end)
    return connect(data_dir).ask_app("POST", path, {"start": days.start.isoformat(), "end": days.end.isoformat()})
