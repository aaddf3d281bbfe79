"""`features`: the feature table as it is, or as it was built from what was known at a time."""

from datetime import datetime

import pandas as pd

from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.forecasting.series.exogenous import exogenous_from
from forecasting_platform.forecasting.series.holding import accepted_days
from forecasting_platform.services.feature_table import features_as_of
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import table_store_of


def stored_features(settings: Settings, days: DateRange, as_of: datetime | None) -> pd.DataFrame:
    """`features_as_of` of a platform's table store."""
    store = table_store_of(settings)
    try:
        exogenous, accepted = exogenous_from(settings.exogenous), accepted_days(settings.accepted_values)
        return features_as_of(store, days, settings.holiday_country, as_of, exogenous, accepted)
    finally:
        store.close()
