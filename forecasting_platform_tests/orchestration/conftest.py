"""Models that promotions are decided on."""

from datetime import timedelta

import pandas as pd
import pytest

from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.training.training import train
from forecasting_platform_tests.support.example_series import features_of, observations, seasonal


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return features_of(observations({"a": seasonal(700)}))


@pytest.fixture(scope="module")
def models(features: pd.DataFrame) -> dict[str, ForecastModel]:
    """A naive recipe, a better one, and the better one on newer data."""
    newest = features["ds"].max().date()
    naive, weekly = default_recipe(15, "IE", ("naive",)), default_recipe(15, "IE", ("seasonal_naive",))
    older = newest - timedelta(days=30)
    return {
        "naive": train(features, older, naive, code_version="x").model,
        "weekly": train(features, older, weekly, code_version="x").model,
        "newer": train(features, newest, weekly, code_version="x").model,
    }
