"""The list of all candidates. Prior weight and options are in each candidate's module."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.models.candidates.candidate import Candidate, FittedCandidate
from forecasting_platform.forecasting.models.candidates.direct_ridge import DirectRidge
from forecasting_platform.forecasting.models.candidates.exponential_smoothing import ExponentialSmoothing
from forecasting_platform.forecasting.models.candidates.naive import Naive
from forecasting_platform.forecasting.models.candidates.seasonal_naive import SeasonalNaive

CANDIDATES: dict[str, type[Candidate]] = {
    candidate.fitted.name: candidate for candidate in (Naive, SeasonalNaive, ExponentialSmoothing, DirectRidge)
}
"""By name, the simplest first: a recipe keeps this order, and its first one serves what no error decides."""


def candidate_named(name: str) -> type[Candidate]:
    """The candidate of a name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in CANDIDATES:
        raise ConfigurationError("options", f"{name!r} is no candidate; choose one of {sorted(CANDIDATES)}")
    return CANDIDATES[name]


def candidate_arrays(candidates: Iterable[FittedCandidate], prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """The arrays of fitted candidates, by prefix, candidate and field: `direct_ridge.intercept`."""
    return {
        f"{prefix}{candidate.name}.{field}": values
        for candidate in candidates
        for field, values in candidate.to_arrays().items()
    }


def candidates_from(
    arrays: Mapping[str, npt.NDArray[Any]], names: Iterable[str], prefix: str = ""
) -> tuple[FittedCandidate, ...]:
    """The inverse of `candidate_arrays`.

    Raises:
        KeyError: an array is missing, or there is no such candidate.
    """
    found = []
    for name in names:
        start = f"{prefix}{name}."
        own = {key.removeprefix(start): values for key, values in arrays.items() if key.startswith(start)}
        found.append(CANDIDATES[name].fitted.from_arrays(own))
    return tuple(found)
