"""Training cycles: what is trained on which day, on the days up to it only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.models.training.backtest import FIRST_FIT_DAYS
from forecasting_platform.forecasting.models.training.training import Training, train
from forecasting_platform.forecasting.monitoring.control.references import (
    SeriesReference,
    add_control_references,
    references_from,
)
from forecasting_platform.forecasting.promotion.evidence import Comparison, compare_backtests

FIRST_TRAINING_DAYS = 2 * FIRST_FIT_DAYS
"""History before the first training: a year to fit on, and one to weigh the candidates by."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A training's result: a model, and the references that control compares with."""

    model: ForecastModel
    recipe: Recipe
    references: Mapping[str, SeriesReference]


@dataclass(frozen=True, slots=True)
class Cycle:
    """A day on which some policy trains: each recipe's fit, and how they compare on the data known then."""

    day: date
    fits: tuple[Fit, ...]
    comparison: Comparison


def training_days(days: Sequence[date], every_days: Iterable[int]) -> list[date]:
    """The days on which at least one policy trains; all policies begin on the same day.

    Raises:
        InsufficientHistoryError: fewer days than the first training needs.
    """
    if len(days) <= FIRST_TRAINING_DAYS:
        raise InsufficientHistoryError(len(days), FIRST_TRAINING_DAYS + 1)
    positions = {at for every in every_days for at in range(FIRST_TRAINING_DAYS - 1, len(days) - 1, every)}
    return [days[position] for position in sorted(positions)]


def recipes_of(default: Recipe) -> tuple[Recipe, Recipe]:
    """The recipes that challengers are trained with in turn: the default, and a rival fitted on two years only."""
    return default, default.with_options("direct_ridge", training_days=730)


def run_cycle(features: pd.DataFrame, day: date, recipes: tuple[Recipe, Recipe]) -> Cycle:
    """Train every recipe at the end of a day, and compare the recipes.

    Args:
        features: rows of `FEATURE_TABLE`; those after `day` are not used.
    """
    trainings = [train(features, day, recipe, code_version="replay") for recipe in recipes]
    fits = tuple(_fit(training, recipe) for training, recipe in zip(trainings, recipes, strict=True))
    return Cycle(day, fits, compare_backtests(trainings[0].panel, trainings[0].results, trainings[1].results))


def _fit(training: Training, recipe: Recipe) -> Fit:
    metadata = add_control_references(training.model.metadata, training.results, training.panel)
    return Fit(training.model, recipe, references_from(metadata))


@dataclass(frozen=True, slots=True)
class ServingPeriod:
    """A champion, and the positions of the cutoffs at which it forecast; `stop` is exclusive."""

    fit: Fit
    start: int
    stop: int
