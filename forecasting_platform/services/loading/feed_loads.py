"""Records how the newest load of each feed went, for the page and for who is on call.

The record is written after the values, so that it never claims a value that is not stored. One that cannot be
written costs the load nothing; the load's log has the reason, and the record of the load before stays, with its time.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import numpy as np

from forecasting_platform.errors import ForecastingPlatformError
from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad, LoadedDocument, after_load
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import EVERY_DAY, DueDays
from forecasting_platform.forecasting.series.quality.limits import storable_text
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.observation_feed import FeedDocument, FeedResult
from forecasting_platform.ports.table_store import OUTCOMES, LoadReport

MAX_PROBLEM_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class FeedLoads:
    """The record of each feed's newest load.

    Attributes:
        ledger: where it is kept; None keeps none.
        due_days: of each feed that is described, by its name; empty where nothing is known of them.
        max_refused_share: of a document of which more is refused, nothing is built.
    """

    ledger: Ledger | None
    due_days: Mapping[str, DueDays] = field(default_factory=dict)
    max_refused_share: float = 1.0

    def of_document(self, document: FeedDocument, report: LoadReport, days: DateRange) -> tuple[FeedLoad, ...]:
        """The load of each feed whose values were recorded, as if there had been none before."""
        return tuple(self._of_result(result, document.fetched_at, report, days) for result in self._results(document))

    def of_error(self, error: ForecastingPlatformError, days: DateRange, now: datetime) -> tuple[FeedLoad, ...]:
        """The load of each feed that an error kept from being recorded: each that it names, or else every one."""
        problems = error.problems_of_feeds or dict.fromkeys(self.due_days or ("feed",), str(error))
        return tuple(self._load(name, now, days, problem) for name, problem in problems.items())

    def record(self, loads: Sequence[FeedLoad], log: logging.Logger) -> None:
        """Keep what a load gave of each feed; what keeps that from being written is only logged."""
        if self.ledger is None:
            return
        described = self.due_days or {load.feed for load in loads}
        try:
            self.ledger.prepare()
            self.ledger.change_feed_loads(partial(after_load, loads=loads, described=described))
        except ForecastingPlatformError as error:
            log.warning("the load stays out of the record of the feeds (`GET /feeds`, the page): %s", error)

    def _results(self, document: FeedDocument) -> Sequence[FeedResult]:
        if document.feeds or len(self.due_days) != 1:
            return document.results()
        # What is not of several feeds does not know what it is called.
        return [FeedResult(next(iter(self.due_days)), document)]

    def _of_result(self, result: FeedResult, now: datetime, report: LoadReport, days: DateRange) -> FeedLoad:
        document = result.document
        problem = result.problem
        if document is None:
            return self._load(result.name, now, days, problem)
        if problem is None and result.is_needed:
            due = self._due_days(result.name).between(np.datetime64(days.start, "D"), np.datetime64(days.end, "D"))
            problem = document.refusals.problem(days, self.max_refused_share, len(due))
        return self._load(result.name, now, days, problem, _loaded(document, report, days))

    def _load(
        self, name: str, now: datetime, days: DateRange, problem: str | None, document: LoadedDocument | None = None
    ) -> FeedLoad:
        told = problem and storable_text(problem)[:MAX_PROBLEM_CHARACTERS]
        return FeedLoad(name, now, days, self._due_days(name), told, now if told else None, document)

    def _due_days(self, name: str) -> DueDays:
        return self.due_days.get(name, EVERY_DAY)


def _loaded(document: FeedDocument, report: LoadReport, days: DateRange) -> LoadedDocument:
    counts = report.by_series.reindex(document.observations["unique_id"].unique()).sum()
    return LoadedDocument(
        fetched_at=document.fetched_at,
        days=days,
        source=document.source,
        **{name: int(counts[name]) for name in OUTCOMES},
        refusals=document.refusals,
        newest_day=document.last_published,
    )
