"""What a command prints: tables for a person, JSON or CSV for a machine."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import pandas as pd
from rich.console import Console
from rich.table import Table

from forecasting_platform.csv_cells import cell

WIDTH = 200
"""Of a table that is written to a file or a pipe."""


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, default=str, indent=2))


def print_rows(rows: Sequence[Mapping[str, Any]], *, title: str | None = None, as_json: bool = False) -> None:
    """Rows with the same keys, as a table or as a JSON array."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        click.echo(f"{title or 'rows'}: none")
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in rows[0]:
        # Nothing is cut short: what a person reads here is what the next command wants, such as an incident's id.
        table.add_column(name, justify="right" if isinstance(rows[0][name], int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    # Names of series are any text, `[/red]` and `:smile:` among it.
    console = Console(width=None if Console().is_terminal else WIDTH, markup=False, emoji=False)
    console.print(table)


def print_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Rows with a header; where there may be no row, the header needs the columns."""
    # Some fields are only in the rows where they are true.
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(sys.stdout)
    writer.writerow(map(cell, names))
    writer.writerows([cell(row.get(name)) for name in names] for row in rows)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame as rows; what is not a number is None."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}"
    return "–" if value is None else str(value)
