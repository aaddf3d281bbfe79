"""Small models and what a backtest says of their recipes: made once, since races do not depend on them."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from operator import itemgetter

import pandas as pd

from forecasting_platform.forecasting.models.issuing import match_errors
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform.forecasting.promotion.evidence import Comparison, compare_recipes
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.features.panel import panel_from
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, FORECAST_ERRORS, FORECASTS
from forecasting_platform_tests.simulation.rows import RowsFrame, frame_of, nanoseconds, rows_of, within
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal

HORIZON = 3
SERIES = ("a", "b")
A_DAY = 24 * 60 * 60 * 1_000_000_000
NUMBERS = sum(column.kind == "float" for column in FORECASTS.columns)
LAST_TRAINED: date = END
"""The newest day that any model has seen."""


@cache
def _features() -> pd.DataFrame:
    return features_of(observations({name: seasonal(700, seed=index) for index, name in enumerate(SERIES)}))


def _recipe(candidate: str) -> Recipe:
    return replace(default_recipe(HORIZON, "IE", (candidate,)), backtest_days=240)


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
    model: ForecastModel, features: pd.DataFrame, *, model_version: str, issued_at: datetime, **_others: object
) -> pd.DataFrame:
    """As `issue_forecasts`, much faster: forecasts that tell by which version, of which features and when."""
    since, at = nanoseconds(model.cutoff), nanoseconds(issued_at)
    return frame_of(
        FORECASTS,
        tuple(
            (unique_id, cutoff, cutoff + step * A_DAY, model_version, at, *[y] * NUMBERS)
            for unique_id, cutoff, y, *_ in rows_of(FEATURE_TABLE, features)
            if cutoff >= since
            for step in range(1, HORIZON + 1)
        ),
    )


def matched(
    forecasts: pd.DataFrame, versions: pd.DataFrame, days: DateRange, calendars: Calendars = DAILY
) -> pd.DataFrame:
    """As `match_errors`, which it calls for frames of unknown rows or with closed days; much faster for the others."""
    if not (isinstance(forecasts, RowsFrame) and isinstance(versions, RowsFrame) and calendars.is_every_day):
        return match_errors(forecasts, versions, days, calendars)
    by_age = sorted(versions.rows, key=itemgetter(3))
    newest = {row[:2]: row[2] for row in by_age}
    first = {row[:2]: row[2] for row in reversed(by_age)}
    return frame_of(
        FORECAST_ERRORS,
        tuple(
            (*row[:4], *row[5:], row[4], newest[row[0], row[2]], first[row[0], row[2]])
            for row in within(forecasts.rows, 2, days)
            if (row[0], row[2]) in newest
        ),
    )
