"""Reads from the stores what the platform knew and said at a past moment."""

from datetime import datetime

from forecasting_platform.forecasting.reports.as_of import Snapshot, snapshot
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from, is_exogenous
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings


def stored_snapshot(store: TableStore, ledger: Ledger, moment: datetime, settings: Settings) -> Snapshot:
    """The snapshot of a store and a ledger at a moment; exogenous series are not in it."""
    first, observations = settings.first_partition_date, store.read_observations(as_of=moment)
    exogenous = is_exogenous(observations["unique_id"].tolist(), exogenous_from(settings.exogenous))
    return snapshot(
        moment,
        decisions=ledger.decisions(with_evidence=False),
        observations=observations[~exogenous],
        forecasts=store.read(FORECASTS, DateRange(first, max(first, moment.date()))),
        incidents=ledger.alerts(),
    )
