"""Exponential smoothing that statsmodels fits to each series: perhaps with a damped trend, perhaps a weekly season."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from forecasting_platform.forecasting.models.candidates.filtered.fitted_each import Fields, FittedEachCandidate, Known
from forecasting_platform.forecasting.models.candidates.filtered.smoothing import (
    DEFAULT,
    WEEK,
    FittedSmoothing,
    State,
    refuse_another_filter,
    stored,
)

MAX_ITERATIONS = 60
FORMS = ({"trend", "season"}, {"season"}, {"trend"}, set[str]())
"""What a series may have beside its level."""


@dataclass(frozen=True, slots=True)
class FittedEts(FittedSmoothing):
    """What statsmodels found."""

    name: ClassVar[str] = "ets"


@dataclass(frozen=True, slots=True)
class Ets(FittedEachCandidate):
    """A level, perhaps a damped trend and a weekly season: the least AICc of the greatest likelihoods."""

    fitted: ClassVar[type[FittedEts]] = FittedEts
    default: ClassVar[Fields] = DEFAULT
    requirement: ClassVar[str] = "forecasting-platform[notebook]"

    def fit_of_library(self) -> Callable[[Known], Fields]:
        """See `FittedEachCandidate`; the app forecasts without statsmodels."""
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel

        return partial(_fit, ETSModel)


def _fit(library: Any, known: Known) -> Fields:
    found = []
    for parts in FORMS:
        seasonal = {"seasonal": "add", "seasonal_periods": WEEK} if "season" in parts else {}
        # A trend is always damped: one that goes on for ever tends to forecast too much (FPP3, 8.2).
        damped = {"trend": "add", "damped_trend": True} if "trend" in parts else {}
        # First states by a rule (Hyndman et al. 2008, 2.6.1): searched for, they would be up to nine parameters more,
        # of days that two years later no longer matter.
        model = library(known.values, initialization_method="heuristic", **seasonal, **damped)
        found.append(model.fit(disp=False, maxiter=MAX_ITERATIONS))
    return _stored(min(found, key=_criterion), known)


def _criterion(result: Any) -> float:
    """AICc with the first states counted, which statsmodels' own leaves out where they are not estimated."""
    count, days = len(result.params) + len(result.initial_state) + 1, result.nobs
    return float(-2 * result.llf + 2 * count + 2 * count * (count + 1) / (days - count - 1))


def _stored(result: Any, known: Known) -> Fields:
    """What is stored of a fit of statsmodels; a part that it does not have is 0."""
    of = dict(zip(result.model.param_names, result.params, strict=True))
    first = dict(zip(result.model.initial_state_names, result.initial_state, strict=True))
    smoothing = np.array([of.get(f"smoothing_{part}", 0.0) for part in ("level", "trend", "seasonal")])
    damping, nothing = float(of.get("damping_trend", 1.0)), np.zeros(len(known.values))
    effects = np.array([[first.get(f"initial_seasonal.{day}", 0.0)] for day in range(WEEK)])
    before = State(
        np.array([first["initial_level"]]), np.array([first.get("initial_trend", 0.0)]), effects, np.array([np.inf])
    )
    refuse_another_filter(FittedEts.name, "statsmodels", before, known.values, smoothing, damping, result.fittedvalues)
    trends = np.asarray(result.slope) if "initial_trend" in first else nothing
    seasons = np.asarray(result.season) if "smoothing_seasonal" in of else nothing
    return stored(smoothing, damping, trends, seasons, np.asarray(result.resid), known)
