"""All candidates by name: the platform's own, and those of other packages, found by their entry points.

Prior weight and options are in each candidate's module.
"""

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

import numpy.typing as npt

from forecasting_platform.errors import ConfigurationError, examples
from forecasting_platform.forecasting.models.candidates.candidate import Candidate, FittedCandidate
from forecasting_platform.forecasting.models.candidates.exponential_smoothing import ExponentialSmoothing
from forecasting_platform.forecasting.models.candidates.filtered.auto_arima import AutoArima
from forecasting_platform.forecasting.models.candidates.filtered.auto_ets import AutoEts
from forecasting_platform.forecasting.models.candidates.filtered.ets import Ets
from forecasting_platform.forecasting.models.candidates.filtered.intermittent_demand import IntermittentDemand
from forecasting_platform.forecasting.models.candidates.naive import Naive
from forecasting_platform.forecasting.models.candidates.pickles import refuse_pickles
from forecasting_platform.forecasting.models.candidates.pooled.lightgbm_trees import LightGbm
from forecasting_platform.forecasting.models.candidates.pooled.pooled_trees import PooledTrees
from forecasting_platform.forecasting.models.candidates.ridge.direct_ridge import DirectRidge
from forecasting_platform.forecasting.models.candidates.seasonal_naive import SeasonalNaive
from forecasting_platform.forecasting.series.features.history import MAX_WINDOW_DAYS

CANDIDATES: dict[str, type[Candidate]] = {
    candidate.fitted.name: candidate
    for candidate in (
        Naive,
        SeasonalNaive,
        ExponentialSmoothing,
        DirectRidge,
        PooledTrees,
        IntermittentDemand,
        Ets,
        AutoEts,
        AutoArima,
        LightGbm,
    )
}
"""The platform's own by name, the simplest first: a recipe's first one serves what no error decides."""

DEFAULTS = ("naive", "seasonal_naive", "exponential_smoothing", "direct_ridge")
"""Those of the default recipe."""

WITH_COVARIATES = (*DEFAULTS, "pooled_trees")
"""Those of the default recipe where something is known of the days to come besides the calendar."""

GROUP = "forecasting_platform.candidates"
"""The entry points by which other packages add candidates, each named as its candidate."""

_registered: dict[str, type[Candidate]] = {}


def register_candidate(candidate: type[Candidate]) -> type[Candidate]:
    """Add a candidate to this process only, as of a notebook; returns it, so that it decorates a class.

    Raises:
        ConfigurationError: it cannot be used, or the platform has a candidate of its name.
    """
    name = candidate.fitted.name
    if name in CANDIDATES:
        raise ConfigurationError("options", f"{name!r} is a candidate of the platform; give yours another name")
    _refuse_unusable(candidate, name)
    _registered[name] = candidate
    return candidate


def candidate_named(name: str) -> type[Candidate]:
    """The candidate of a name.

    Raises:
        ConfigurationError: there is none, its package cannot be imported, or two packages have one of this name.
    """
    own = CANDIDATES.get(name) or _registered.get(name)
    if own is not None:
        return own
    if not (points := _from_outside().get(name)):
        known = sorted({*CANDIDATES, *_registered, *_from_outside()})
        raise ConfigurationError("options", f"{name!r} is no candidate; choose one of {known}")
    return _load(points)


def refuse_taken_names(names: Iterable[str]) -> None:
    """Refuse names of the platform's own candidates that another package gives to its own.

    Raises:
        ConfigurationError: there is one; names the package.
    """
    for name in names:
        if name in CANDIDATES and (points := _from_outside().get(name)):
            found = f"{name!r} is a candidate of the platform, and of {_packages(points)} too"
            raise ConfigurationError("options", f"{found}: uninstall that, or rename its entry point")


def in_order(names: Iterable[str]) -> list[str]:
    """Candidates' names in the order of a recipe: the platform's own, the simplest first, then others by name.

    >>> in_order({"zeta", "direct_ridge", "alpha", "naive"})
    ['naive', 'direct_ridge', 'alpha', 'zeta']
    """
    given = set(names)
    return [name for name in CANDIDATES if name in given] + sorted(given - CANDIDATES.keys())


def package_of(name: str) -> str | None:
    """The package and version that a candidate comes from; None of the platform's own."""
    if name in CANDIDATES:
        return None
    return "this process" if name in _registered else _packages(_from_outside().get(name, ()))


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
        KeyError: an array is missing.
        ConfigurationError: there is no such candidate, or it needs a package that is not installed.
        PickleError: an array holds a pickle.
    """
    found = []
    for name in names:
        start = f"{prefix}{name}."
        own = {key.removeprefix(start): values for key, values in arrays.items() if key.startswith(start)}
        fitted = candidate_named(name).fitted
        refuse_missing(fitted)
        refuse_pickles(name, own)
        found.append(fitted.from_arrays(own))
    return tuple(found)


def refuse_missing(fitted: type[FittedCandidate]) -> None:
    """Refuse a candidate that forecasts by a package which is not installed.

    Raises:
        ConfigurationError: says what to install.
    """
    for module, requirement in fitted.needs.items():
        if find_spec(module) is None:
            problem = f"the candidate {fitted.name!r} needs {module}, which is not installed: pip install"
            raise ConfigurationError("options", f"{problem} '{requirement}'")


@cache
def _from_outside() -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points by name; nothing of them is imported."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        # A package that is found twice on the path is one package.
        found.setdefault(point.name, {})[(_package(point), point.value)] = point
    return {name: tuple(points.values()) for name, points in found.items()}


@cache
def _load(points: tuple[EntryPoint, ...]) -> type[Candidate]:
    name, package = points[0].name, _packages(points)
    if len(points) > 1:
        problem = f"{name!r} is a candidate of {package}: uninstall all but one, or rename an entry point"
        raise ConfigurationError("options", problem)
    try:
        loaded = points[0].load()
    except Exception as error:
        problem = f"the candidate {name!r} of {package} cannot be imported ({type(error).__name__}: {error})"
        raise ConfigurationError("options", f"{problem}; repair or uninstall it") from error
    try:
        _refuse_unusable(loaded, name)
    except ConfigurationError as error:
        raise ConfigurationError("options", f"{error.problem} (package {package})") from error
    found: type[Candidate] = loaded
    return found


def _refuse_unusable(candidate: Any, name: str) -> None:
    problem = None
    if not (isinstance(candidate, type) and issubclass(candidate, Candidate) and is_dataclass(candidate)):
        problem = "is no dataclass that extends forecasting_platform.candidates.Candidate"
    elif getattr(getattr(candidate, "fitted", None), "name", None) != name:
        problem = f"has the name {getattr(getattr(candidate, 'fitted', None), 'name', None)!r}: give both one name"
    elif not 0 <= getattr(candidate.fitted, "window_days", 0) <= MAX_WINDOW_DAYS:
        problem = f"asks for {candidate.fitted.window_days} days of history; 0 to {MAX_WINDOW_DAYS} are given"
    else:
        try:
            candidate()
        except TypeError as error:
            problem = f"needs a default for each option ({error})"
    if problem:
        raise ConfigurationError("options", f"the candidate {name!r} {problem}, found {examples([candidate])}")


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _packages(points: Iterable[EntryPoint]) -> str:
    return " and ".join(sorted({_package(point) for point in points})) or "a package that is not installed"
