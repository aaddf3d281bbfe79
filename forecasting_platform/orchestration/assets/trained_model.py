"""`feature_table` -> `trained_model`."""

from dataclasses import replace
from importlib.metadata import version
from typing import Any

import dagster as dg
import pandas as pd
from pydantic import Field

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.backtesting import LEAST_HISTORY_DAYS
from forecasting_platform.forecasting.control_reference import with_control
from forecasting_platform.forecasting.frames import FEATURE_TABLE
from forecasting_platform.forecasting.plots import backtest_plot
from forecasting_platform.forecasting.recipe import default_recipe
from forecasting_platform.forecasting.training import Training, train
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.metadata import plot, table
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.settings import Settings


class TrainingConfig(dg.Config):
    """What a data scientist may change for one training."""

    options: list[str] = Field(
        default_factory=list, description="What each series may be served by; all that there is by default."
    )


@dg.asset(group_name="train", kinds={"mlflow", "scikitlearn"}, deps=[feature_table])
def trained_model(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    table_store: dg.ResourceParam[TableStore],
    model_registry: dg.ResourceParam[ModelRegistry],
    settings: dg.ResourceParam[Settings],
    mlflow: dg.ResourceParam[Any],
) -> dg.MaterializeResult[None]:
    """A new model version with alias `challenger`: every series, candidates weighed by past cutoffs.

    Refreshed every 15 days.
    """
    features = table_store.read(FEATURE_TABLE)
    if features.empty:
        raise InsufficientHistoryError(0, LEAST_HISTORY_DAYS)
    recipe = default_recipe(settings.horizon_days, settings.holiday_country, tuple(config.options))
    # The resource of dagster-mlflow opened this run's MLflow run; the registry logs into it and ends it.
    mlflow.set_tag("options", ", ".join(recipe.candidates))
    training = train(features, features["ds"].max().date(), recipe, code_version=version("forecasting-platform"))
    metadata = with_control(training.model.metadata, training.results, training.panel)
    rmse_by_step = backtest_plot(training.results)
    registered = model_registry.register(
        replace(training.model, metadata=metadata),
        plots={"backtest_rmse_by_step.png": rmse_by_step},
        run_tags={"dagster/run_id": context.run.run_id},
    )
    return dg.MaterializeResult(
        metadata={
            "model_version": registered.version,
            "cutoff": registered.cutoff.isoformat(),
            "mlflow_run_id": registered.run_id,
            "scores": table(scores_table(training)),
            "rmse_by_step": plot(rmse_by_step),
        }
    )


def scores_table(training: Training) -> pd.DataFrame:
    """One row a series: what serves it and its scores over the backtest."""
    return pd.DataFrame(
        [
            {
                "unique_id": unique_id,
                "served by": series["winner"],
                **{name: series["scores"][name] for name in ("rmse", "mae", "mase", "skill_naive")},
                **{f"coverage {level} %": share for level, share in series["coverage"].items()},
            }
            for unique_id, series in training.model.metadata["series"].items()
        ]
    )
