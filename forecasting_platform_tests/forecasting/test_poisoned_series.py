"""One series of any values changes no bit of what the others are given: features, model, forecasts, errors."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.adapters.clean_process import impossible_forecasts
from forecasting_platform.forecasting.block_training import TrainedModel, train_block
from forecasting_platform.forecasting.models.issuing import issue_forecasts, match_errors
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.first_days import PREFIX
from forecasting_platform.forecasting.models.trained.model_document import arrays_of
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform.forecasting.series.quality.limits import MAX_VALUE, series_name_problem
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal

DAYS = 430
PERIOD = DateRange(END - timedelta(days=DAYS - 1), END)
ISSUED_AT = datetime(2023, 7, 1, tzinfo=UTC)
RECIPE = Recipe(backtest_days=40, refit_days=20)
HEALTHY = {"m": seasonal(DAYS, 0), "n": np.where(np.arange(DAYS) % 7 < 5, seasonal(DAYS, 2), 0.0)}


def _only(count: int, value: float, *, newest: bool) -> np.ndarray:
    values = np.full(DAYS, np.nan)
    values[slice(-count, None) if newest else slice(count)] = value
    return values


_rng = np.random.default_rng(3)
_even = np.arange(DAYS) % 2 == 0
POISONS: dict[str, np.ndarray] = {
    "huge": _rng.normal(0, MAX_VALUE / 5, DAYS),
    "alternating": np.where(_even, MAX_VALUE, -MAX_VALUE),
    "always zero": np.zeros(DAYS),
    "always huge": np.full(DAYS, -MAX_VALUE),
    "denormal": _rng.integers(-5, 5, DAYS) * 5e-324,
    "tiny": _rng.normal(0, 1e-300, DAYS),
    "huge and tiny": np.where(_even, MAX_VALUE, 1e-300),
    "one value": _only(1, MAX_VALUE, newest=True),
    "its newest days only": _only(20, 1e40, newest=True),
    "its first days only": _only(20, -1e40, newest=False),
    "one wild value": np.where(np.arange(DAYS) == 250, MAX_VALUE, seasonal(DAYS, 9)),
    "wild at the end": np.where(np.arange(DAYS) > DAYS - 4, -MAX_VALUE, seasonal(DAYS, 9)),
    "growing without end": np.exp(np.linspace(-700, 115, DAYS)),
    "mostly absent": np.where(_rng.random(DAYS) < 0.97, np.nan, MAX_VALUE),
}


def _everything(values: dict[str, np.ndarray]) -> tuple[pd.DataFrame, TrainedModel, pd.DataFrame, pd.DataFrame]:
    rows = observations(values)
    features = features_of(rows)
    trained = train_block(features, PERIOD, RECIPE, code_version="test", with_plots=False)
    forecasts = issue_forecasts(trained.model, features, model_version="1", issued_at=ISSUED_AT)
    later = pd.date_range(END + timedelta(days=1), periods=5)
    actuals = pd.concat([pd.DataFrame({"unique_id": name, "ds": later, "y": 1.0}) for name in values])
    actuals["available_at"] = pd.Timestamp("2023-08-01", tz="UTC")
    return features, trained, forecasts, match_errors(forecasts, actuals, DateRange(END, later[-1].date()))


@cache
def _healthy() -> tuple[pd.DataFrame, TrainedModel, pd.DataFrame, pd.DataFrame]:
    return _everything(HEALTHY)


def assert_nothing_else_changed(name: str, values: np.ndarray) -> None:
    found, alone = _everything({**HEALTHY, name: values}), _healthy()
    for with_poison, without in zip((found[0], *found[2:]), (alone[0], *alone[2:]), strict=True):
        others = with_poison[with_poison["unique_id"] != name].reset_index(drop=True)
        pd.testing.assert_frame_equal(others, without, check_exact=True)
    poisoned, healthy = found[1].model, alone[1].model
    places = poisoned.positions(list(healthy.unique_ids))
    for part, numbers in arrays_of(healthy).items():
        given = arrays_of(poisoned)[part]
        if part.startswith(PREFIX):
            # Learnt of all series for those still to come, each by its own scale and clipped: it may move, and no more.
            assert np.isfinite(given).all()
        else:
            np.testing.assert_array_equal(given if part == "probabilities" else given[places], numbers, err_msg=part)
    for unique_id, described in healthy.metadata["series"].items():
        assert poisoned.metadata["series"][unique_id] == described
        assert poisoned.metadata["control"]["series"][unique_id] == healthy.metadata["control"]["series"][unique_id]
    own = found[2][found[2]["unique_id"] == name]
    assert np.isfinite(own[[column.name for column in FORECASTS.columns if column.kind == "float"]]).all(axis=None)
    assert impossible_forecasts(poisoned) == 0


@pytest.mark.parametrize("values", POISONS.values(), ids=POISONS.keys())
def test_a_series_of_any_values_changes_no_other(values: np.ndarray) -> None:
    assert_nothing_else_changed("poison", values)


legal_names = st.text(min_size=1, max_size=40).filter(
    lambda name: series_name_problem(name) is None and name not in HEALTHY
)


def _wild(seed: int) -> np.ndarray:
    """Values of all sizes there are, in one of six shapes, some of them absent."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-320, 50, DAYS)
    shapes = (
        sizes * rng.choice([-1, 1], DAYS),
        np.where(rng.random(DAYS) < 0.5, 0.0, sizes),
        rng.choice([0.0, 5e-324, MAX_VALUE, -MAX_VALUE, 1.0], DAYS),
        seasonal(DAYS, seed) * 10.0 ** rng.uniform(-320, 47),
        np.repeat(sizes[::10], 10)[:DAYS],
        np.where(rng.random(DAYS) < 0.9, seasonal(DAYS, seed), sizes),
    )
    values = np.clip(shapes[seed % len(shapes)], -MAX_VALUE, MAX_VALUE)
    absent = rng.random(DAYS) < rng.choice([0.0, rng.random()])
    absent[-1] = False
    return np.where(absent, np.nan, values)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(legal_names, st.integers(0, 2**32))
def test_a_series_of_any_name_and_values_changes_no_other(name: str, seed: int) -> None:
    assert_nothing_else_changed(name, _wild(seed))
