"""Forecasts series that the model was not trained on, from their first days.

Training cuts windows out of the known series as if each series had begun there. From these windows the model learns,
for each number of known days, the weights of the simple candidates and the quantiles of the errors, in units of a scale
that is computed from the feature row. `new_series` applies it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.models.candidates.candidate import FittedCandidate, average_arrays
from forecasting_platform.forecasting.models.candidates.naive import FittedNaive
from forecasting_platform.forecasting.models.candidates.registry import candidate_arrays, candidates_from
from forecasting_platform.forecasting.models.candidates.seasonal_naive import LAST_WEEK
from forecasting_platform.forecasting.models.combining import combination_weights
from forecasting_platform.forecasting.models.intervals import MIN_ERRORS, PROBABILITIES, weibull_quantiles
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.features.feature_table import feature_block
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.panel import Panel, calendar_ahead
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES
from forecasting_platform.forecasting.series.lifetime import is_constant

MIN_KNOWN_DAYS = 60
"""With fewer observed days at its training a series counts as new: its backtest says less than others' first days."""

AGES = (1, 2, 3, 5, 7, 10, 14, 21, 28, 45)
"""Observed days at which first days are looked at; between two of them a series is taken for the younger."""

MIN_WINDOWS, WINDOWS_A_SERIES = 200, 4
DEFAULT_WIDTHS = (0.55, 0.8, 1.0, 1.2, 1.2, 0.9, 0.9, 0.9, 0.9, 0.9)
"""Half of the 80 % interval a day ahead at each of `AGES`, in units of `scale_of`: as 32 public series went on."""
TAIL_OF_80 = 0.8 / np.sqrt(2 * 0.9 * 0.1)
DEFAULT_SERIES = 3
"""The default counts as so many known series: a panel of one or two shows little of what else may come."""
MAX_WINDOW_DAYS = 2 * AGES[-1]
MAX_SCALED_ERROR = 20.0

_FEATURE = {name: position for position, name in enumerate(FEATURE_NAMES)}
_RECENT = [_FEATURE[name] for name in (*LAST_WEEK, "lag_7")]


PREFIX = "first_days."


@dataclass(frozen=True, slots=True)
class FirstDays:
    """How series go on from their first days; A is `len(AGES)`.

    Attributes:
        candidates: the model's K, each with one fit an age instead of one a series.
        weights: of the candidates; shape (A, K), rows sum to 1.
        errors: quantiles of `y - y_hat` at `PROBABILITIES`, in units of `scale_of`; shape (A, horizon, Q).
        level: the usual size of a known series' values: the scale of one of which only zeros are known; shape (1,).
    """

    candidates: tuple[FittedCandidate, ...]
    weights: Floats
    errors: Floats
    level: Floats

    @classmethod
    def default(
        cls, candidates: Sequence[FittedCandidate], horizon: int, probabilities: Floats = PROBABILITIES
    ) -> Self:
        """What applies where no known series is learnt from: naive, in a random walk's width with heavy tails."""
        simplest = next((at for at, candidate in enumerate(candidates) if candidate.name == FittedNaive.name), 0)
        return cls(
            candidates=tuple(candidate.unfitted(len(AGES)) for candidate in candidates),
            weights=np.tile(np.eye(len(candidates))[simplest], (len(AGES), 1)),
            errors=default_errors(horizon, probabilities),
            level=np.ones(1),
        )

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Every number, by the name that an artifact has for it."""
        own = {f"{PREFIX}{name}": getattr(self, name) for name in _FIELDS}
        return own | candidate_arrays(self.candidates, PREFIX)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], names: Sequence[str]) -> Self:
        """The inverse of `to_arrays`.

        Args:
            names: of the candidates.
        """
        return cls(candidates_from(arrays, names, PREFIX), **{name: arrays[f"{PREFIX}{name}"] for name in _FIELDS})

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """What several panels show together: the means of the parts, and of whole numbers the middle one."""
        return cls(
            tuple(type(fits[0]).average(fits) for fits in zip(*(part.candidates for part in parts), strict=True)),
            **{name: average_arrays([getattr(part, name) for part in parts]) for name in _FIELDS},
        )


_FIELDS = ("weights", "errors", "level")


def default_errors(horizon: int, probabilities: Floats) -> Floats:
    """Error quantiles where nothing is learnt from; shape (A, horizon, Q).

    Student's t with 2 degrees of freedom, in closed form, growing with the fourth root of the step: between a level
    that stays and a random walk.
    """
    tails = (2 * probabilities - 1) / np.sqrt(2 * probabilities * (1 - probabilities))
    # The closed form of t's quantile with 2 degrees of freedom, scaled to the known width of the 80 % interval.
    steps = np.arange(1, horizon + 1) ** 0.25
    errors: Floats = np.array(DEFAULT_WIDTHS)[:, None, None] * steps[:, None] * tails / TAIL_OF_80
    return errors


def scale_of(features: Floats, observed_days: npt.NDArray[np.int64], level: float) -> Floats:
    """How far a series of few days may move, from its feature row; shape (n,), positive.

    The mean distance of its newest days from their mean, its mean weekly change, and its level divided by the days
    known: of a single value nothing else is known. Of zeros alone it is `level` divided by them: by the rule of
    succession a first other value is the less likely the longer none came.

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


def learn_first_days(panel: Panel, recipe: Recipe, candidates: Sequence[FittedCandidate]) -> FirstDays:
    """Learn from windows of the panel's known series: at least `MIN_KNOWN_DAYS` observed, and not constant.

    Args:
        candidates: the recipe's, fitted.
    """
    default = FirstDays.default(candidates, recipe.horizon)
    # A day that is not normal is no day of a window: as if it had not been observed.
    values = panel.targets
    known = is_established(panel) & ~is_constant(values)
    if not known.any():
        return default
    level = float(np.median(np.nanmean(np.abs(values[known]), axis=1))) or 1.0
    windows = _windows(values[known], max(WINDOWS_A_SERIES, -(-MIN_WINDOWS // int(known.sum()))), recipe.horizon)
    # Windows of all years are laid on the same days: what is learnt from them looks at no calendar.
    days = panel.days[: windows.shape[1]]
    features = feature_block(days, windows, recipe.country)
    parts = []
    for position, age in enumerate(AGES):
        examples, ahead = _known_at(age, days, features, windows, recipe)
        if np.isfinite(ahead).sum(axis=0).min() < MIN_ERRORS:
            fits = tuple(candidate.take(np.array([position])) for candidate in default.candidates)
            parts.append((fits, default.weights[position], default.errors[position]))
        else:
            parts.append(_learn_age(age, examples, ahead, level, candidates, recipe))
    # A handful of known series shows little of what else may come: the default counts as a few more.
    share = known.sum() / (known.sum() + DEFAULT_SERIES)
    fits_by_age, weights, errors = zip(*parts, strict=True)
    return FirstDays(
        candidates=tuple(type(fits[0]).join(fits) for fits in zip(*fits_by_age, strict=True)),
        weights=np.stack(weights),
        errors=share * np.stack(errors) + (1 - share) * default.errors,
        level=np.array([level]),
    )


def is_established(panel: Panel) -> npt.NDArray[np.bool_]:
    """The series with enough normal days to be known by their own; shape (S,)."""
    return np.isfinite(panel.targets).sum(axis=1) >= MIN_KNOWN_DAYS


def _windows(values: Floats, each: int, horizon: int) -> Floats:
    """Stretches of each series, evenly laid over its life from its first value on; shape (S · each, W)."""
    length = min(MAX_WINDOW_DAYS + horizon, values.shape[1])
    cut = []
    for series in values:
        # A series' own gaps stay in; the days before its first value are not its life.
        first, last = np.flatnonzero(np.isfinite(series))[[0, -1]]
        starts = np.linspace(first, max(first, last + 1 - length), each).astype(np.int64)
        # A window that reaches beyond the end has unknown days there, and teaches nothing of them.
        padded = np.append(series, np.full(length, np.nan))
        cut.append(padded[starts[:, None] + np.arange(length)])
    return np.concatenate(cut)


def _known_at(age: int, days: Days, features: Floats, windows: Floats, recipe: Recipe) -> tuple[InputBlock, Floats]:
    """The rows of the windows' day of that age as cutoffs of one series, and what came after; shape (n, horizon)."""
    observed = np.isfinite(windows)
    is_day = observed & (np.cumsum(observed, axis=1) == age)
    is_day[:, -1] = False  # nothing comes after the last day
    window, day = np.nonzero(is_day)
    calendar = calendar_ahead(days, recipe.horizon, recipe.country)[day]
    padded = np.hstack([windows, np.full((len(windows), recipe.horizon), np.nan)])
    ahead = padded[window[:, None], day[:, None] + np.arange(1, recipe.horizon + 1)]
    return InputBlock(days[day], features[window, day][None], calendar), ahead


def _learn_age(
    age: int, examples: InputBlock, ahead: Floats, level: float, candidates: Sequence[FittedCandidate], recipe: Recipe
) -> tuple[tuple[FittedCandidate, ...], Floats, Floats]:
    """The fit and the weight of each candidate, and the error quantiles, of series of which `age` days are known."""
    rows = examples.features[0]
    scale = scale_of(rows, np.full(len(rows), age), level)[:, None]

    def errors(fit: FittedCandidate) -> Floats:
        with np.errstate(over="ignore"):  # what overflows is clipped
            return np.clip((ahead - fit.predict_block(examples)[0]) / scale, -MAX_SCALED_ERROR, MAX_SCALED_ERROR)

    naive_errors, fits, each, usable = errors(FittedNaive()), [], [], []
    for candidate in candidates:
        tried = [(fit, errors(fit)) for fit in candidate.fits_for_few_days()]
        best = min(tried, key=lambda found: float(np.nanmean(np.abs(found[1]))), default=None)
        # One that needs a past of its own has none: unfitted it is taken for the naive forecast.
        fit, its_errors = best or (candidate.unfitted(1), naive_errors)
        fits.append(fit)
        each.append(its_errors)
        usable.append(best is not None)
    chosen = np.array(usable) if any(usable) else np.ones(len(usable), dtype=bool)
    weights, stacked = np.zeros(len(chosen)), np.stack(each)
    prior = np.full(chosen.sum(), 1 / chosen.sum())
    # All windows count as cutoffs of one series: what is learnt is the same for every new one.
    weights[chosen] = combination_weights(stacked[chosen][:, None], prior, recipe.shrinkage, recipe.loss)[0]
    return tuple(fits), weights, weibull_quantiles(np.einsum("k,knh->hn", weights, stacked))
