"""A model's exogenous columns as covariates with names, and what each of them adds to a forecast."""

import numpy as np
import pandas as pd

from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.covariates.covariate import Covariate, covariates_of, describe_columns
from forecasting_platform.forecasting.series.covariates.exogenous import Exogenous, exogenous_columns, exogenous_from
from forecasting_platform.forecasting.series.features.inputs import ModelInputs


def model_covariates(model: ForecastModel) -> tuple[Covariate, ...]:
    """Its covariates; where its recipe does not say what its columns are, each column by its own name."""
    if declared := _declared(model):
        return covariates_of(declared, model.horizon)
    return tuple(Covariate(name, None, (at,) * model.horizon) for at, name in enumerate(model.exogenous))


def described_columns(model: ForecastModel) -> dict[str, str]:
    """Each of its exogenous columns in words, such as `promotion 3 days ahead`."""
    words = describe_columns(declared, model.horizon) if (declared := _declared(model)) else model.exogenous
    return dict(zip(model.exogenous, words, strict=True))


def _declared(model: ForecastModel) -> tuple[Exogenous, ...]:
    """What its columns are declared by; empty where its recipe does not say."""
    found = (*exogenous_from(model.metadata.get("recipe", {}).get("exogenous", ())), *model.events.declared)
    return found if exogenous_columns(found, model.horizon) == model.exogenous else ()


def covariate_parts(model: ForecastModel, inputs: ModelInputs) -> pd.DataFrame:
    """What each covariate adds to a forecast: what the part `exogenous` is made of, as far as the candidates tell.

    Args:
        inputs: the rows that the model would be given.

    Returns:
        One row an input row, in their order; a column for each of `model_covariates`, by name. 0 where the naive
        forecast stands for another one.
    """
    parts, series = np.zeros(inputs.exogenous_values.shape), model.positions(inputs.unique_id)
    if model.exogenous:
        for position, candidate in enumerate(model.candidates):
            parts += candidate.exogenous_parts(inputs, series) * model.weights[series, position][:, None]
        parts[model.predict(inputs, levels=()).replaced] = 0.0
    return pd.DataFrame({of.name: of.sum_of(parts, inputs.step) for of in model_covariates(model)})
