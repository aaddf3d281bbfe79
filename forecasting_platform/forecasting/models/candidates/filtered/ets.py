"""Exponential smoothing that statsmodels fits to each series: perhaps with a damped trend, perhaps a weekly season."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from forecasting_platform.forecasting.models.candidates.candidate import Candidate, Task
from forecasting_platform.forecasting.models.candidates.filtered.fitted_each import (
    Fields,
    Known,
    fit_each,
)
from forecasting_platform.forecasting.models.candidates.filtered.smoothing import (
    DEFAULT,
    WEEK,
    FittedSmoothing,
    State,
    refuse_another_filter,
    stored,
)
from forecasting_platform.forecasting.series.features.panel import Panel

MAX_ITERATIONS = 60
FORMS = ({"trend", "season"}, {"season"}, {"trend"}, set[str]())
"""What a series may have beside its level."""


@dataclass(frozen=True, slots=True)
class FittedEts(FittedSmoothing):
    """What statsmodels found."""

    name: ClassVar[str] = "ets"


@dataclass(frozen=True, slots=True)
class Ets(Candidate):
    """A level, perhaps a damped trend and a weekly season: the least AICc of the greatest likelihoods.

    Attributes:
        training_days: the newest days that it is fitted on.
    """

    fitted: ClassVar[type[FittedEts]] = FittedEts
    prior_weight: float = 0.2
    training_days: Annotated[int, Field(ge=1)] = 730

    def fit(self, panel: Panel, task: Task) -> FittedEts:
        """See `Candidate`; a series that statsmodels fails on has a default."""
        known = panel.newest_days(self.training_days)
        return FittedEts(**fit_each(known.targets, known.days, _fit, DEFAULT))


def _fit(known: Known) -> Fields:
    # The app forecasts without statsmodels.
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    found = []
    for parts in FORMS:
        seasonal = {"seasonal": "add", "seasonal_periods": WEEK} if "season" in parts else {}
        damped = {"trend": "add", "damped_trend": True} if "trend" in parts else {}
        model = ETSModel(known.values, initialization_method="heuristic", **seasonal, **damped)
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
