"""A trained model of two series with an event of its own, and with a period that is not normal."""

from datetime import date, timedelta
from functools import cache

import numpy as np

from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.covariates.events import Event, Events
from forecasting_platform.forecasting.series.days.not_normal import NotNormal, NotNormalPeriod
from forecasting_platform_tests.support.example_series import END, seasonal, trained

LENGTH = 500
FIRST = END - timedelta(days=LENGTH - 1)
PAST = tuple(FIRST + timedelta(days=day) for day in range(20, LENGTH, 24))
NEXT = END + timedelta(days=3)
SALE = Events((Event("sale", days=(*PAST, NEXT)), Event("fair", days=PAST[:2], days_after=1)))
STRIKE = NotNormal((NotNormalPeriod(date(2023, 6, 1), date(2023, 6, 3), "strike", ("a",)),))


def sales() -> np.ndarray:
    """A series that is 30 % higher on the days of a sale."""
    values = seasonal(LENGTH)
    values[[(day - FIRST).days for day in PAST]] *= 1.3
    return values


@cache
def sale_model() -> ForecastModel:
    """Trained at `END`."""
    recipe = Recipe(backtest_days=100, refit_days=60, events=SALE, not_normal=STRIKE)
    return trained({"a": sales(), "b": sales() + seasonal(LENGTH, 3)}, recipe).model
