"""Observations -> rows of `feature_table`, while other loads may do the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.exogenous import Exogenous
from forecasting_platform.forecasting.features import build_features, days_depending_on, observations_period
from forecasting_platform.forecasting.frames import FEATURE_TABLE, OBSERVATIONS
from forecasting_platform.ports.table_store import TableStore


@dataclass(frozen=True, slots=True)
class BuiltFeatures:
    """Rows of `FEATURE_TABLE` of some days, and the observations they were built from."""

    days: DateRange
    observations: pd.DataFrame
    features: pd.DataFrame


def build_feature_table(
    store: TableStore, loaded: DateRange, country: str, exogenous: Sequence[Exogenous] = ()
) -> BuiltFeatures:
    """Build and store the features of loaded days, and of the days after them whose rows look back at these.

    Done again where another load recorded values meanwhile: whoever wrote last has then written what is known. One
    that dies before it has looked again is repeated as any failed load.

    Args:
        country: whose holidays are flagged.
        exogenous: series that get no rows of their own.
    """
    while True:
        days = _days_to_build(store, loaded)
        known = store.count(OBSERVATIONS, observations_period(days))
        built = _build(store, days, country, exogenous)
        if store.count(OBSERVATIONS, observations_period(days)) == known:
            return built


def _days_to_build(store: TableStore, loaded: DateRange) -> DateRange:
    newest = store.read_newest(FEATURE_TABLE)["ds"]
    return days_depending_on(loaded, newest.max().date()) if len(newest) else loaded


def _build(store: TableStore, days: DateRange, country: str, exogenous: Sequence[Exogenous]) -> BuiltFeatures:
    observations = store.read_observations(observations_period(days))
    features = build_features(observations, days, country, exogenous)
    store.replace(FEATURE_TABLE, features, days)
    return BuiltFeatures(days, observations, features)
