"""The platform as of a past moment: data, forecasts, verdict, champion, incidents.

Nothing is stored for this: observations hold when each version became known, forecasts when they were issued,
decisions when they were made, incidents when they were open. Reading them is elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import pandas as pd

from forecasting_platform.forecasting.models.record import forecasts_of_record
from forecasting_platform.forecasting.monitoring.incidents import Alert
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state at a moment, inclusive.

    Attributes:
        champion: the decision that made the serving version champion; None before the first.
        verdict: the newest decision, whether or not it moved the champion.
        observations: the newest version of each series and day that was known.
        forecasts: of each series the forecast of record of the newest cutoff that had been issued.
        incidents: open then, the oldest first.
    """

    moment: datetime
    champion: PromotionDecision | None
    verdict: PromotionDecision | None
    observations: pd.DataFrame
    forecasts: pd.DataFrame
    incidents: list[Alert]


def end_of(day: date) -> datetime:
    """The last moment of a day, in UTC.

    >>> str(end_of(date(2023, 7, 1)))
    '2023-07-01 23:59:59.999999+00:00'
    """
    return datetime.combine(day, time.max, UTC)


def snapshot(
    moment: datetime,
    *,
    decisions: Sequence[PromotionDecision],
    observations: pd.DataFrame,
    forecasts: pd.DataFrame,
    incidents: Sequence[Alert],
) -> Snapshot:
    """The state at a moment.

    Args:
        moment: aware.
        decisions: of the ledger, newest first.
        observations: as a store reads them as of `moment`.
        forecasts: rows of `FORECASTS`; those issued later are left out.
        incidents: of the ledger; those of other times are left out.
    """
    started = (alert for alert in incidents if alert.first_seen <= moment)
    was_open = (alert for alert in started if alert.resolved is None or alert.resolved > moment)
    taken = [decision for decision in decisions if decision.decided_at <= moment]
    return Snapshot(
        moment=moment,
        champion=next((decision for decision in taken if decision.moves_champion), None),
        verdict=next(iter(taken), None),
        observations=observations,
        forecasts=newest_forecasts(forecasts[forecasts["issued_at"] <= pd.Timestamp(moment)]),
        incidents=sorted(was_open, key=lambda alert: alert.first_seen),
    )


def newest_forecasts(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The forecast of record of each series' newest cutoff, ordered by `unique_id`, `ds`."""
    newest = forecasts.groupby("unique_id")["cutoff"].transform("max")
    return forecasts_of_record(forecasts[forecasts["cutoff"] == newest]).reset_index(drop=True)
