"""Fits a library's model to each series by itself. A series that it fails on has a default, and stops no other one."""

import contextlib
import io
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from forecasting_platform.errors import ForecastingPlatformError, examples
from forecasting_platform.forecasting.models.candidates.candidate import Candidate, FittedCandidate, Positions, Task
from forecasting_platform.forecasting.models.candidates.needed import needed_to_train
from forecasting_platform.forecasting.series.arrays import Days, Floats
from forecasting_platform.forecasting.series.days.calendar import weekday
from forecasting_platform.forecasting.series.features.panel import Panel

MIN_FITTED_DAYS = 60
"""A series of fewer days has the default."""

MAX_MISSES = 3.0
"""What one value may differ from its forecast, in robust standard deviations of the errors: more counts as much, so
that one outage does not move the level to where it was (Gelper, Fried & Croux 2010, doi:10.1002/for.1125)."""

Fields = Mapping[str, npt.ArrayLike]
"""What a fit stores of one series, by field."""


@dataclass(frozen=True, slots=True)
class Known:
    """A series to be fitted, from its first value on, without a gap and in numbers without a unit.

    Attributes:
        values: `(y - centre) / unit`; a missing day is like the day before; shape (T,).
        weekdays: Monday is 0; shape (T,).
        centre: the median.
        unit: the median change since the week before.
    """

    values: Floats
    weekdays: Positions
    centre: float
    unit: float


@dataclass(frozen=True, slots=True)
class FittedEachCandidate(Candidate):
    """A candidate whose model a library fits to each series by itself.

    Attributes:
        default: the fields of a series that the library fails on, that is constant or has too few days.
        requirement: what installs the library.
        training_days: the newest days that it is fitted on.
    """

    default: ClassVar[Fields]
    requirement: ClassVar[str]
    prior_weight: float = 0.2
    training_days: Annotated[int, Field(ge=1)] = 730

    @abstractmethod
    def fit_of_library(self) -> Callable[[Known], Fields]:
        """Import the library, and return what fits one series with it; that may raise whatever the library raises."""

    def fit(self, panel: Panel, task: Task) -> FittedCandidate:
        """See `Candidate`.

        Raises:
            ConfigurationError: the library is not installed.
        """
        with needed_to_train(self.name, self.requirement):
            fit = self.fit_of_library()
        known = panel.newest_days(self.training_days)
        return cast(FittedCandidate, cast(Any, self.fitted)(**fit_each(known.targets, known.days, fit, self.default)))


def fit_each(
    values: Floats, days: Days, fit: Callable[[Known], Fields], default: Fields
) -> dict[str, npt.NDArray[Any]]:
    """The fields of every series, and `is_default` where the fit failed, was not finite or had too few days.

    Args:
        values: shape (S, T), NaN where there is none.
        fit: may raise whatever its library raises.
    """
    found = [_fit(known, fit) if (known := _known(of, days)) else None for of in values]
    fields = {name: np.array([(each or default)[name] for each in found], dtype=np.float64) for name in default}
    return fields | {"is_default": np.array([each is None for each in found])}


def default_remark(name: str, is_default: npt.NDArray[np.bool_], unique_ids: Sequence[str]) -> list[str]:
    """What is to be said of series that have the default: nothing where there are none."""
    names = [unique_id for unique_id, alone in zip(unique_ids, is_default, strict=True) if alone]
    why = f"is constant, has fewer than {MIN_FITTED_DAYS} days, or cannot be fitted"
    return [f"{name} forecasts {examples(names)} by its default: a series that {why}"] if names else []


def largest_miss(errors: Floats) -> float:
    """`MAX_MISSES` robust standard deviations of errors without a unit, and at least a usual change of a week.

    Of a series that is foreseen exactly a state would otherwise never come to where the series is.
    """
    # The median absolute deviation is a standard deviation of normal errors after this factor (Rousseeuw & Croux 1993,
    # doi:10.1080/01621459.1993.10476408).
    spread = 1.4826 * float(np.median(np.abs(errors - np.median(errors))))
    return max(MAX_MISSES * spread, 1.0)


def bounded_miss(miss: Floats, allowed: Floats, limit: Floats) -> tuple[Floats, Floats]:
    """What of a miss counts, and what is allowed the day after: twice as much while it goes on, or a new level would
    never be reached. A miss that is not known counts 0 and changes nothing.

    Args:
        miss: the value without its forecast; shape (n,), NaN where there is none.
        allowed: of this day; shape (n,).
        limit: allowed after a day that was within; shape (n,).

    >>> [of.tolist() for of in bounded_miss(np.array([1.0, 9.0, np.nan]), np.full(3, 4.0), np.full(3, 2.0))]
    [[1.0, 4.0, 0.0], [2.0, 8.0, 4.0]]
    """
    counted = np.where(np.isfinite(miss), np.clip(miss, -allowed, allowed), 0.0)
    after = np.where(np.abs(miss) > allowed, 2 * allowed, limit)
    return counted, np.where(np.isfinite(miss), after, allowed)


def _known(values: Floats, days: Days) -> Known | None:
    place = np.flatnonzero(np.isfinite(values))
    if len(place) < MIN_FITTED_DAYS:
        return None
    values, days = values[place[0] :], days[place[0] :]
    # The libraries' smoothing takes no gap: a missing day is given the newest value before it.
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), 0))
    centre, whole = float(np.median(values[last])), values[last]
    # A series that mostly repeats its week has no median change: its range is the unit then.
    unit = float(np.median(np.abs(whole[7:] - whole[:-7]))) or float(np.ptp(whole))
    return Known((whole - centre) / unit, weekday(days), centre, unit) if unit > 0 else None


def _fit(known: Known, fit: Callable[[Known], Fields]) -> Fields | None:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # The libraries' own, of a fit that did not converge: what it found is judged by its errors.
        warnings.simplefilter("ignore")
        try:
            found = fit(known)
        except ForecastingPlatformError:
            raise
        except Exception:  # noqa: BLE001 # libraries raise whatever they like, and one series stops no other
            return None
    return found if all(np.isfinite(of).all() for of in found.values()) else None
