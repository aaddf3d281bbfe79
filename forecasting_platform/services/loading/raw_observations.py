"""Loads days of a feed into `raw_observations`."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from forecasting_platform.errors import ForecastingPlatformError
from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import PLANNED_VALUES
from forecasting_platform.forecasting.series.quality.reconciliation import differing_values
from forecasting_platform.ports.observation_feed import FeedDocument, ObservationFeed
from forecasting_platform.ports.table_store import LoadReport, TableStore
from forecasting_platform.services.loading.feed_loads import FeedLoads


@dataclass(frozen=True, slots=True)
class Load:
    """A document that was fetched, and what recording its values changed.

    Attributes:
        feeds: the load of each feed.
    """

    document: FeedDocument
    report: LoadReport
    feeds: tuple[FeedLoad, ...]


def load_observations(
    feed: ObservationFeed, store: TableStore, days: DateRange, feed_loads: FeedLoads, log: logging.Logger
) -> Load:
    """Fetch the values of some days and record them; nothing is written where the feed cannot be used.

    Args:
        feed_loads: is told at last how it went for each feed, also where nothing was loaded.
        log: is told of each step, since a load may take minutes.

    Raises:
        FeedUnavailableError, FeedDocumentError: the feed does not answer, or its document cannot be read.
        ArchiveUnavailableError: the document could not be kept.
        StoreUnavailableError: the store does not answer.
    """
    try:
        document, report = _load(feed, store, days, log)
    except ForecastingPlatformError as error:
        feed_loads.record(feed_loads.of_error(error, days, datetime.now(UTC)), log)
        raise
    feeds = feed_loads.of_document(document, report, days)
    feed_loads.record(feeds, log)
    return Load(document, report, feeds)


def differing_plans(document: FeedDocument, store: TableStore) -> pd.DataFrame:
    """The planned values of a document that the store lacks, or has otherwise; see `differing_values`.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    planned = document.planned
    if planned.empty:
        return planned
    days = DateRange(planned["ds"].min().date(), planned["ds"].max().date())
    # Ordered by when each became known.
    versions = store.read(PLANNED_VALUES, days)
    return differing_values(planned, versions.drop_duplicates(["unique_id", "ds"], keep="last"))


def _load(
    feed: ObservationFeed, store: TableStore, days: DateRange, log: logging.Logger
) -> tuple[FeedDocument, LoadReport]:
    log.info("asking the feed for %s", days)
    document = feed.fetch(days)
    for result in document.results():
        if result.document:
            log.info(_describe(result.document))
        if result.problem:
            log.warning("going on without all that the feed %r should give: %s", result.name, result.problem)
    report = store.record_observations(
        document.observations, days, available_at=document.fetched_at, quarantined=document.quarantined
    )
    if len(document.planned):
        added = store.record_plans(document.planned, available_at=document.fetched_at)
        log.info(
            "of %s planned values of days to come, %s are new or changed", f"{len(document.planned):,}", f"{added:,}"
        )
    log.info("recorded rows: %s", ", ".join(f"{count:,} {name}" for name, count in report.totals.items()))
    return document, report


def _describe(document: FeedDocument) -> str:
    how = "is unchanged since it was kept" if document.not_modified else "was received"
    kept = f", kept at {document.kept_at}" if document.kept_at else ""
    return (
        f"{document.source} {how}: {document.size_bytes:,} bytes, sha256 {document.sha256}{kept}; of the days asked "
        f"for {len(document.observations):,} values, {len(document.unpublished):,} announced without one; "
        f"{document.refusals}"
    )
