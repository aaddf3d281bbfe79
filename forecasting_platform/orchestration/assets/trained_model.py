"""`feature_table` -> `trained_model`."""

from importlib.metadata import version
from typing import Any

import dagster as dg
import pandas as pd
from pydantic import Field

from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.forecasting.models.model import ForecastModel
from forecasting_platform.forecasting.models.recipe import default_recipe
from forecasting_platform.forecasting.series.exogenous import exogenous_from, refuse_never_known
from forecasting_platform.orchestration.assets.feature_table import feature_table
from forecasting_platform.orchestration.event_log import failing_load_checks
from forecasting_platform.orchestration.metadata import plot, table
from forecasting_platform.orchestration.pools import TRAINING
from forecasting_platform.ports.model_registry import ModelRegistry
from forecasting_platform.ports.trainer import Trainer
from forecasting_platform.settings import Settings

SHOWN_SERIES = 100


class TrainingConfig(dg.Config):
    """What a data scientist may change for one training."""

    options: list[str] = Field(
        default_factory=list, description="What each series may be served by; all that there is by default."
    )


@dg.asset(pool=TRAINING, group_name="train", kinds={"mlflow", "numpy"}, deps=[feature_table])
def trained_model(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    trainer: dg.ResourceParam[Trainer],
    model_registry: dg.ResourceParam[ModelRegistry],
    settings: dg.ResourceParam[Settings],
    mlflow: dg.ResourceParam[Any],
) -> dg.MaterializeResult[None]:
    """A new model version with alias `challenger`: every series, candidates weighed by past cutoffs.

    Refreshed every 15 days.
    """
    exogenous = exogenous_from(settings.exogenous)
    recipe = default_recipe(settings.horizon_days, settings.holiday_country, tuple(config.options), exogenous)
    # The resource of dagster-mlflow opened this run's MLflow run; the registry logs into it and ends it.
    mlflow.set_tag("options", ", ".join(recipe.names))
    try:
        trained = trainer.train(recipe, code_version=version("forecasting-platform"))
    except InsufficientHistoryError as error:
        found = "; ".join(failing_load_checks(context.instance))
        raise InsufficientHistoryError(error.found_days, error.needed_days, found or None) from error
    refuse_never_known(trained.model.metadata["exogenous_known"])
    registered = model_registry.register(
        trained.model.with_lower_bounds(settings.lower_bounds),
        plots=trained.plots,
        run_tags={"dagster/run_id": context.run.run_id},
    )
    plots = {name.removesuffix(".png"): plot(png) for name, png in trained.plots.items()}
    return dg.MaterializeResult(
        metadata={
            "model_version": registered.version,
            "cutoff": registered.cutoff.isoformat(),
            "series": len(trained.model.unique_ids),
            "series_apart": table(series_apart(trained.model)),
            "mlflow_run_id": registered.run_id,
            **{f"known: {name}": share for name, share in trained.model.metadata["exogenous_known"].items()},
            "scores": table(scores_table(trained.model.metadata)),
            **plots,
        }
    )


def series_apart(model: ForecastModel) -> pd.DataFrame:
    """The series that are not like the others, the first hundred: `unique_id`, `state`, and the newest day known."""
    states = sorted(model.states().items())[:SHOWN_SERIES]
    newest = dict(zip(model.unique_ids, model.feature_days.tolist(), strict=True))
    rows = [(unique_id, state, str(newest[unique_id])) for unique_id, state in states]
    return pd.DataFrame(rows, columns=["unique_id", "state", "newest_observation"])


def scores_table(metadata: dict[str, Any]) -> pd.DataFrame:
    """One row a series, the first hundred: what serves it and its scores over the backtest."""
    return pd.DataFrame(
        [
            {
                "unique_id": unique_id,
                "served by": series["winner"],
                "constant": series.get("constant", False),
                **{name: series["scores"][name] for name in ("rmse", "mae", "mase", "skill_naive")},
                **{f"coverage {level} %": share for level, share in series["coverage"].items()},
            }
            for unique_id, series in list(metadata["series"].items())[:SHOWN_SERIES]
        ]
    )
