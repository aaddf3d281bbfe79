"""Several feeds as one: all are fetched at once, and one that fails affects its own series only.

Where a feed cannot be used, or hangs, the others' values come alone and its result says why. Its values are then
missing as any are that come late: forecasts are made without them and say so, and the next comparison of feed and table
loads them.
"""

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from forecasting_platform.adapters.background import InBackground
from forecasting_platform.errors import FeedDocumentError, FeedUnavailableError, examples
from forecasting_platform.forecasting.series.covariates.exogenous import Exogenous, is_exogenous
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.quality.refusals import refusals_together
from forecasting_platform.ports.observation_feed import FeedDocument, FeedResult, ObservationFeed

GRACE_SECONDS = 1.0
"""A feed that gives up by itself at the deadline says more about why."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NamedFeed:
    """One of several feeds.

    Attributes:
        name: what it is called in results and messages.
        declared: of a feed of exogenous series only: those that are taken of it; what else it has is said in the log.
            Such a feed holds nothing up. None of a feed of what is forecast.
    """

    name: str
    feed: ObservationFeed
    declared: tuple[Exogenous, ...] | None = None


class SeveralFeeds:
    """All feeds as one.

    Args:
        feeds: of two that have a series of one name, it is taken from the one that stands before; those of exogenous
            series stand last.
        timeout_seconds: how long a fetch waits for each feed, from when it asks all of them. Asked one after the other,
            a slow one would leave the next no time, each time.
        max_refused_share: of a document of which more is refused, nothing is taken while another feed can be used.
    """

    def __init__(self, feeds: Sequence[NamedFeed], *, timeout_seconds: float, max_refused_share: float = 1.0) -> None:
        # A sort keeps the order of equals: the feeds of what is forecast stay as they were given, before the others.
        self._feeds = sorted(feeds, key=lambda named: named.declared is not None)
        self._timeout_seconds = timeout_seconds
        self._max_refused_share = max_refused_share

    def fetch(self, period: DateRange) -> FeedDocument:
        """The values of all feeds for the days of `period`, and the result of each.

        Raises:
            FeedUnavailableError, FeedDocumentError: no feed of what is forecast could be used.
            ArchiveUnavailableError: a document could not be kept.
        """
        # One deadline for all, so that a load takes as long with ten slow feeds as with one.
        deadline = time.monotonic() + self._timeout_seconds
        asked = [_asked(named, period) for named in self._feeds]
        answers = [self._answer(named, call, deadline) for named, call in zip(self._feeds, asked, strict=True)]
        needed = [answer for answer in answers if answer.is_needed]
        if not any(answer.document for answer in needed):
            error = _all_failed([answer.error for answer in needed if answer.error])
            error.problems_of_feeds = {each.named.name: str(each.error) for each in answers if each.error}
            raise error
        return _together(self._results(answers, period))

    def _answer(self, named: NamedFeed, call: InBackground[FeedDocument], deadline: float) -> "_Answer":
        try:
            document = call.result(deadline + GRACE_SECONDS - time.monotonic())
        except TimeoutError:
            reason = f"no whole document within {self._timeout_seconds:.3g} seconds"
            return _Answer(named, None, FeedUnavailableError(f"the feed {named.name!r}", reason))
        except (FeedUnavailableError, FeedDocumentError) as error:
            return _Answer(named, None, error)
        return _Answer(named, document if named.declared is None else _only_declared(document, named.declared))

    def _results(self, answers: "Sequence[_Answer]", period: DateRange) -> list[FeedResult]:
        problems = [answer.problem(period, self._max_refused_share) for answer in answers]
        is_one_usable = any(answer.is_needed and not problem for answer, problem in zip(answers, problems, strict=True))
        owners: dict[str, str] = {}
        results = []
        for answer, problem in zip(answers, problems, strict=True):
            document = answer.document
            if document and problem and is_one_usable:
                document = _without_values(document)
            told = problem if document is None or is_one_usable else None
            result = FeedResult(answer.named.name, document, told, is_needed=answer.is_needed)
            results.append(_without_repeats(result, owners))
        return results


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a feed answered: a document, or why there is none."""

    named: NamedFeed
    document: FeedDocument | None
    error: FeedUnavailableError | FeedDocumentError | None = None

    @property
    def is_needed(self) -> bool:
        return self.named.declared is None

    def problem(self, period: DateRange, max_refused_share: float) -> str | None:
        """Why nothing is to be taken of it."""
        if self.document is None:
            return str(self.error)
        return self.document.refusals.problem(period, max_refused_share) if self.is_needed else None


def _asked(named: NamedFeed, period: DateRange) -> InBackground[FeedDocument]:
    return InBackground(f"feed-{named.name}", lambda: named.feed.fetch(period))


def _all_failed(
    errors: Sequence[FeedUnavailableError | FeedDocumentError],
) -> FeedUnavailableError | FeedDocumentError:
    """The feed's own error, or one of the errors of all: to be tried again where one of them is."""
    if len(errors) == 1:
        return errors[0]
    told = "; ".join(map(str, errors))
    waits = [error.retry_after_seconds for error in errors if isinstance(error, FeedUnavailableError)]
    if waits:
        return FeedUnavailableError(f"each of {len(errors)} feeds", told, max(waits))
    return FeedDocumentError(f"each of {len(errors)} feeds", told, "Mend one of them.")


def _only_declared(document: FeedDocument, declared: tuple[Exogenous, ...]) -> FeedDocument:
    names = sorted({*document.observations["unique_id"], *(name for name, _ in document.unpublished)})
    others = {name for name, own in zip(names, is_exogenous(names, declared), strict=True) if not own}
    if others:
        undeclared = examples(sorted(others))
        logger.info("%s has %s too, which FORECASTING_EXOGENOUS does not declare", document.source, undeclared)
    return _without(document, others)


def _without(document: FeedDocument, others: set[str]) -> FeedDocument:
    """The document without some series. Of what was refused, that without a name stays."""
    rows, planned, refused = document.observations, document.planned, document.quarantined
    return replace(
        document,
        observations=rows[~rows["unique_id"].isin(others)],
        planned=planned[~planned["unique_id"].isin(others)],
        quarantined=refused[~refused["unique_id"].isin(others)],
        unpublished=tuple(found for found in document.unpublished if found[0] not in others),
    )


def _without_values(document: FeedDocument) -> FeedDocument:
    values, plans = document.observations, document.planned
    return replace(document, observations=values.iloc[:0], planned=plans.iloc[:0], unpublished=())


def _without_repeats(result: FeedResult, owners: dict[str, str]) -> FeedResult:
    """The result without the series that feeds before it have, which are the `owners` by series; it becomes one too."""
    if result.document is None:
        return result
    has = result.document.series or tuple(result.document.observations["unique_id"].unique())
    twice = {name: owners[name] for name in has if name in owners}
    for name in has:
        owners.setdefault(name, result.name)
    if not twice:
        return result
    problem = (
        f"it has {examples(sorted(twice))}, which {examples(sorted(set(twice.values())))} has too and which is taken "
        "from there. Leave it out of one of the feeds, or give one of them a prefix."
    )
    told = f"{result.problem}; {problem}" if result.problem else problem
    return replace(result, document=_without(result.document, set(twice)), problem=told)


def _together(results: Sequence[FeedResult]) -> FeedDocument:
    """One document of all. What it says of bytes and refusals is of the feeds of what is forecast."""
    documents = [result.document for result in results if result.document]
    needed = [result.document for result in results if result.document and result.is_needed]
    digests = "".join(document.sha256 for document in needed)
    first = needed[0]
    if len(needed) > 1:
        first = FeedDocument(
            source=", ".join(document.source for document in needed),
            fetched_at=max(document.fetched_at for document in needed),
            sha256=hashlib.sha256(digests.encode()).hexdigest(),
            size_bytes=sum(document.size_bytes for document in needed),
            observations=first.observations,
            quarantined=first.quarantined,
            last_published=max(filter(None, (document.last_published for document in needed)), default=None),
            not_modified=all(document.not_modified for document in needed),
            refusals=refusals_together([document.refusals for document in needed]),
        )
    return replace(
        first,
        observations=_rows_together([document.observations for document in documents]),
        planned=_rows_together([document.planned for document in documents]),
        quarantined=_rows_together([document.quarantined for document in documents]),
        unpublished=tuple(found for document in documents for found in document.unpublished),
        feeds=tuple(results),
    )


def _rows_together(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return frames[0]
    return pd.concat(filled).sort_values(["unique_id", "ds"], kind="stable", ignore_index=True)
