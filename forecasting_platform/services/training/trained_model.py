"""Trains on `feature_table` and registers the version with the alias `challenger`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.block_training import TrainedModel
from forecasting_platform.forecasting.models.recipes.recipe import Recipe
from forecasting_platform.forecasting.models.trained.lower_bounds import with_lower_bounds
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.covariates.exogenous_values import refuse_never_known
from forecasting_platform.ports.model_registry import ModelRegistry, ModelVersion
from forecasting_platform.services.training.trainer import Trainer


@dataclass(frozen=True, slots=True)
class Challenger:
    """A trained model and the version it was registered as.

    Attributes:
        remarks: sentences about what the recipe declares of series or days that there are not.
    """

    trained: TrainedModel
    version: ModelVersion
    remarks: list[str] = field(default_factory=list)


def train_challenger(
    trainer: Trainer,
    registry: ModelRegistry,
    recipe: Recipe,
    *,
    code_version: str,
    lower_bounds: Mapping[str, float],
    run_tags: dict[str, str],
    failing_loads: Callable[[], Sequence[str]] = list,
) -> Challenger:
    """Train every series and register the model as challenger.

    Args:
        lower_bounds: by series, below which no forecast may lie.
        run_tags: of the run in which it is registered.
        failing_loads: sentences about loads that failed their checks, asked for where history is missing.

    Raises:
        InsufficientHistoryError: too few days are loaded; names the loads that failed.
        ConfigurationError: a declared exogenous series never has a value that was known in time.
        RegistryUnavailableError: MLflow does not answer.
    """
    try:
        trained = trainer.train(recipe, code_version=code_version)
    except InsufficientHistoryError as error:
        found = "; ".join(failing_loads())
        raise InsufficientHistoryError(error.found_days, error.needed_days, found or None) from error
    refuse_never_known(trained.model.metadata["exogenous_known"], recipe.exogenous)
    model = with_lower_bounds(trained.model, lower_bounds)
    version = registry.register(model, plots=trained.plots, run_tags=run_tags)
    return Challenger(trained, version, _remarks(recipe, model))


def _remarks(recipe: Recipe, model: ForecastModel) -> list[str]:
    days = max(of["observed_days"] for of in model.metadata["series"].values())
    found = recipe.remarks(model.unique_ids, model.cutoff - timedelta(days=days - 1), model.cutoff)
    return found + [remark for candidate in model.candidates for remark in candidate.remarks(model.unique_ids)]
