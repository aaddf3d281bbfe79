"""A recipe: everything that decides how a model is trained, apart from the data. Versions carry it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.candidates.forecasters import (
    FORECASTERS,
    DirectRidge,
    ExponentialSmoothing,
    Naive,
    SeasonalNaive,
)
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.exogenous import (
    Exogenous,
    exogenous_columns,
    exogenous_document,
    exogenous_from,
)
from forecasting_platform.forecasting.series.inputs import INPUT_NAMES, KEYS

Weights = dict[str, float]

DEFAULT_OPTIONS: Weights = {
    Naive.name: 0.0,
    SeasonalNaive.name: 0.0,
    ExponentialSmoothing.name: 0.1,
    DirectRidge.name: 0.9,
}
"""The candidates, the simplest first, and how much of a forecast each is trusted with before there is evidence."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained.

    Attributes:
        options: candidate -> its weight before there is evidence, summing to 1, in `FORECASTERS`' order;
            each series' own weights come from past cutoffs.
        shrinkage: how strongly those are drawn to the weights before.
        horizon: days ahead.
        country: whose holidays the features know.
        training_days: the newest days a regression is fitted on.
        ridge_penalty: on the correlation matrix.
        clip_sigmas: regression targets beyond median ± this many robust sigmas are clipped.
        backtest_days: the newest days that serve as cutoffs of the backtest.
        refit_days: days between two fits in the backtest.
        exogenous: series that are not forecast but regressed on.

    Raises:
        ConfigurationError: an option there is not, weights that are negative or do not sum to 1, or an
            exogenous column that is called as one of the platform's own.
    """

    options: Weights = field(default_factory=lambda: dict(DEFAULT_OPTIONS))
    shrinkage: float = 0.1
    horizon: int = 15
    country: str = "IE"
    training_days: int = 1500
    ridge_penalty: float = 0.05
    clip_sigmas: float = 5.0
    backtest_days: int = 730
    refit_days: int = 91
    exogenous: tuple[Exogenous, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(self.options.keys() - FORECASTERS.keys())
        if unknown or min(self.options.values(), default=0) < 0 or abs(sum(self.options.values()) - 1) > 1e-9:
            raise ConfigurationError(
                "options", f"{self.options} was found; weights of {sorted(FORECASTERS)} that sum to 1 are expected"
            )
        known = [*KEYS, *INPUT_NAMES, "exogenous", *self.exogenous_columns]
        if taken := sorted(name for name in set(self.exogenous_columns) if known.count(name) > 1):
            raise ConfigurationError("FORECASTING_EXOGENOUS", f"names {taken}, which the input frame has already")

    @property
    def candidates(self) -> tuple[str, ...]:
        """The forecasters it uses, in `FORECASTERS`' order: the simplest first."""
        return tuple(name for name in FORECASTERS if name in self.options)

    @property
    def prior(self) -> Floats:
        """The candidates' weights before there is evidence; shape (K,)."""
        return np.array([self.options[name] for name in self.candidates])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the recipe: equal recipes have equal fingerprints, whatever they were made in."""
        return hashlib.sha256(json.dumps(self.to_document(), sort_keys=True).encode()).hexdigest()

    @property
    def exogenous_columns(self) -> tuple[str, ...]:
        """The exogenous columns of its input frame."""
        return exogenous_columns(self.exogenous, self.horizon)

    def to_document(self) -> dict[str, Any]:
        """JSON-ready."""
        document = asdict(self) | {"exogenous": exogenous_document(self.exogenous)}
        # A recipe without any is the same as before there were any, and has the same fingerprint.
        return {name: value for name, value in document.items() if name != "exogenous" or value}


def recipe_from(document: dict[str, Any]) -> Recipe:
    """The inverse of `Recipe.to_document`."""
    return Recipe(**document | {"exogenous": exogenous_from(document.get("exogenous", ()))})


def default_recipe(
    horizon: int, country: str, options: tuple[str, ...] = (), exogenous: Sequence[Exogenous] = ()
) -> Recipe:
    """The default recipe, restricted to some of its options where any are named.

    Their weights keep their proportions; options that had none share equally.

    Raises:
        ConfigurationError: an option there is not.
    """
    unknown = sorted(set(options) - DEFAULT_OPTIONS.keys())
    if unknown:
        raise ConfigurationError("options", f"{unknown} are unknown; choose of {sorted(DEFAULT_OPTIONS)}")
    chosen = {name: weight for name, weight in DEFAULT_OPTIONS.items() if not options or name in options}
    total = sum(chosen.values())
    weights = {name: weight / total if total else 1 / len(chosen) for name, weight in chosen.items()}
    return Recipe(options=weights, horizon=horizon, country=country, exogenous=tuple(exogenous))
