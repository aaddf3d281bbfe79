"""Data quality of loaded observations, by a Great Expectations suite.

Great Expectations takes seconds to import, so it is loaded when a check runs and never on the way of a load.
"""

import os
from dataclasses import dataclass
from typing import Any

import pandas as pd

from forecasting_platform.forecasting.date_range import DateRange


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What the suite found.

    Attributes:
        expectations: one row an expectation: `expectation`, `met`, `observed`.
    """

    passed: bool
    expectations: pd.DataFrame


def validate_observations(observations: pd.DataFrame, period: DateRange) -> QualityReport:
    """Judge the newest values of a range of days.

    Args:
        observations: rows of `OBSERVATIONS`, one per series and day.
        period: the days that were loaded.

    Returns:
        Expectations: the columns are there, a series and day stands once, every value is a number,
        every day lies in the range, and each series has a value on at least 90 % of the days.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations import expectations as core

    expect: Any = core  # its names are exported dynamically

    suite = [
        expect.ExpectTableColumnsToMatchSet(column_set=["unique_id", "ds", "y", "available_at"], exact_match=True),
        expect.ExpectCompoundColumnsToBeUnique(column_list=["unique_id", "ds"]),
        expect.ExpectColumnValuesToNotBeNull(column="y"),
        expect.ExpectColumnValuesToBeBetween(
            column="ds", min_value=pd.Timestamp(period.start), max_value=pd.Timestamp(period.end)
        ),
    ]
    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_pandas("observations")
    rows = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    series = source.add_dataframe_asset("series").add_batch_definition_whole_dataframe("all")
    results = [rows.get_batch({"dataframe": observations}).validate(expectation) for expectation in suite]
    completeness = expect.ExpectColumnValuesToBeBetween(column="share_of_days", min_value=0.9)
    results.append(series.get_batch({"dataframe": _completeness(observations, period)}).validate(completeness))
    found = pd.DataFrame(
        [
            {
                "expectation": _name(result.expectation_config),
                "met": bool(result.success),
                "observed": _observed(result.result),
            }
            for result in results
        ]
    )
    return QualityReport(bool(found["met"].all()), found)


def _completeness(observations: pd.DataFrame, period: DateRange) -> pd.DataFrame:
    days = observations.groupby("unique_id")["ds"].nunique()
    return (days / len(period)).rename("share_of_days").reset_index()


def _name(expectation: Any) -> str:
    return f"{expectation.type} {expectation.kwargs.get('column', '')}".strip()


def _observed(result: dict[str, object]) -> str:
    if "observed_value" in result:
        return str(result["observed_value"])[:200]
    return f"{result.get('unexpected_count', 0)} of {result.get('element_count', 0)} unexpected"
