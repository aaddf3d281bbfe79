"""Small models and what a backtest says of their recipes: made once, since races do not depend on them."""

from datetime import date, datetime, timedelta
from functools import cache

import pandas as pd

from forecasting_platform.forecasting.models.model import ForecastModel
from forecasting_platform.forecasting.models.recipe import Recipe, default_recipe
from forecasting_platform.forecasting.models.training import train
from forecasting_platform.forecasting.promotion.evidence import Comparison, compare_recipes
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform.forecasting.series.panel import panel_from
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal

HORIZON = 3
SERIES = ("a", "b")
LAST_TRAINED: date = END
"""The newest day that any model has seen."""


@cache
def _features() -> pd.DataFrame:
    return features_of(observations({name: seasonal(700, seed=index) for index, name in enumerate(SERIES)}))


def _recipe(candidate: str) -> Recipe:
    return default_recipe(HORIZON, "IE", (candidate,))


@cache
def model_named(name: str) -> ForecastModel:
    """`naive`; `weekly`, which is better; or `newer`, which is `weekly` on newer data."""
    candidate, days = {"naive": ("naive", 40), "weekly": ("seasonal_naive", 40), "newer": ("seasonal_naive", 0)}[name]
    return train(_features(), END - timedelta(days=days), _recipe(candidate), code_version="x").model


@cache
def compared(challenger: str, champion: str | None) -> Comparison:
    """What `compare_recipes` says of two recipes, by fingerprint."""
    recipes = {found.fingerprint: found for found in map(_recipe, ("naive", "seasonal_naive"))}
    other = recipes[champion] if champion else None
    return compare_recipes(panel_from(_features()), recipes[challenger], other)


def issued(
    model: ForecastModel, features: pd.DataFrame, *, model_version: str, issued_at: datetime, matured: pd.DataFrame
) -> pd.DataFrame:
    """As `issue_forecasts`, much faster: forecasts that tell by which version, of which features and when."""
    rows = features.loc[features["ds"] >= pd.Timestamp(model.cutoff), ["unique_id", "ds", "y"]].rename(
        columns={"ds": "cutoff"}
    )
    steps = [rows.assign(ds=rows["cutoff"] + pd.Timedelta(days=step)) for step in range(1, HORIZON + 1)]
    frame = pd.concat(steps).assign(model_version=model_version, issued_at=pd.Timestamp(issued_at))
    numbers = [column.name for column in FORECASTS.columns if column.kind == "float"]
    return FORECASTS.conform(frame.assign(**dict.fromkeys(numbers, frame["y"])).drop(columns="y"))
