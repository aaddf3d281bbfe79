"""A feed of what is forecast with a second one beside it, of exogenous series, such as a weather service.

The second one holds nothing up. Where it cannot be used, the first one's document comes alone and says why; its values
are then missing as any are that come late: forecasts are made without them and say so, and the next comparison of feed
and table loads them.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from forecasting_platform.errors import FeedDocumentError, FeedUnavailableError, examples
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.exogenous import Exogenous, is_exogenous
from forecasting_platform.ports.observation_feed import FeedDocument, ObservationFeed

logger = logging.getLogger(__name__)


class FeedWithExogenous:
    """Both feeds as one.

    Args:
        declared: the exogenous series; what else the second feed has is passed over, and said in the log.
    """

    def __init__(self, feed: ObservationFeed, exogenous_feed: ObservationFeed, declared: Sequence[Exogenous]) -> None:
        self._feed = feed
        self._exogenous_feed = exogenous_feed
        self._declared = tuple(declared)

    def fetch(self, period: DateRange) -> FeedDocument:
        """The first feed's values for the days of `period`, and those of the second.

        Raises:
            FeedUnavailableError, FeedDocumentError: of the first feed.
            ArchiveUnavailableError: of either.
        """
        document = self._feed.fetch(period)
        try:
            beside = self._only_declared(self._exogenous_feed.fetch(period))
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
