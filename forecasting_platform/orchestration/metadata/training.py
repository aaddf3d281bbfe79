"""The metadata of a training."""

from typing import Any

from forecasting_platform.forecasting.models.trained.model_covariates import described_columns
from forecasting_platform.forecasting.reports.training import not_normal_table, scores_table, series_apart
from forecasting_platform.forecasting.series.covariates.events import is_event
from forecasting_platform.orchestration.metadata.values import plot, table, tables
from forecasting_platform.services.training.trained_model import Challenger


def training_metadata(challenger: Challenger) -> dict[str, Any]:
    """The version, its scores by series, and the plots of the first series."""
    model, registered = challenger.trained.model, challenger.version
    words = described_columns(model)
    return {
        "model_version": registered.version,
        "cutoff": registered.cutoff.isoformat(),
        "series": len(model.unique_ids),
        # The rows of `feature_table` that it learned from.
        "dagster/row_count": sum(found["observed_days"] for found in model.metadata["series"].values()),
        "series_apart": table(series_apart(model)),
        "mlflow_run_id": registered.run_id,
        **({"not_normal": table(left_out)} if len(left_out := not_normal_table(model)) else {}),
        **({"remarks": "; ".join(challenger.remarks)} if challenger.remarks else {}),
        **{
            f"known: {words[name]}": share
            for name, share in model.metadata["exogenous_known"].items()
            if not is_event(name)
        },
        **tables("scores", scores_table(model.metadata)),
        **{name.removesuffix(".png"): plot(png) for name, png in challenger.trained.plots.items()},
    }
