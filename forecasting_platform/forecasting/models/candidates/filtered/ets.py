"""Exponential smoothing with a damped trend and a weekly season, ETS(A,Ad,A): statsmodels fits it to each series."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

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


@dataclass(frozen=True, slots=True)
class FittedEts(FittedSmoothing):
    """What statsmodels found."""

    name: ClassVar[str] = "ets"


@dataclass(frozen=True, slots=True)
class Ets(Candidate):
    """Level, damped trend and weekly season, of the greatest likelihood.

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

    model = ETSModel(
        known.values, trend="add", damped_trend=True, seasonal="add", seasonal_periods=WEEK,
        initialization_method="heuristic",
    )  # fmt: skip
    result = model.fit(disp=False, maxiter=MAX_ITERATIONS)
    # In the order of the names: level, trend, season, and the damping last.
    smoothing, damping = np.asarray(result.params[:3]), float(result.params[3])
    first = State(result.initial_state[:1], result.initial_state[1:2], result.initial_state[2:, None])
    refuse_another_filter(FittedEts.name, "statsmodels", first, known.values, smoothing, damping, result.fittedvalues)
    trends, effects, errors = map(np.asarray, (result.slope, result.season, result.resid))
    return stored(smoothing, damping, trends, effects, errors, known)
