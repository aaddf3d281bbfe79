"""What became known after a day changes no forecast of that day, of any candidate and with any kind of covariate.

The last tests plant leaks: a suite that lets those pass would show nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.forecasting.models.candidates.candidate import Candidate, FittedCandidate, Positions, Task
from forecasting_platform.forecasting.models.candidates.registry import CANDIDATES
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_candidates
from forecasting_platform.forecasting.models.training.backtest import backtest
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.covariates.exogenous import (
    Exogenous,
    KnownAtCutoff,
    KnownByTargetDay,
    KnownInAdvance,
)
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform.forecasting.series.features.panel import Panel, panel_from

HORIZON, BEFORE, LATER = 3, 200, 40
DAYS = pd.date_range("2022-01-03", periods=BEFORE + LATER)
NEWEST_KNOWN = DAYS[BEFORE - 1]
PERIOD = DateRange(DAYS[0].date(), DAYS[-1].date())
DECLARED: tuple[Exogenous, ...] = (
    KnownAtCutoff("wind"),
    KnownAtCutoff("price of {series}"),
    KnownInAdvance("sun in {step}"),
    KnownByTargetDay("{series} plan", days_ahead=HORIZON),
)
QUICK: dict[str, dict[str, Any]] = {
    "auto_arima": {"max_order": 1, "training_days": 70}, "auto_ets": {"training_days": 70},
    "pooled_trees": {"iterations": 10}, "lightgbm": {"iterations": 10},
}  # fmt: skip
"""Options with which a fit takes less; none of them says what is known."""


def observations() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two series that follow their plans with all covariates, and every version of the plans.

    A plan is known a week before its day, and corrected on the evening before it.
    """
    rng, frames, versions = np.random.default_rng(7), [], []
    for name in ("a", "b"):
        plan, price = rng.integers(0, 2, len(DAYS)).astype(float), 2 + rng.random(len(DAYS))
        y = 50 + 10 * (DAYS.dayofweek == 5) + 20 * plan - 5 * price + rng.normal(0, 2, len(DAYS))
        frames += [(name, y), (f"price of {name}", price)]
        versions += [
            pd.DataFrame({"unique_id": f"{name} plan", "ds": DAYS, "y": of, "available_at": DAYS - before})
            for of, before in ((rng.permutation(plan), pd.Timedelta(days=7)), (plan, pd.Timedelta(hours=4)))
        ]
    frames += [(of, rng.normal(0, 1, len(DAYS))) for of in ("wind", *(f"sun in {step + 1}" for step in range(HORIZON)))]
    known = pd.concat([pd.DataFrame({"unique_id": of, "ds": DAYS, "y": y}) for of, y in frames], ignore_index=True)
    return known, pd.concat(versions, ignore_index=True)


Load = Callable[[pd.DataFrame, pd.DataFrame], Panel]
"""Makes a panel of observations and of the versions of plans."""


def load(known: pd.DataFrame, versions: pd.DataFrame) -> Panel:
    """As the platform does."""
    return panel_from(build_features(known, PERIOD, "IE", DECLARED, versions=versions))


def load_newest_vintage(known: pd.DataFrame, versions: pd.DataFrame) -> Panel:
    """As if the newest version of each plan had been known from the beginning."""
    newest = versions.sort_values("available_at").drop_duplicates(["unique_id", "ds"], keep="last")
    return load(known, newest.assign(available_at=newest["ds"] - pd.Timedelta(days=7)))


@cache
def panels(of: Load) -> list[Panel]:
    """All that is known, and the same where all is different that became known after `NEWEST_KNOWN`."""
    known, versions = observations()
    is_later = known["ds"] > NEWEST_KNOWN, versions["available_at"] >= NEWEST_KNOWN + pd.Timedelta(days=1)
    changed = [rows.assign(y=rows["y"] + 1000 * later) for rows, later in zip((known, versions), is_later, strict=True)]
    return [of(known, versions), of(*changed)]


def refuse_leaks(candidate_of: Callable[[Panel], Candidate], of: Load = load) -> None:
    """Assert that no forecast until `NEWEST_KNOWN` changes, and that later ones do.

    Args:
        candidate_of: an honest candidate has no use for the panel.
    """
    found = []
    for panel in panels(of):
        recipe = Recipe(
            (replace(candidate_of(panel), prior_weight=1.0),), horizon=HORIZON, exogenous=DECLARED,
            backtest_days=LATER + 60, refit_days=30,
        )  # fmt: skip
        results = backtest(recipe.view(panel), recipe)
        is_before = results.cutoffs <= np.datetime64(NEWEST_KNOWN, "D")
        assert is_before.sum() >= 50
        assert np.datetime64(NEWEST_KNOWN, "D") in results.fit_days, "the newest fit before the change is judged"
        found.append((results.y_hat[:, :, is_before], results.y_hat[:, :, ~is_before]))
    (before, after), (before_changed, after_changed) = found
    np.testing.assert_array_equal(before, before_changed, "a forecast depends on what became known later")
    assert (after != after_changed).any(), "the change is seen"


@pytest.mark.parametrize("name", CANDIDATES)
def test_what_became_known_later_changes_no_forecast_of_any_candidate(name: str) -> None:
    """All of it is changed: values, covariates, forecasts made later and later versions of plans."""
    (candidate,) = default_candidates([name])
    refuse_leaks(lambda _: replace(candidate, **QUICK.get(name, {})))


@dataclass(frozen=True, slots=True)
class FittedPeek(FittedCandidate):
    """Forecasts the value of the day after the cutoff, which it has from elsewhere than its input rows."""

    name: ClassVar[str] = "peek"
    elsewhere: Panel

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """Not asked for."""
        raise NotImplementedError

    def predict_block(self, block: InputBlock) -> Floats:
        """See `FittedCandidate`."""
        next_day = self.elsewhere.actuals(block.cutoffs, 1)
        return np.repeat(np.where(np.isfinite(next_day), next_day, block.features[:, :, :1]), block.shape[2], axis=2)


@dataclass(frozen=True, slots=True)
class Peek(Candidate):
    """A candidate that was given all days aside from the panel that it is fitted on."""

    fitted: ClassVar[type[FittedCandidate]] = FittedPeek
    elsewhere: Panel | None = None

    def fit(self, panel: Panel, task: Task) -> FittedPeek:
        """See `Candidate`."""
        assert self.elsewhere is not None
        return FittedPeek(self.elsewhere)


def test_a_candidate_that_looks_a_day_beyond_the_cutoff_is_refused() -> None:
    with pytest.raises(AssertionError, match="depends on what became known later"):
        refuse_leaks(lambda panel: Peek(elsewhere=panel))


def test_a_fit_that_is_given_a_day_beyond_the_cutoff_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    until = Panel.until
    monkeypatch.setattr(Panel, "until", lambda panel, cutoff: until(panel, cutoff + 1))
    (candidate,) = default_candidates(["direct_ridge"])
    with pytest.raises(AssertionError, match="depends on what became known later"):
        refuse_leaks(lambda _: candidate)


def test_a_covariate_that_is_read_from_a_later_vintage_is_refused() -> None:
    (candidate,) = default_candidates(["direct_ridge"])
    with pytest.raises(AssertionError, match="depends on what became known later"):
        refuse_leaks(lambda _: candidate, load_newest_vintage)
