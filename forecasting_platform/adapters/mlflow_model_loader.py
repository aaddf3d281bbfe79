"""The loader that MLflow calls for a registered version. It reads data files and runs no code of the artifact.

`mlflow.pyfunc.load_model("models:/forecasting_platform@champion")` calls it.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from forecasting_platform.adapters.model_artifact import read_artifact
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.features.inputs import ModelInputs


class PyfuncForecaster:
    """The model behind MLflow's `predict`."""

    def __init__(self, model: ForecastModel) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Forecasts of the input frame that `/simulate` gives: `y_hat` and its intervals, in its order."""
        inputs = ModelInputs.from_frame(model_input, self.model.exogenous, self.model.window_days)
        return self.model.predict(inputs).to_frame()


def _load_pyfunc(path: str) -> PyfuncForecaster:
    return PyfuncForecaster(read_artifact(Path(path)))
