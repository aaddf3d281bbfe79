"""How series go on from their first days: what a model knows of series that it was not trained on.

At training, windows are cut out of the known series as if each had begun there. What is learnt from them, by how many
days were known, is how to weigh the simple candidates, and how far values then lie from the forecast, in units of a
scale that a feature row tells. What a model does with it is in `new_series`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.candidates.forecasters import (
    LAST_WEEK,
    ExponentialSmoothing,
    FittedForecaster,
    Naive,
    SeasonalNaive,
)
from forecasting_platform.forecasting.models.combining import combination_weights
from forecasting_platform.forecasting.models.intervals import (
    LEAST_ERRORS,
    PROBABILITIES,
    weibull_quantiles,
)
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features import feature_block
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES, LEVEL_SMOOTHINGS
from forecasting_platform.forecasting.series.lifetime import is_constant
from forecasting_platform.forecasting.series.panel import Panel

if TYPE_CHECKING:
    from forecasting_platform.forecasting.models.recipe import Recipe

MIN_KNOWN_DAYS = 60
"""With fewer observed days at its training a series counts as new: its backtest says less than others' first days."""

AGES = (1, 2, 3, 5, 7, 10, 14, 21, 28, 45)
"""Observed days at which first days are looked at; between two of them a series is taken for the younger."""

MIN_WINDOWS, WINDOWS_A_SERIES = 200, 4
DEFAULT_WIDTHS = (0.55, 0.8, 1.0, 1.2, 1.2, 0.9, 0.9, 0.9, 0.9, 0.9)
"""Half of the 80 % interval a day ahead at each of `AGES`, in units of `scale_of`: as 32 public series went on."""
TAIL_OF_80 = 0.8 / np.sqrt(2 * 0.9 * 0.1)
DEFAULT_SERIES = 3
"""As how many known series the default counts: a panel of one or two says little of what else may come."""
MAX_WINDOW_DAYS = 2 * AGES[-1]
MAX_SCALED_ERROR = 20.0

_FEATURE = {name: position for position, name in enumerate(FEATURE_NAMES)}
_RECENT = [_FEATURE[name] for name in (*LAST_WEEK, "lag_7")]


@dataclass(frozen=True, slots=True)
class FirstDays:
    """How series go on from their first days; A is `len(AGES)`.

    Attributes:
        weights: of the model's K candidates; shape (A, K), rows sum to 1.
        smoothing, weekday_weight: of exponential smoothing; shape (A,).
        errors: quantiles of `y - y_hat` at `PROBABILITIES`, in units of `scale_of`; shape (A, horizon, Q).
        level: the usual size of a known series' values: the scale of one of which only zeros are known; shape (1,).
    """

    weights: Floats
    smoothing: npt.NDArray[np.int64]
    weekday_weight: Floats
    errors: Floats
    level: Floats

    @classmethod
    def default(cls, candidates: Sequence[str], horizon: int, probabilities: Floats = PROBABILITIES) -> Self:
        """What stands in where no known series tells: naive, in a random walk's width with heavy tails."""
        simplest = next((at for at, name in enumerate(candidates) if name == Naive.name), 0)
        return cls(
            weights=np.tile(np.eye(len(candidates))[simplest], (len(AGES), 1)),
            smoothing=np.full(len(AGES), LEVEL_SMOOTHINGS.index(0.2)),
            weekday_weight=np.zeros(len(AGES)),
            errors=default_errors(horizon, probabilities),
            level=np.ones(1),
        )

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Every number, by the name that an artifact has for it."""
        return {f"{PREFIX}{name}": getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self | None:
        """The inverse of `to_arrays`; None of an artifact from before there were any."""
        if f"{PREFIX}errors" not in arrays:
            return None
        return cls(**{name: arrays[f"{PREFIX}{name}"] for name in _FIELDS})

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """What several panels say together: the means of the parts, and the middle one's smoothing."""
        mean = {name: np.mean([getattr(part, name) for part in parts], axis=0) for name in _FIELDS}
        smoothing = np.sort([part.smoothing for part in parts], axis=0)[len(parts) // 2]
        return cls(**mean | {"smoothing": smoothing})


PREFIX = "first_days."
_FIELDS = ("weights", "smoothing", "weekday_weight", "errors", "level")


def default_errors(horizon: int, probabilities: Floats) -> Floats:
    """Error quantiles where nothing is learnt from; shape (A, horizon, Q).

    Student's t with 2 degrees of freedom, in closed form, growing with the fourth root of the step: between a level
    that stays and a random walk.
    """
    tails = (2 * probabilities - 1) / np.sqrt(2 * probabilities * (1 - probabilities))
    steps = np.arange(1, horizon + 1) ** 0.25
    errors: Floats = np.array(DEFAULT_WIDTHS)[:, None, None] * steps[:, None] * tails / TAIL_OF_80
    return errors


def scale_of(features: Floats, observed_days: npt.NDArray[np.int64], level: float) -> Floats:
    """How far a series of few days may move, as its feature row tells; shape (n,), positive.

    The mean distance of its newest days from their mean, its mean weekly change, and, the less the fewer days are
    known, its level: of one value nothing else is known. Zeros alone say nothing: then it is `level`, as the rule of
    succession lets a first other value be less likely the longer none came.

    Args:
        features: `FEATURE_NAMES`; shape (n, F).
    """
    recent = features[:, _RECENT]
    spread = np.abs(recent - recent.mean(axis=1, keepdims=True)).mean(axis=1)
    size = np.abs(features[:, _FEATURE["mean_364"]])
    own: Floats = spread + features[:, _FEATURE["volatility_02"]] + size / observed_days
    return np.where(own > 0, own, level / observed_days)


def age_of(observed_days: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Positions in `AGES`.

    >>> age_of(np.array([1, 2, 4, 60])).tolist()
    [0, 1, 2, 9]
    """
    return np.searchsorted(AGES, observed_days, side="right") - 1


def learn_first_days(panel: Panel, recipe: "Recipe") -> FirstDays:
    """Learn from windows of the panel's known series: at least `MIN_KNOWN_DAYS` observed, and not constant."""
    default = FirstDays.default(recipe.candidates, recipe.horizon)
    known = is_established(panel) & ~is_constant(panel.y)
    if not known.any():
        return default
    level = float(np.median(np.nanmean(np.abs(panel.y[known]), axis=1))) or 1.0
    windows = _windows(panel.y[known], max(WINDOWS_A_SERIES, -(-MIN_WINDOWS // int(known.sum()))), recipe.horizon)
    days = panel.days[: windows.shape[1]]
    features = feature_block(days, windows, recipe.country)
    share = known.sum() / (known.sum() + DEFAULT_SERIES)
    parts = [_learn_age(age, features, windows, level, recipe) for age in AGES]
    return FirstDays(
        weights=np.stack([part[0] for part in parts]),
        smoothing=np.array([part[1] for part in parts]),
        weekday_weight=np.array([part[2] for part in parts]),
        errors=share * np.stack([part[3] for part in parts]) + (1 - share) * default.errors,
        level=np.array([level]),
    )


def is_established(panel: Panel) -> npt.NDArray[np.bool_]:
    """The series with enough days to be known by their own; shape (S,)."""
    return panel.observed.sum(axis=1) >= MIN_KNOWN_DAYS


def _windows(values: Floats, each: int, horizon: int) -> Floats:
    """Stretches of each series, evenly laid over its life from its first value on; shape (S · each, W)."""
    length = min(MAX_WINDOW_DAYS + horizon, values.shape[1])
    cut = []
    for series in values:
        first, last = np.flatnonzero(np.isfinite(series))[[0, -1]]
        starts = np.linspace(first, max(first, last + 1 - length), each).astype(np.int64)
        padded = np.append(series, np.full(length, np.nan))
        cut.append(padded[starts[:, None] + np.arange(length)])
    return np.concatenate(cut)


Learnt = tuple[Floats, int, float, Floats]
"""Weights, smoothing, weekday weight and error quantiles of one age."""


def _learn_age(age: int, features: Floats, windows: Floats, level: float, recipe: "Recipe") -> Learnt:
    """What windows of which `age` days are known say; with too few of them the default of that age."""
    rows, ahead = _known_at(age, features, windows, recipe.horizon)
    days = np.full(len(rows), age)
    scale = scale_of(rows, days, level)[:, None]
    if np.isfinite(ahead).sum(axis=0).min() < LEAST_ERRORS:
        default = FirstDays.default(recipe.candidates, recipe.horizon)
        at = AGES.index(age)
        return default.weights[at], int(default.smoothing[at]), 0.0, default.errors[at]

    def errors(candidate: FittedForecaster) -> Floats:
        off = ahead - candidate.predict_block(rows[None], np.empty((len(rows), recipe.horizon, 0)))[0]
        with np.errstate(over="ignore"):  # what overflows is clipped
            return np.clip(off / scale, -MAX_SCALED_ERROR, MAX_SCALED_ERROR)

    smoothed = min(_SMOOTHINGS, key=lambda found: float(np.nanmean(np.abs(errors(found)))))
    simple: dict[str, FittedForecaster] = {found.name: found for found in (Naive(), SeasonalNaive(), smoothed)}
    usable = np.array([name in simple for name in recipe.candidates])
    # A regression is fitted on a series' own past: without one it is the naive forecast.
    each = np.stack([errors(simple.get(name, simple[Naive.name])) for name in recipe.candidates])
    prior = usable / usable.sum() if usable.any() else np.full(len(usable), 1 / len(usable))
    weights = np.zeros(len(usable))
    chosen = usable if usable.any() else ~usable
    weights[chosen] = combination_weights(each[chosen][:, None], prior[chosen], recipe.shrinkage)[0]
    quantiles = weibull_quantiles(np.einsum("k,knh->hn", weights, each))
    return weights, int(smoothed.smoothing[0]), float(smoothed.weekday_weight[0]), quantiles


_SMOOTHINGS = [
    ExponentialSmoothing(np.array([smoothing]), np.array([weekday_weight]))
    for smoothing in range(len(LEVEL_SMOOTHINGS))
    for weekday_weight in (0.0, 1.0)
]


def _known_at(age: int, features: Floats, windows: Floats, horizon: int) -> tuple[Floats, Floats]:
    """The feature rows of the windows' day of that age, and what came after; shapes (n, F) and (n, horizon)."""
    observed = np.isfinite(windows)
    is_day = observed & (np.cumsum(observed, axis=1) == age)
    is_day[:, -1] = False
    window, day = np.nonzero(is_day)
    padded = np.hstack([windows, np.full((len(windows), horizon), np.nan)])
    return features[window, day], padded[window[:, None], day[:, None] + np.arange(1, horizon + 1)]
