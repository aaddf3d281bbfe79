"""A recipe: everything that decides how a model is trained, apart from the data. Versions carry it."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.forecasters import (
    FORECASTERS,
    DirectRidge,
    ExponentialSmoothing,
    Naive,
    SeasonalNaive,
)

Weights = dict[str, float]

DEFAULT_OPTIONS: dict[str, Weights] = {
    Naive.name: {Naive.name: 1.0},
    SeasonalNaive.name: {SeasonalNaive.name: 1.0},
    ExponentialSmoothing.name: {ExponentialSmoothing.name: 1.0},
    DirectRidge.name: {DirectRidge.name: 1.0},
    "ridge_and_smoothing": {DirectRidge.name: 0.8, ExponentialSmoothing.name: 0.2},
}
"""What each series may be served by, the simplest first: a tie goes to the simpler one."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained.

    Attributes:
        options: name -> weights of candidates (summing to 1); each series takes the one with the
            lowest RMSE over past cutoffs.
        horizon: days ahead.
        country: whose holidays the features know.
        training_days: the newest days a regression is fitted on.
        ridge_penalty: on the correlation matrix.
        clip_sigmas: regression targets beyond median ± this many robust sigmas are clipped.
        backtest_days: the newest days that serve as cutoffs of the backtest.
        refit_days: days between two fits in the backtest.

    Raises:
        ConfigurationError: an option names a candidate there is not, or weights do not sum to 1.
    """

    options: dict[str, Weights] = field(default_factory=lambda: dict(DEFAULT_OPTIONS))
    horizon: int = 15
    country: str = "IE"
    training_days: int = 1500
    ridge_penalty: float = 0.01
    clip_sigmas: float = 3.0
    backtest_days: int = 730
    refit_days: int = 91

    def __post_init__(self) -> None:
        for name, weights in self.options.items():
            unknown = sorted(weights.keys() - FORECASTERS.keys())
            if unknown or abs(sum(weights.values()) - 1) > 1e-9:
                raise ConfigurationError(
                    f"option {name}", f"weighs {weights}; weights of {sorted(FORECASTERS)} that sum to 1 are expected"
                )
        if not self.options:
            raise ConfigurationError("options", f"none is given; choose of {sorted(DEFAULT_OPTIONS)}")

    @property
    def candidates(self) -> tuple[str, ...]:
        """The forecasters its options use, in `FORECASTERS`' order."""
        used = {name for weights in self.options.values() for name in weights}
        return tuple(name for name in FORECASTERS if name in used)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the recipe: equal recipes have equal fingerprints, whatever they were made in."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def to_document(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def recipe_from(document: dict[str, Any]) -> Recipe:
    """The inverse of `Recipe.to_document`."""
    return Recipe(**document)


def default_recipe(horizon: int, country: str, options: tuple[str, ...] = ()) -> Recipe:
    """The default recipe, restricted to some of its options where any are named.

    Raises:
        ConfigurationError: an option there is not.
    """
    unknown = sorted(set(options) - DEFAULT_OPTIONS.keys())
    if unknown:
        raise ConfigurationError("options", f"{unknown} are unknown; choose of {sorted(DEFAULT_OPTIONS)}")
    chosen = {name: weights for name, weights in DEFAULT_OPTIONS.items() if not options or name in options}
    return Recipe(options=chosen, horizon=horizon, country=country)
