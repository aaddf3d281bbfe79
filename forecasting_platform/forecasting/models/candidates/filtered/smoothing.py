"""Level, damped trend and weekly season as a filter: what additive exponential smoothing, ETS(A,·,·), is run by.

Equations: Hyndman et al. 2008, "Forecasting with Exponential Smoothing", table 2.1. How they are fitted is in `ets` and
`auto_ets`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.candidates.candidate import (
    CandidateError,
    FittedCandidate,
    Positions,
    named_parts,
)
from forecasting_platform.forecasting.models.candidates.filtered.fitted_each import (
    Fields,
    Known,
    bounded_miss,
    default_remark,
    largest_miss,
)
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.days.calendar import weekday
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.inputs import ModelInputs

WEEK = 7
FIRST_DAYS = 28
"""Days of the window whose mean is the level before it."""

CHECKED_DAYS = 56
"""Days of each fit on which the filter is compared with the library's own."""

DEFAULT: Fields = {"smoothing": [0.2, 0.0, 0.05], "damping": 0.9, "trend": 0.0, "season": [0.0] * WEEK, "limit": np.inf}


@dataclass(frozen=True, slots=True)
class State:
    """Level, trend and season of n rows after some day.

    Attributes:
        level: shape (n,).
        trend: what the level gains a day; shape (n,).
        season: the effects of the seven days to come, the next one first; shape (7, n).
        allowed: what the next value may differ from its forecast; shape (n,).
    """

    level: Floats
    trend: Floats
    season: Floats
    allowed: Floats

    def ahead(self, step: Positions, damping: Floats) -> Floats:
        """The forecast `step` days ahead; shape (n,)."""
        # A damped trend gains φ + φ² + … + φ^step (FPP3, 8.2). The closed form of that sum divides by 1 - φ: undamped,
        # the sum is the step.
        gained = np.where(damping < 1, damping * (1 - damping**step) / np.where(damping < 1, 1 - damping, 1), step)
        effect = self.season[(step - 1) % WEEK, np.arange(len(self.level))]
        forecasts: Floats = self.level + gained * self.trend + effect
        return forecasts

    def move(self, values: Floats, smoothing: Floats, damping: Floats, limit: Floats) -> "State":
        """The state after one more day; one without a value only lets the trend go on.

        Args:
            values: of the day; shape (n,), NaN where there is none.
            smoothing: of level, trend and season; shape (n, 3).
            limit: what a value may differ from its forecast after a day that did not; shape (n,).
        """
        trend, effect = damping * self.trend, self.season[0]
        # In the error-correction form one error moves level, trend and season together (FPP3, 8.5).
        error, allowed = bounded_miss(values - self.level - trend - effect, self.allowed, limit)
        alpha, beta, gamma = smoothing.T
        # The effect of this day is next due in a week: it becomes the last of the seven.
        season = np.vstack([self.season[1:], effect + gamma * error])
        return State(self.level + trend + alpha * error, trend + beta * error, season, allowed)


def refuse_another_filter(
    candidate: str, package: str, before: State, values: Floats, smoothing: Floats, damping: float, fitted: Floats
) -> None:
    """Compare what the filter forecasts a day ahead with what the library does that fitted it.

    Args:
        before: the state before the first value, of one row, with no limit.
        values: shape (T,).
        smoothing: of level, trend and season; shape (3,).
        fitted: what the library forecasts of each day; shape (T,).

    Raises:
        CandidateError: they differ.
    """
    state, days, found = before, slice(CHECKED_DAYS), []
    for value in values[days]:
        found.append(state.ahead(np.array([1]), np.array([damping]))[0])
        # Without a limit on a miss, which no library has.
        state = state.move(np.array([value]), smoothing[None], np.array([damping]), before.allowed)
    if not np.allclose(found, fitted[days], rtol=1e-6, atol=1e-6):
        problem = "because this version smooths in another way than the one that forecasts were checked against"
        raise CandidateError(candidate, f"{package} {version(package)}", problem)


def stored(smoothing: Floats, damping: float, trends: Floats, effects: Floats, errors: Floats, known: Known) -> Fields:
    """What is stored of the fit of one series: the state before a window is what it was in the newest one, on average.

    Args:
        trends, effects: the trend and the season of each day, in the numbers that were fitted; shape (T,).
        errors: of its forecasts a day ahead; shape (T,).
    """
    newest = slice(-FittedSmoothing.window_days, None)
    # Means and not the newest state: a window begins on any day, and the state of one day has the noise of that day.
    season = np.array([effects[newest][known.weekdays[newest] == day].mean() for day in range(WEEK)])
    return {
        "smoothing": smoothing,
        "damping": damping,
        "trend": trends[newest].mean() * known.unit,
        "season": season * known.unit,
        "limit": largest_miss(errors) * known.unit,
    }


@dataclass(frozen=True, slots=True)
class FittedSmoothing(FittedCandidate):
    """How strongly the level, trend and season of each series react.

    Attributes:
        smoothing: of level, trend and season; shape (S, 3).
        damping: what of the trend is left a day later; shape (S,).
        trend: before the window; shape (S,).
        season: the effect of each weekday before the window, Monday first; shape (S, 7).
        limit: what one value may differ from its forecast, twice as much each further day; shape (S,).
        is_default: whether a series has the default; shape (S,).
    """

    window_days: ClassVar[int] = 182
    smoothing: Floats
    damping: Floats
    trend: Floats
    season: Floats
    limit: Floats
    is_default: npt.NDArray[np.bool_]

    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """The filtered level, what the trend adds, and the season of the day; shape (n,)."""
        return self.filtered(inputs, series).ahead(inputs.step, self.damping[series])

    def predict_block(self, block: InputBlock) -> Floats:
        """Filters each series and cutoff once for all steps."""
        forecasts = np.full(block.shape, np.nan)
        rows, series, cutoff = block.rows(0)
        state = self.filtered(rows, series)
        for step in range(block.shape[2]):
            forecasts[series, cutoff, step] = state.ahead(np.full(len(series), step + 1), self.damping[series])
        return forecasts

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """What the trend and the season add."""
        state, damping = self.filtered(inputs, series), self.damping[series]
        flat = replace(state, trend=np.zeros_like(state.trend))
        plain = replace(flat, season=np.zeros_like(state.season))
        whole, without_trend, level = (of.ahead(inputs.step, damping) for of in (state, flat, plain))
        return named_parts(inputs, trend=whole - without_trend, weekly=without_trend - level)

    def filtered(self, inputs: ModelInputs, series: Positions) -> State:
        """The state of each row's series after the cutoff day."""
        window = inputs.history[:, -self.window_days :]
        smoothing, damping, limit = self.smoothing[series], self.damping[series], self.limit[series]
        first = weekday(inputs.cutoff) - (window.shape[1] - 1)
        season = self.season[series[:, None], (first[:, None] + np.arange(WEEK)) % WEEK].T
        # Run anew over the row's own window instead of kept since the fit: a forecast depends on its input row alone,
        # and the days since the training count.
        state = State(_level_before(window, season, inputs.column("y")), self.trend[series], season, limit)
        for values in window.T:
            state = state.move(values, smoothing, damping, limit)
        return state

    def unfitted(self, count: int) -> Self:
        """The default."""
        fields = {name: np.array([of] * count, dtype=np.float64) for name, of in DEFAULT.items()}
        return replace(self, **fields, is_default=np.ones(count, dtype=bool))

    def remarks(self, unique_ids: Sequence[str]) -> list[str]:
        """Which series have the default."""
        return default_remark(self.name, self.is_default, unique_ids)


def _level_before(window: Floats, season: Floats, newest: Floats) -> Floats:
    """The mean of the first days with a value, without the season; shape (n,)."""
    effects = np.tile(season.T, (1, -(-window.shape[1] // WEEK)))[:, : window.shape[1]]
    known = np.isfinite(window)
    is_first = known & (np.cumsum(known, axis=1) <= FIRST_DAYS)
    # Where days are missing, weekdays do not balance out: each day counts without the effect of its own.
    total = np.where(is_first, window - effects, 0.0).sum(axis=1)
    count = is_first.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), newest)
