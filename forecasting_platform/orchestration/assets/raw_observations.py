"""Feed -> `raw_observations`."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from forecasting_platform.errors import examples
from forecasting_platform.forecasting.reports.plots import observations_plot
from forecasting_platform.forecasting.series.date_range import DateRange, stretches
from forecasting_platform.orchestration.metadata import plot, show_on_last_day
from forecasting_platform.orchestration.partitions import daily_partitions, one_run, partition_period
from forecasting_platform.orchestration.pools import TABLE_STORE
from forecasting_platform.orchestration.retries import retried_when_unavailable
from forecasting_platform.ports.observation_feed import FeedDocument, ObservationFeed
from forecasting_platform.ports.table_store import LoadReport, TableStore
from forecasting_platform.settings import Settings

REFUSED, REFUSED_VALUES, LOAD_PROBLEM = "load_refused", "load_refused_values", "load_problem"
EXOGENOUS_REFUSED = "exogenous_feed_refused"
"""Metadata of a load: the sentence about what was refused, the number of values, why nothing may be built on it."""


@dg.asset(
    partitions_def=daily_partitions,
    backfill_policy=one_run,
    pool=TABLE_STORE,
    group_name="load",
    kinds={"http", "postgres"},
)
@retried_when_unavailable
def raw_observations(
    context: dg.AssetExecutionContext,
    observation_feed: dg.ResourceParam[ObservationFeed],
    table_store: dg.ResourceParam[TableStore],
) -> dg.MaterializeResult[None]:
    """A row is a value of a day as first known at `available_at`; a revision is a new row, a reload none.

    A second feed of exogenous values that cannot be used holds nothing up.

    Refreshed each midnight for the day before and a window of earlier days, or for any range on request. A day
    that the feed has no value for is materialized with 0 rows; a feed that cannot be used materializes nothing.
    """
    days = partition_period(context)
    context.log.info(f"asking the feed for {days}")
    document = observation_feed.fetch(days)
    context.log.info(_received(document))
    if document.beside is not None:
        context.log.info(_received(document.beside))
    report = table_store.record_observations(
        document.observations, days, available_at=document.fetched_at, quarantined=document.quarantined
    )
    context.log.info("recorded rows: " + ", ".join(f"{count:,} {name}" for name, count in report.totals.items()))
    if report.empty_days:
        context.log.warning(f"no value for {_named(report)}; these days are materialized with 0 rows")
    for day, metadata in _by_day(document, report):
        context.add_asset_metadata(metadata, partition_key=day.isoformat())
    show_on_last_day(context, {"values": plot(observations_plot(document.observations))})
    return dg.MaterializeResult(metadata=_of_load(document, report, days))


def _received(document: FeedDocument) -> str:
    how = "is unchanged since it was kept" if document.not_modified else "was received"
    kept = f", kept at {document.kept_at}" if document.kept_at else ""
    return (
        f"{document.source} {how}: {document.size_bytes:,} bytes, sha256 {document.sha256}{kept}; of the days asked "
        f"for {len(document.observations):,} values, {len(document.unpublished):,} announced without one; "
        f"{document.refusals}"
    )


def _named(report: LoadReport) -> str:
    return examples(map(str, stretches(report.empty_days))).replace("'", "")


def _by_day(document: FeedDocument, report: LoadReport) -> Iterator[tuple[date, dict[str, Any]]]:
    """What one partition shows beside the figures of its load."""
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


def _of_load(document: FeedDocument, report: LoadReport, days: DateRange) -> dict[str, Any]:
    """What each partition of one load shows alike."""
    problem = document.refusals.problem(days, Settings().max_refused_share)
    return {
        **{f"load_{name}": count for name, count in report.totals.items()},
        REFUSED: str(document.refusals),
        REFUSED_VALUES: sum(found.refusals.refused_values for found in (document, document.beside) if found),
        **({LOAD_PROBLEM: problem} if problem else {}),
        "load_days_without_value": len(report.empty_days),
        **({"load_days_without_value_named": _named(report)} if report.empty_days else {}),
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
