"""Every plot is a PNG with something in it, for one series and for more than there is room for."""

import io
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from forecasting_platform.forecasting.models.issuing import issue_forecasts, match_errors
from forecasting_platform.forecasting.models.recipes.recipe import default_recipe
from forecasting_platform.forecasting.models.training.training import Training
from forecasting_platform.forecasting.reports.plots import (
    errors_plot,
    forecasts_plot,
    observations_plot,
    training_plots,
)
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform_tests.support.example_series import END, days_after, features_of, observations, trained

pytestmark = pytest.mark.slow

NAIVE = default_recipe(3, "IE", ("naive",))
PNG = b"\x89PNG\r\n\x1a\n"


def is_drawn(png: bytes) -> bool:
    """Whether anything is in colour: axes and words are not, lines and points are."""
    assert png.startswith(PNG)
    red_green_blue = imread(io.BytesIO(png))[..., :3]
    return bool((np.ptp(red_green_blue, axis=-1) > 0.2).sum() > 50)


@pytest.fixture(scope="module", params=[1, 8])
def values(request: pytest.FixtureRequest) -> dict[str, list[float] | np.ndarray]:
    return {f"series {number}": np.arange(40.0) * (number + 2) % 11 for number in range(request.param)}


@pytest.fixture(scope="module")
def training(values: dict[str, list[float] | np.ndarray]) -> Training:
    return trained(values, NAIVE)


def issued(training: Training, values: dict[str, list[float] | np.ndarray]) -> pd.DataFrame:
    features = features_of(observations(values))
    return issue_forecasts(training.model, features, model_version="1", issued_at=datetime(2023, 7, 1, tzinfo=UTC))


def test_a_training_is_drawn(training: Training) -> None:
    plots = training_plots(training)
    assert plots.keys() == {
        "backtest_rmse_by_step.png", "residuals.png", "coverage_by_step.png", "what_moves_a_forecast.png",
    }  # fmt: skip
    assert all(map(is_drawn, plots.values()))


def test_observations_are_drawn_also_when_there_are_none(values: dict[str, list[float] | np.ndarray]) -> None:
    rows = observations(values)
    assert is_drawn(observations_plot(rows))
    assert not is_drawn(observations_plot(rows.iloc[:0]))


def test_forecasts_are_drawn_with_their_history(
    training: Training, values: dict[str, list[float] | np.ndarray]
) -> None:
    assert is_drawn(forecasts_plot(issued(training, values), observations(values)))


def test_errors_are_drawn(training: Training, values: dict[str, list[float] | np.ndarray]) -> None:
    later = days_after(3)
    known_at = pd.Timestamp("2023-07-10", tz="UTC")
    actuals = pd.DataFrame({"unique_id": "series 0", "ds": pd.to_datetime(later), "y": 1.0, "available_at": known_at})
    matched = match_errors(issued(training, values), actuals, DateRange(END, later[-1]))
    assert len(matched) == 3
    assert is_drawn(errors_plot(matched))


@pytest.mark.parametrize("name", ["$\\foo$", "US$ or C$^", "x" * 500])
def test_a_series_of_any_name_is_drawn(name: str) -> None:
    assert is_drawn(observations_plot(observations({name: [1.0, 2.0, 3.0]})))
