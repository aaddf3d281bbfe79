"""Numbers, tables and plots as Dagster metadata."""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd

from forecasting_platform.forecasting.reports.many_series import Shown
from forecasting_platform.forecasting.reports.markdown import markdown_cell
from forecasting_platform.forecasting.series.days.date_range import DateRange


def plot(png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG, shown in place by Dagster's UI."""
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")


def show_on_last_day(context: dg.AssetExecutionContext, metadata: Mapping[str, Any]) -> None:
    """Attach large metadata to the last day of a run only; Dagster stores metadata once per day."""
    context.add_asset_metadata(metadata, partition_key=context.partition_key_range.end)


def show_row_counts(context: dg.AssetExecutionContext, days: DateRange, of: pd.Series) -> None:
    """Attach to each day's partition the number of its rows.

    Args:
        of: the day of each row.
    """
    counts = of.value_counts().to_dict()
    for day in days:
        rows = counts.get(pd.Timestamp(day), 0)
        context.add_asset_metadata({"dagster/partition_row_count": rows}, partition_key=day.isoformat())


def table(rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """A frame as a Markdown table, numbers with four digits."""
    header = "| " + " | ".join(map(str, rows.columns)) + " |\n|" + "---|" * len(rows.columns)
    lines = ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows.itertuples(index=False)]
    return dg.MetadataValue.md("\n".join([header, *lines]))


def tables(name: str, shown: Shown) -> dict[str, dg.MarkdownMetadataValue]:
    """What is shown of a table of series, by the table's name; the quantiles of many series beside it."""
    quantiles = {f"{name}_quantiles": table(shown.quantiles)} if len(shown.quantiles) else {}
    return {name: table(shown.rows), **quantiles}


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "unknown" if math.isnan(value) else f"{value:.4g}"
    return markdown_cell(str(value))


def document(value: Mapping[str, Any]) -> dg.JsonMetadataValue:
    """A mapping as JSON; values that are not JSON become texts."""
    return dg.MetadataValue.json(json.loads(json.dumps(value, default=str)))
