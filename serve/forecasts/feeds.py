"""The state of each feed: its newest load, what was refused, the days it has, and the next due day."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from forecasting_platform.errors import shortened
from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad, LoadedDocument
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import HELD_OBSERVATIONS
from forecasting_platform.forecasting.series.quality.refusals import Refused
from forecasting_platform.ports.table_store import TableStore

MAX_FEEDS = 200
MAX_HELD = 20
HELD_DAYS = 14
"""A value of days before is held back for good, or has an incident of its own."""


def describe_feeds(loads: Sequence[FeedLoad], store: TableStore | None, now: datetime) -> dict[str, Any]:
    """An answer about all feeds: the first `MAX_FEEDS` of them, and which of the newest values are held back.

    Args:
        store: where values are held back; without one, none is told.
    """
    held = _held_back(store, loads) if store else HELD_OBSERVATIONS.empty()
    return {
        "feeds": [_describe_feed(load, now) for load in loads[:MAX_FEEDS]],
        "feed_count": len(loads),
        "held": [_describe_held(row) for row in held.head(MAX_HELD).itertuples()],
        "held_count": len(held),
    }


def _held_back(store: TableStore, loads: Sequence[FeedLoad]) -> pd.DataFrame:
    """The rows of `HELD_OBSERVATIONS` of the newest days that any feed has, the newest first."""
    days = [load.document.newest_day for load in loads if load.document and load.document.newest_day]
    if not days:
        return HELD_OBSERVATIONS.empty()
    held = store.read(HELD_OBSERVATIONS, DateRange(max(days) - timedelta(days=HELD_DAYS - 1), max(days)))
    return held.sort_values("ds", ascending=False, kind="stable")


def _describe_held(row: Any) -> dict[str, Any]:
    return {"unique_id": row.unique_id, "ds": row.ds.date(), "y": row.y, "reason": row.reason}


def _describe_feed(load: FeedLoad, now: datetime) -> dict[str, Any]:
    """The fields of a feed in an answer."""
    due_from = load.complete_from
    return {
        "name": load.feed,
        "state": load.state,
        "asked_at": load.asked_at,
        **_ends(load.asked_for),
        "problem": load.problem,
        "failing_since": load.failing_since,
        "loaded": load.document and _describe_document(load.document),
        "newest_day": load.document and load.document.newest_day,
        "not_yet": load.not_yet and _ends(load.not_yet),
        "next_due": load.next_due,
        "complete_from": due_from,
        "is_late": due_from is not None and due_from < now,
    }


def _describe_document(document: LoadedDocument) -> dict[str, Any]:
    refusals = document.refusals
    return {
        "at": document.fetched_at,
        **_ends(document.days),
        "source": document.source,
        "values": document.values,
        "new": document.new,
        "revised": document.revised,
        "unchanged": document.unchanged,
        "rows": refusals.rows,
        "refused_rows": refusals.refused_rows,
        "refused_values": refusals.refused_values,
        "refused": [_describe_refused(each) for each in refusals.examples],
    }


def _describe_refused(refused: Refused) -> dict[str, Any]:
    return {
        "row": refused.row,
        "unique_id": refused.unique_id,
        "raw": shortened(refused.raw),
        "reason": shortened(refused.reason),
    }


def _ends(days: DateRange) -> dict[str, date]:
    return {"start": days.start, "end": days.end}
