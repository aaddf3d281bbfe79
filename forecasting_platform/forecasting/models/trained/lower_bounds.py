"""Lower bounds that a person declares: no forecast of a series lies below. Those that are learnt: `training`."""

from collections.abc import Mapping
from dataclasses import replace

from forecasting_platform.errors import ConfigurationError, examples
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES


def with_lower_bounds(model: ForecastModel, lower_bounds: Mapping[str, float]) -> ForecastModel:
    """The same model, of which no forecast and no interval of some series lies below a declared bound.

    Args:
        lower_bounds: by series; the others keep theirs.

    Raises:
        ConfigurationError: a series the model does not have, or whose newest value lies below its bound.
    """
    if unknown := sorted(lower_bounds.keys() - set(model.unique_ids)):
        problem = f"names {examples(unknown)}; there are {examples(model.unique_ids)}"
        raise ConfigurationError("FORECASTING_LOWER_BOUNDS", problem)
    bound, newest = model.lower_bound.copy(), model.features[:, FEATURE_NAMES.index("y")]
    for (unique_id, declared), position in zip(lower_bounds.items(), model.positions(lower_bounds), strict=True):
        if newest[position] < declared:
            problem = f"declares {declared:g} of {unique_id!r}, whose newest value {newest[position]:g} is lower"
            raise ConfigurationError("FORECASTING_LOWER_BOUNDS", problem)
        bound[position] = declared
    return replace(model, lower_bound=bound)
