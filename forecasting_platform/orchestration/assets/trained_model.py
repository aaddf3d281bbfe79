"""`feature_table` -> `trained_model`."""

from typing import Any

import dagster as dg
from pydantic import Field

from forecasting_platform.code_version import code_version
from forecasting_platform.forecasting.series.days.series_calendars import Calendars
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.event_log import failing_load_checks
from forecasting_platform.orchestration.metadata.training import training_metadata
from forecasting_platform.orchestration.mlflow_run import mlflow_hooks
from forecasting_platform.orchestration.pools import TRAINING
from forecasting_platform.ports.engine import Engine
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.training.trained_model import train_challenger
from forecasting_platform.services.training.trainer import Trainer
from forecasting_platform.settings import Settings
from forecasting_platform.wiring import recipe_of


class TrainingConfig(dg.Config):
    """What a data scientist may change for one training."""

    options: list[str] = Field(
        default_factory=list, description="What each series may be served by; all of the recipe by default."
    )
    recipe: str = Field(
        default="", description="The text of a recipe file (TOML); by default that of FORECASTING_RECIPE counts."
    )


@dg.asset(
    pool=TRAINING,
    group_name="train",
    owners=["team:data-science"],
    kinds={"mlflow", "numpy"},
    deps=[feature_table],
    hooks=mlflow_hooks(),
)
def trained_model(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    table_store: dg.ResourceParam[TableStore],
    engine: dg.ResourceParam[Engine],
    model_registry: dg.ResourceParam[ModelRegistry],
    settings: dg.ResourceParam[Settings],
    calendars: dg.ResourceParam[Calendars],
    mlflow: dg.ResourceParam[Any],
) -> dg.MaterializeResult[None]:
    """A new model version with alias `challenger`: every series, candidates weighed by past cutoffs.

    Refreshed every 15 days.
    """
    recipe = recipe_of(settings, calendars, text=config.recipe, names=config.options)
    # The resource started an MLflow run, which the registry logs into and the hooks end.
    mlflow.set_tag("options", ", ".join(recipe.names))
    challenger = train_challenger(
        Trainer(table_store, engine),
        model_registry,
        recipe,
        code_version=code_version(),
        lower_bounds=settings.lower_bounds,
        run_tags={"dagster/run_id": context.run.run_id},
        failing_loads=lambda: failing_load_checks(context.instance, settings.mounted_as),
    )
    for remark in challenger.remarks:
        context.log.warning(remark)
    return dg.MaterializeResult(metadata=training_metadata(challenger))
