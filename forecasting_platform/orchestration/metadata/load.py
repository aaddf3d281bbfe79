"""The metadata of a load, shown on its partitions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from forecasting_platform.errors import examples
from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad
from forecasting_platform.forecasting.series.days.date_range import DateRange, stretches
from forecasting_platform.ports.observation_feed import FeedDocument, FeedResult
from forecasting_platform.ports.table_store import OUTCOMES, LoadReport
from forecasting_platform.services.loading.raw_observations import Load

REFUSED, REFUSED_VALUES, LOAD_PROBLEM = "load_refused", "load_refused_values", "load_problem"
EXOGENOUS_REFUSED, FEEDS = "exogenous_feed_refused", "feeds"
"""Metadata of a load: the sentence about what was refused, the number of values, why nothing may be built on it; of
several feeds, what each of them gave."""


def named_days(days: Iterable[date]) -> str:
    """Days as ranges, at most five of them."""
    return examples(map(str, stretches(days))).replace("'", "")


def partition_metadata(
    document: FeedDocument, report: LoadReport, closed: frozenset[date] = frozenset()
) -> Iterator[tuple[date, dict[str, Any]]]:
    """The metadata of each day's partition, by day.

    Args:
        closed: days on which no feed has a value.
    """
    unpublished = Counter(day for _unique_id, day in document.unpublished)
    empty_days = report.empty_days
    for day, counts in zip(report.by_day.index, report.by_day.to_dict("records"), strict=True):
        metadata: dict[str, Any] = {f"rows_{name}": count for name, count in counts.items()}
        metadata["dagster/partition_row_count"] = sum(counts.values()) - counts["quarantined"]
        if unpublished[day]:
            metadata["rows_announced_without_value"] = unpublished[day]
        if day in empty_days:
            metadata["note"] = "no value is due on this day" if day in closed else "the feed has no value for this day"
        yield day, metadata


def load_metadata(
    load: Load, days: DateRange, *, max_refused_share: float, closed: frozenset[date] = frozenset()
) -> dict[str, Any]:
    """The metadata that all partitions of a load share.

    Args:
        closed: those of the days on which no feed has a value.
    """
    document, report = load.document, load.report
    results = document.results()
    problem = _problem(results, days, max_refused_share, len(days) - len(closed))
    without_value = report.empty_days - closed
    return {
        **{f"load_{name}": count for name, count in report.totals.items()},
        REFUSED: str(document.refusals),
        REFUSED_VALUES: sum(found.document.refusals.refused_values for found in results if found.document),
        **({LOAD_PROBLEM: problem} if problem else {}),
        "load_days_without_value": len(without_value),
        **({"load_days_without_value_named": named_days(without_value)} if without_value else {}),
        "load_unpublished_values": len(document.unpublished),
        "feed": document.source,
        "feed_bytes": document.size_bytes,
        "feed_sha256": document.sha256,
        "feed_not_modified": document.not_modified,
        **({"feed_document": dg.MetadataValue.url(document.kept_at)} if document.kept_at else {}),
        **_of_exogenous_feed(results),
        **_of_feeds(results, load.feeds),
    }


def _of_feeds(results: Sequence[FeedResult], loads: Sequence[FeedLoad]) -> dict[str, Any]:
    """Which days each feed has, and when the next one is due; of several, all that each gave."""
    if _are_several(results):
        shown = {
            each.name: _of_feed(each) | _counts(load) | _days(load) for each, load in zip(results, loads, strict=True)
        }
        return {FEEDS: dg.MetadataValue.json(shown)}
    return {f"feed_{name}": value for name, value in _days(loads[0]).items() if value is not None}


def _counts(load: FeedLoad) -> dict[str, int]:
    return {name: getattr(load.document, name) for name in OUTCOMES} if load.document else {}


def _days(load: FeedLoad) -> dict[str, str | None]:
    return {
        "newest_day": _text(load.document and load.document.newest_day),
        "not_yet": _text(load.not_yet),
        "next_due": _text(load.next_due),
        "complete_from": _text(load.complete_from),
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _are_several(results: Sequence[FeedResult]) -> bool:
    return sum(result.is_needed for result in results) > 1


def _problem(results: Sequence[FeedResult], days: DateRange, max_refused_share: float, due_days: int) -> str | None:
    """Why nothing may be built on the load: because of each of the feeds that something was taken of."""
    taken = [result for result in results if result.is_needed and result.document and not result.problem]
    found = {
        result.name: result.document.refusals.problem(days, max_refused_share, due_days)
        for result in taken
        if result.document
    }
    if not found or not all(found.values()):
        return None
    return "; ".join(f"{name}: {why}" if _are_several(results) else str(why) for name, why in found.items())


def _of_feed(result: FeedResult) -> dict[str, Any]:
    """What a load shows of one of several feeds."""
    document = result.document
    if document is None:
        return {"problem": result.problem}
    return {
        "problem": result.problem,
        "source": document.source,
        "values": len(document.observations),
        "refused": str(document.refusals),
        "refused_values": document.refusals.refused_values,
        "bytes": document.size_bytes,
        "sha256": document.sha256,
        "not_modified": document.not_modified,
        "document": document.kept_at,
    }


def _of_exogenous_feed(results: Sequence[FeedResult]) -> dict[str, Any]:
    result = next((result for result in results if not result.is_needed), None)
    if result is None:
        return {}
    failed = {"exogenous_feed_failed": result.problem} if result.problem else {}
    document = result.document
    if document is None:
        return failed
    return {
        **failed,
        "exogenous_feed": document.source,
        "exogenous_feed_bytes": document.size_bytes,
        "exogenous_feed_sha256": document.sha256,
        EXOGENOUS_REFUSED: str(document.refusals),
        **({"exogenous_feed_document": dg.MetadataValue.url(document.kept_at)} if document.kept_at else {}),
    }
