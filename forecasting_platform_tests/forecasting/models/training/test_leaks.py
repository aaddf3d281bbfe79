"""What became known after a day changes no forecast of that day, of any candidate and with any kind of covariate."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.candidates.registry import CANDIDATES
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_candidates
from forecasting_platform.forecasting.models.training.backtest import backtest
from forecasting_platform.forecasting.series.covariates.exogenous import (
    Exogenous,
    KnownAtCutoff,
    KnownByTargetDay,
    KnownInAdvance,
)
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.features.panel import panel_from

HORIZON, BEFORE, LATER = 3, 200, 40
DAYS = pd.date_range("2022-01-03", periods=BEFORE + LATER)
NEWEST_KNOWN = DAYS[BEFORE - 1]
PERIOD = DateRange(DAYS[0].date(), DAYS[-1].date())
DECLARED: tuple[Exogenous, ...] = (
    KnownAtCutoff("wind"),
    KnownAtCutoff("price of {series}"),
    KnownInAdvance("sun in {step}"),
    KnownByTargetDay("{series} plan", known_days_ahead=HORIZON, days_ahead=HORIZON),
)
QUICK: dict[str, dict[str, Any]] = {
    "auto_arima": {"max_order": 1, "training_days": 70}, "auto_ets": {"training_days": 70},
    "pooled_trees": {"iterations": 10}, "lightgbm": {"iterations": 10},
}  # fmt: skip
"""Options with which a fit takes less; none of them says what is known."""


def observations() -> pd.DataFrame:
    """Two series that follow their plans, and all their covariates."""
    rng, frames = np.random.default_rng(7), []
    for name in ("a", "b"):
        plan, price = rng.integers(0, 2, len(DAYS)).astype(float), 2 + rng.random(len(DAYS))
        y = 50 + 10 * (DAYS.dayofweek == 5) + 20 * plan - 5 * price + rng.normal(0, 2, len(DAYS))
        frames += [(name, y), (f"{name} plan", plan), (f"price of {name}", price)]
    frames += [(of, rng.normal(0, 1, len(DAYS))) for of in ("wind", *(f"sun in {step + 1}" for step in range(HORIZON)))]
    return pd.concat([pd.DataFrame({"unique_id": of, "ds": DAYS, "y": y}) for of, y in frames], ignore_index=True)


def test_what_became_known_later_changes_no_forecast_of_any_candidate() -> None:
    """All of it is changed: values, covariates, forecasts made later and plans of days beyond the horizon."""
    known = observations()
    until = np.where(known["unique_id"].str.endswith("plan"), NEWEST_KNOWN + pd.Timedelta(days=HORIZON), NEWEST_KNOWN)
    changed = known.assign(y=np.where(known["ds"] > until, known["y"] + 1000, known["y"]))
    panels = [panel_from(build_features(of, PERIOD, "IE", DECLARED)) for of in (known, changed)]
    for name in CANDIDATES:
        (candidate,) = default_candidates([name])
        recipe = Recipe(
            (replace(candidate, **QUICK.get(name, {})),), horizon=HORIZON, exogenous=DECLARED,
            backtest_days=LATER + 60, refit_days=30,
        )  # fmt: skip
        one, other = (backtest(recipe.view(panel), recipe) for panel in panels)
        is_before = one.cutoffs <= np.datetime64(NEWEST_KNOWN, "D")
        assert is_before.sum() >= 50
        np.testing.assert_array_equal(one.y_hat[:, :, is_before], other.y_hat[:, :, is_before], err_msg=name)
        assert (one.y_hat[:, :, ~is_before] != other.y_hat[:, :, ~is_before]).any(), f"{name}: the change is seen"
