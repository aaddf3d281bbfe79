"""What a load shows on its partitions."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from forecasting_platform.errors import examples
from forecasting_platform.forecasting.series.date_range import DateRange, stretches
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.ports.table_store import LoadReport

REFUSED, REFUSED_VALUES, LOAD_PROBLEM = "load_refused", "load_refused_values", "load_problem"
EXOGENOUS_REFUSED = "exogenous_feed_refused"
"""Metadata of a load: the sentence about what was refused, the number of values, why nothing may be built on it."""


def named_days(report: LoadReport) -> str:
    """The days without a value, as ranges, at most five of them."""
    return examples(map(str, stretches(report.empty_days))).replace("'", "")


def partition_metadata(document: FeedDocument, report: LoadReport) -> Iterator[tuple[date, dict[str, Any]]]:
    """The metadata of each day's partition, by day."""
    unpublished = Counter(day for _unique_id, day in document.unpublished)
    empty_days = report.empty_days
    for day, counts in zip(report.by_day.index, report.by_day.to_dict("records"), strict=True):
        metadata: dict[str, Any] = {f"rows_{name}": count for name, count in counts.items()}
        metadata["dagster/partition_row_count"] = sum(counts.values()) - counts["quarantined"]
        if unpublished[day]:
            metadata["rows_announced_without_value"] = unpublished[day]
        if day in empty_days:
            metadata["note"] = "the feed has no value for this day"
        yield day, metadata


def load_metadata(
    document: FeedDocument, report: LoadReport, days: DateRange, *, max_refused_share: float
) -> dict[str, Any]:
    """The metadata that all partitions of a load share."""
    problem = document.refusals.problem(days, max_refused_share)
    return {
        **{f"load_{name}": count for name, count in report.totals.items()},
        REFUSED: str(document.refusals),
        REFUSED_VALUES: sum(found.refusals.refused_values for found in (document, document.beside) if found),
        **({LOAD_PROBLEM: problem} if problem else {}),
        "load_days_without_value": len(report.empty_days),
        **({"load_days_without_value_named": named_days(report)} if report.empty_days else {}),
        "load_unpublished_values": len(document.unpublished),
        "feed": document.source,
        "feed_bytes": document.size_bytes,
        "feed_sha256": document.sha256,
        "feed_not_modified": document.not_modified,
        **({"feed_document": dg.MetadataValue.url(document.kept_at)} if document.kept_at else {}),
        **_of_exogenous_feed(document),
    }


def _of_exogenous_feed(document: FeedDocument) -> dict[str, Any]:
    beside = document.beside
    if beside is None:
        return {"exogenous_feed_failed": document.beside_failed} if document.beside_failed else {}
    return {
        "exogenous_feed": beside.source,
        "exogenous_feed_bytes": beside.size_bytes,
        "exogenous_feed_sha256": beside.sha256,
        EXOGENOUS_REFUSED: str(beside.refusals),
        **({"exogenous_feed_document": dg.MetadataValue.url(beside.kept_at)} if beside.kept_at else {}),
    }
