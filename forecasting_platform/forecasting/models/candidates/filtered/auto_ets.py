"""Exponential smoothing whose trend and season are chosen for each series, by AutoETS of statsforecast.

Of its models the additive ones, which one filter runs: they are stored as numbers, and the app needs no statsforecast.
"""

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

ADDITIVE = "AZZ"
"""An additive error, with which AutoETS takes no multiplicative season, and by default no multiplicative trend."""


@dataclass(frozen=True, slots=True)
class FittedAutoEts(FittedSmoothing):
    """What AutoETS chose."""

    name: ClassVar[str] = "auto_ets"


@dataclass(frozen=True, slots=True)
class AutoEts(FittedEachCandidate):
    """With or without a trend, a damped trend and a weekly season: the least AICc."""

    fitted: ClassVar[type[FittedAutoEts]] = FittedAutoEts
    default: ClassVar[Fields] = DEFAULT
    requirement: ClassVar[str] = "forecasting-platform[statsforecast]"

    def fit_of_library(self) -> Callable[[Known], Fields]:
        """See `FittedEachCandidate`."""
        from statsforecast.models import AutoETS

        return partial(_fit, AutoETS)


def _fit(library: Any, known: Known) -> Fields:
    found = library(season_length=WEEK, model=ADDITIVE).fit(known.values).model_
    smoothing, damping = np.nan_to_num(found["par"][:3]), found["par"][3]
    has_trend, has_season = (found["components"][place] != "N" for place in (1, 2))
    # Without a trend there is nothing to damp, and a trend that is not damped goes on.
    damping = float(damping) if np.isfinite(damping) else 1.0
    states = np.asarray(found["states"], dtype=np.float64)
    trend = states[:, 1] if has_trend else np.zeros(len(states))
    # The newest effect first: the last column is that of the day a week before.
    effects = states[:, -WEEK:] if has_season else np.zeros((len(states), WEEK))
    first = State(states[:1, 0], trend[:1], effects[0, ::-1, None], np.array([np.inf]))
    refuse_another_filter(
        FittedAutoEts.name, "statsforecast", first, known.values, smoothing, damping, np.asarray(found["fitted"])
    )
    return stored(smoothing, damping, trend[1:], effects[1:, 0], np.asarray(found["residuals"]), known)
