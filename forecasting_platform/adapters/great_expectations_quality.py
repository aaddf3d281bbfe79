"""Validates loaded days with a Great Expectations suite: rows for Dagster and a page of Data Docs.

`series.quality.data_quality` defines what is expected of a day. Importing Great Expectations takes seconds, so that
it is imported when a check runs, and no load waits for it.
"""

import html
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Any

import pandas as pd

from forecasting_platform.adapters.whole_files import keep_newest, write_whole
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.quality.data_quality import JUDGED_COLUMNS

PAGES_KEPT = 366
_ANY_VALUE_MISSING = "either_value_is_missing"


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What the suite found.

    Attributes:
        expectations: one row an expectation: `expectation`, `met`, `judged` and `unexpected` rows.
        unexpected: the rows that are not as expected: `expectation`, `unique_id`, `ds`, `y`.
        page: the result as HTML; a browser loads nothing from elsewhere for it, and runs no script.
    """

    passed: bool
    expectations: pd.DataFrame
    unexpected: pd.DataFrame
    page: str


def validate_days(observations: pd.DataFrame, judged: pd.DataFrame, period: DateRange) -> QualityReport:
    """Run the suite over loaded observations and the days that should have one.

    Args:
        observations: rows of `OBSERVATIONS`.
        judged: rows of `judge_days` for the same days; may be empty.
    """
    gx = import_great_expectations()
    rows = _rows(observations, judged)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = context.data_sources.add_pandas("store").add_dataframe_asset("raw_observations")
    suite = gx.ExpectationSuite("loaded days", expectations=list(_expectations(gx.expectations, period)))
    result = batch.add_batch_definition_whole_dataframe(str(period)).get_batch({"dataframe": rows}).validate(
        suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["unique_id", "ds"]}
    )  # fmt: skip
    found = pd.DataFrame([_outcome(single) for single in result.results])
    return QualityReport(bool(result.success), found, _unexpected(result.results, rows), _page(result))


def write_page(folder: Path, name: str, page: str) -> Path:
    """Add a page to a folder of Data Docs, of which the newest 366 are kept; its path."""
    path = folder / f"{name}.html"
    write_whole(path, page.encode())
    keep_newest(folder, "*.html", PAGES_KEPT)
    return path


def import_great_expectations() -> Any:
    """The library, imported so that it calls nobody; seconds, the first time."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with _hidden("pyspark.sql.connect" if "pyspark" in sys.modules else "pyspark"):
        import great_expectations

    return great_expectations


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """As if a module were not installed, unless it is imported already.

    Great Expectations tries to import Spark Connect. Where a part that this needs is missing, Spark takes a process
    whose main module is no file, such as each of Dagster's workers, for its own doctests, and ends it: `sys.exit(0)`.
    """
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment] # what the import system documents: it is not found
    try:
        yield
    finally:
        del sys.modules[module]


def _rows(observations: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """Every observation with its limits, and the days that are due and have none."""
    absent = judged[judged["is_due"].astype(bool) & judged["y"].isna()]
    limits = judged[["unique_id", "ds", *JUDGED_COLUMNS]].drop(columns="y")
    rows = observations.merge(limits, on=["unique_id", "ds"], how="left")
    rows = pd.concat([rows, absent.drop(columns=["change", "flat_days", "swing"])]) if len(absent) else rows
    # Great Expectations writes what it is given into its pages as it is.
    escaped = {name: html.escape(name) for name in rows["unique_id"].unique()}
    return rows.drop(columns="is_due").assign(unique_id=rows["unique_id"].map(escaped)).reset_index(drop=True)


def _expectations(expect: Any, period: DateRange) -> Iterator[Any]:
    first, last = pd.Timestamp(period.start), pd.Timestamp(period.end)
    yield expect.ExpectColumnValuesToBeOfType(column="unique_id", type_="str", description="a series is text")
    yield expect.ExpectColumnValuesToBeOfType(column="ds", type_="datetime64", description="a day is a date")
    yield expect.ExpectColumnValuesToBeOfType(column="y", type_="float64", description="a value is a number")
    yield expect.ExpectColumnValuesToBeBetween(
        column="ds", min_value=first, max_value=last, description="days are those that were loaded"
    )
    yield expect.ExpectCompoundColumnsToBeUnique(
        column_list=["unique_id", "ds"], description="a series has one value a day"
    )
    yield expect.ExpectColumnValuesToNotBeNull(column="y", description="every day that is due has a value")
    for above, below, claim in (
        ("y", "low", "no value is unusually low"),
        ("high", "y", "no value is unusually high"),
        ("max_change", "change", "no value jumps"),
        ("max_flat_days", "flat_days", "no value stands still for unusually long"),
        ("swing", "min_swing", "no series moves far less in a week than ever before"),
    ):
        yield expect.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=above, column_B=below, or_equal=True, ignore_row_if=_ANY_VALUE_MISSING, description=claim
        )


def _outcome(single: Any) -> dict[str, object]:
    return {
        "expectation": single.expectation_config.description,
        "met": bool(single.success),
        "judged": int(single.result.get("element_count", 0)) - int(single.result.get("missing_count") or 0),
        "unexpected": int(single.result.get("unexpected_count", 0)),
    }


def _unexpected(results: list[Any], rows: pd.DataFrame) -> pd.DataFrame:
    keys = [
        {"expectation": single.expectation_config.description, "unique_id": row["unique_id"], "ds": row["ds"]}
        for single in results
        for row in single.result.get("unexpected_index_list") or ()
    ]
    found = pd.DataFrame(keys, columns=["expectation", "unique_id", "ds"])
    values = rows[["unique_id", "ds", "y"]].drop_duplicates(["unique_id", "ds"])
    shown = found.astype({"ds": "datetime64[ns]"}).merge(values, on=["unique_id", "ds"], how="left")
    return shown.assign(unique_id=shown["unique_id"].map(html.unescape), ds=shown["ds"].dt.date.astype(str))


def _page(result: Any) -> str:
    from great_expectations.render import renderer, view

    pages: Any = view  # its names are exported dynamically
    contents: Any = renderer
    with _without_render_noise():
        page: str = pages.DefaultJinjaPageView().render(contents.ValidationResultsPageRenderer().render(result))
    return page.replace("<head>", f"<head>{_POLICY}{_STYLE}", 1)


@contextmanager
def _without_render_noise() -> Iterator[None]:
    """Under numpy 2.4 the renderer logs an error for each number it shows, and shows it all the same."""
    logger = getLogger("great_expectations.render.util")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled


# Its template asks others' servers for scripts, fonts and a logo that counts views. A browser that is told
# so loads none of it, and runs no script that a series' name might hold.
_POLICY = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
_STYLE = (
    "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.3rem .6rem;border:1px solid #ddd;text-align:left}"
    ".navbar,.modal,button,footer,.cooltip{display:none}</style>"
)
