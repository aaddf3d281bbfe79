"""`report`: accuracy, bias, coverage and alerts, in the terminal or as one offline file."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click
import pandas as pd

from forecasting_platform.commands.alerts import alert_rows, incident_rows
from forecasting_platform.commands.terminal.connection import Connection, connect
from forecasting_platform.commands.terminal.options import data_dir_option, json_option
from forecasting_platform.commands.terminal.output import print_json, print_rows, records
from forecasting_platform.errors import ForecastingPlatformError
from forecasting_platform.services.report import Report
from forecasting_platform.wiring import declared_not_normal, postgres_store_of

TITLES = {
    "accuracy": "accuracy of the forecasts of record",
    "vintages": "by first published and by latest actuals",
    "left_out": "periods declared as not normal: their days count for nothing",
    "answered": "forecasts answered by the app before their day's value was known, by version and days ahead",
    "drift": "drift: evidence of a lasting change, against the threshold of its budget",
    "detection": "median days until a change of the champion's errors pages, at one false page a year",
    "series": "series apart: new and constant ones decide nothing, ended ones are not forecast",
}
"""Of the report's tables, in their order."""


@click.command(epilog="Example: forecasting-platform report --html report.html")
@click.option("--html", "html_path", type=click.Path(path_type=Path, dir_okay=False), help="Write one offline file.")
@click.option("--all", "every_series", is_flag=True, help="Each series, and not only the worst ten of many.")
@data_dir_option
@json_option
def report(html_path: Path | None, every_series: bool, data_dir: Path, as_json: bool) -> None:
    """Accuracy, bias and coverage over windows, drift, and open alerts; of many series the worst ten and quantiles."""
    found = _read(connect(data_dir), every_series)
    if html_path is not None:
        try:
            html_path.write_text(found.html(pd.DataFrame(alert_rows(found.alerts))), encoding="utf-8")
        except OSError as error:
            raise click.FileError(str(html_path), f"{error.strerror}; name another one with --html") from error
        click.echo(f"written to {html_path}", err=True)
    rows = {name: records(getattr(found, name)) for name in TITLES}
    quantiles = {name: records(of) for name, of in found.quantiles.items()}
    if as_json:
        print_json(
            {**rows, **{f"{name}_quantiles": of for name, of in quantiles.items()}, "alerts": alert_rows(found.alerts)}
        )
        return
    for name, title in TITLES.items():
        print_rows(rows[name], title=title)
        if name in quantiles:
            print_rows(quantiles[name], title=f"quantiles of all series: {title}")
    print_rows(incident_rows(found.alerts), title="open incidents")


def _read(connection: Connection, every_series: bool) -> Report:
    settings, champion = connection.settings, _champion(connection)
    with ExitStack() as opened:
        store, ledger = opened.enter_context(connection.table_store()), opened.enter_context(connection.ledger())
        # The app logs to Postgres, wherever the other tables are.
        elsewhere = settings.table_store != "postgres"
        log_store = opened.enter_context(closing(postgres_store_of(settings))) if elsewhere else None
        declared = declared_not_normal(settings)
        return Report(store, ledger, log_store, settings, champion, declared, every_series=every_series)


def _champion(connection: Connection) -> dict[str, Any]:
    """What the app says of the champion; empty where there is none yet."""
    try:
        found: dict[str, Any] = connection.ask_app("GET", "/model")
    except ForecastingPlatformError as error:
        click.echo(f"the champion's backtest is left out: {error}", err=True)
        return {}
    return found
