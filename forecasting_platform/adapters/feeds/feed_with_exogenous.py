"""A feed of what is forecast with a second one beside it, of exogenous series, such as a weather service.

A failing second feed never blocks a load. Where it cannot be used, or hangs, the first one's document comes alone and
says why; its values are then missing as any are that come late: forecasts are made without them and say so, and the
next comparison of feed and table loads them.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from forecasting_platform.adapters.background import InBackground
from forecasting_platform.errors import FeedDocumentError, FeedUnavailableError, examples
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.exogenous import Exogenous, is_exogenous
from forecasting_platform.ports.observation_feed import FeedDocument, ObservationFeed

GRACE_SECONDS = 1.0
"""A feed that gives up by itself at the deadline says more about why."""

logger = logging.getLogger(__name__)


class FeedWithExogenous:
    """Both feeds as one.

    Args:
        declared: the exogenous series; what else the second feed has is passed over, and said in the log.
        timeout_seconds: how long a fetch waits for the second feed, from when it asks both. Asked one after the other,
            a slow first feed would leave the second one no time, each time.
    """

    def __init__(
        self,
        feed: ObservationFeed,
        exogenous_feed: ObservationFeed,
        declared: Sequence[Exogenous],
        *,
        timeout_seconds: float,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._feed = feed
        self._exogenous_feed = exogenous_feed
        self._declared = tuple(declared)

    def fetch(self, period: DateRange) -> FeedDocument:
        """The first feed's values for the days of `period`, and those of the second.

        Raises:
            FeedUnavailableError, FeedDocumentError: of the first feed.
            ArchiveUnavailableError: of either.
        """
        deadline = time.monotonic() + self._timeout_seconds
        asked = InBackground("exogenous-feed", lambda: self._exogenous_feed.fetch(period))
        document = self._feed.fetch(period)
        try:
            beside = self._only_declared(self._awaited(asked, deadline))
            _refuse_twice(document, beside)
        except (FeedUnavailableError, FeedDocumentError) as error:
            logger.warning("going on without exogenous values, which are loaded once they come: %s", error)
            return replace(document, beside_failed=str(error))
        return replace(
            document,
            observations=_together(document.observations, beside.observations),
            quarantined=_together(document.quarantined, beside.quarantined),
            unpublished=(*document.unpublished, *beside.unpublished),
            beside=beside,
        )

    def _awaited(self, asked: InBackground[FeedDocument], deadline: float) -> FeedDocument:
        try:
            return asked.result(deadline + GRACE_SECONDS - time.monotonic())
        except TimeoutError as error:
            reason = f"no whole document within {self._timeout_seconds:.3g} seconds"
            raise FeedUnavailableError("the feed of exogenous series", reason) from error

    def _only_declared(self, document: FeedDocument) -> FeedDocument:
        names = sorted({*document.observations["unique_id"], *(name for name, _ in document.unpublished)})
        wanted = {name for name, own in zip(names, is_exogenous(names, self._declared), strict=True) if own}
        others = sorted(set(names) - wanted)
        if others:
            logger.info(
                "%s has %s too, which FORECASTING_EXOGENOUS does not declare", document.source, examples(others)
            )
        rows, refused = document.observations, document.quarantined
        return replace(
            document,
            observations=rows[rows["unique_id"].isin(wanted)],
            # What was refused may not even have a name.
            quarantined=refused[refused["unique_id"].isna() | ~refused["unique_id"].isin(others)],
            unpublished=tuple(found for found in document.unpublished if found[0] in wanted),
        )


def _refuse_twice(document: FeedDocument, beside: FeedDocument) -> None:
    if twice := set(document.observations["unique_id"]) & set(beside.observations["unique_id"]):
        remedy = "Leave it out of one of the two feeds."
        raise FeedDocumentError(
            beside.source, f"it has {examples(sorted(twice))}, which the first feed has too", remedy
        )


def _together(rows: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    both = [frame for frame in (rows, more) if len(frame)]
    if not both:
        return rows
    return pd.concat(both).sort_values(["unique_id", "ds"], kind="stable", ignore_index=True)
