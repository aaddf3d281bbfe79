"""`features`: the feature table as it is, or as it was built from what was known at a time."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from forecasting_platform.adapters.chosen_table_store import table_store_of
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.exogenous import Exogenous, exogenous_from
from forecasting_platform.forecasting.features import build_features, observations_period
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings


def features_as_of(
    store: TableStore,
    days: DateRange,
    country: str,
    as_of: datetime | None = None,
    exogenous: Sequence[Exogenous] = (),
) -> pd.DataFrame:
    """Rows of `FEATURE_TABLE`, built anew from the observations that were known at `as_of` (inclusive), or now.

    They are what `feature_table` held of these days after a load that ended at `as_of`; nothing is written.
    """
    known = store.read_observations(observations_period(days), as_of=as_of)
    return build_features(known, days, country, exogenous)


def stored_features(settings: Settings, days: DateRange, as_of: datetime | None) -> pd.DataFrame:
    """`features_as_of` of a platform's table store."""
    store = table_store_of(settings)
    try:
        return features_as_of(store, days, settings.holiday_country, as_of, exogenous_from(settings.exogenous))
    finally:
        store.close()
