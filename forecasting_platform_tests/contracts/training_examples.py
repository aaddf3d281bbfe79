"""Series that tests train, and what comes of them."""

import functools
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.issuing import match_errors
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.trained.model_document import arrays_of, document_of
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.series.covariates.exogenous import KnownAtCutoff
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import (
    FEATURE_TABLE,
    FORECAST_ERRORS,
    FORECASTS,
    HELD_OBSERVATIONS,
    OBSERVATIONS,
)
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal

RECIPE = Recipe(backtest_days=200, refit_days=60, exogenous=(KnownAtCutoff("Temperature"),))
BLOCK_SERIES = 2
VALUES = {
    "b": seasonal(420, seed=1),
    "a": seasonal(420, seed=2),
    # Neither the first nor the last block has the days of all.
    "ended": np.concatenate([seasonal(300), np.full(120, np.nan)]),
    "new": seasonal(100, seed=3),
    "z": seasonal(200, seed=4),
}


def features() -> pd.DataFrame:
    """Of `VALUES`, which are five series, and a temperature on most days."""
    built = features_of(observations(VALUES))
    known = [f'{{"Temperature": {day.dayofyear % 17}.5}}' if day.day > 2 else None for day in built["ds"]]
    return built.assign(exogenous=known)


@functools.cache
def trained_by_the_core() -> ForecastModel:
    """What training is, without a store, blocks or processes."""
    return train(features(), END, RECIPE, code_version="test").model


def filled(store: TableStore) -> TableStore:
    """A store with the features of `VALUES`."""
    built = features()
    store.replace(FEATURE_TABLE, built, DateRange(built["ds"].min().date(), END))
    return store


def lived(store: TableStore) -> TableStore:
    """A store with forecasts of two versions that matured, some missed, and one value that was revised or held back."""
    days = pd.date_range(END - timedelta(days=19), END)
    values = pd.DataFrame([(name, day) for name in ("a", "b", "new", "z") for day in days], columns=["unique_id", "ds"])
    values["y"] = np.arange(len(values)) % 7.0
    period = DateRange(days[0].date(), END)
    store.record_observations(values, period, available_at=datetime(2030, 1, 1, tzinfo=UTC))
    revised = values.iloc[[3]].assign(y=1e3)
    store.record_observations(revised, period, available_at=datetime(2030, 1, 2, tzinfo=UTC))
    held = values.iloc[[5]].assign(reason="far off", lowest=0.0, highest=1.0)
    store.replace(HELD_OBSERVATIONS, held, period)
    issued = pd.concat(
        [
            values.assign(cutoff=values["ds"] - pd.Timedelta(days=step), model_version=version)
            for step in (1, 2)
            for version in ("1", "2")
        ]
    )
    for name in (column.name for column in FORECASTS.columns if column.kind == "float"):
        issued[name] = np.where(issued["model_version"] == "1", 4.0, 5.0)
    issued["issued_at"] = pd.Timestamp("2030-01-01", tz="UTC")
    forecasts = FORECASTS.conform(issued.drop(columns="y"))
    store.record_forecasts(forecasts)
    store.replace(FORECAST_ERRORS, match_errors(forecasts, store.read(OBSERVATIONS), period), period)
    return store


def assert_same_model(one: ForecastModel, other: ForecastModel) -> None:
    """To the last bit."""
    documents = [json.loads(json.dumps(document_of(model))) for model in (one, other)]
    assert documents[0] == documents[1]
    arrays = arrays_of(other)
    for name, values in arrays_of(one).items():
        np.testing.assert_array_equal(values, arrays[name], err_msg=name)
