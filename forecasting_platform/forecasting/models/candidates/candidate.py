"""The interface of a candidate: how it is fitted (`Candidate`), what a fit forecasts and stores (`FittedCandidate`).

A candidate is one module of this package; `registry` lists them. `models.combining` computes their weights.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from forecasting_platform.errors import ForecastingPlatformError
from forecasting_platform.forecasting.models.losses import Loss
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.covariates.exogenous import Exogenous
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.inputs import ModelInputs
from forecasting_platform.forecasting.series.features.panel import Panel

Positions = npt.NDArray[np.int64]

LEVEL = "mean_28"
"""The level that a forecast is explained from: the mean of the last four weeks."""

NAMED_PARTS = ("trend", "weekly", "yearly", "holiday", "exogenous")
"""What may lie between that level and a forecast; the rest is due to the newest days."""

EFFECTS = tuple(f"weekday_effect_{ahead}" for ahead in range(1, 8))
"""The columns with the effect of each weekday ahead."""


class CandidateError(ForecastingPlatformError):
    """A candidate of another package that failed, or gave what is no forecast."""

    def __init__(self, candidate: str, package: str, problem: str) -> None:
        self.candidate = candidate
        self.package = package
        self.problem = problem
        super().__init__(
            f"the candidate {candidate!r} of {package} failed {problem}. Repair it, or leave it out of the recipe."
        )


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be forecast.

    Attributes:
        horizon: days ahead.
        country: whose holidays count.
        exogenous: the declared series behind the exogenous columns, in the order of the panel's columns.
        loss: what forecasts are judged by; a candidate may fit by it.
    """

    horizon: int
    country: str
    exogenous: tuple[Exogenous, ...] = ()
    loss: Loss = "squared"


@dataclass(frozen=True, slots=True)
class FittedCandidate(ABC):
    """A candidate fitted on S series: it forecasts from input rows alone.

    The fields of a subclass are arrays of numbers with the series as first axis: what a stored model holds of it.
    The defaults of the methods are right for any candidate; those that take long are overridden for speed.

    Attributes:
        name: of the candidate, in recipes, models and answers.
        needs: modules that forecasting needs and an installation may lack, each with the requirement to install.
        window_days: days of history up to the cutoff, its own included, that a forecast is made from besides the input
            row: `ModelInputs.history`; at most `MAX_WINDOW_DAYS`.
    """

    name: ClassVar[str]
    window_days: ClassVar[int] = 0
    needs: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def predict(self, inputs: ModelInputs, series: Positions) -> Floats:
        """Point forecasts, each from its own row only; shape (n,), finite.

        Args:
            inputs: n input rows, of any step from 1 on, also beyond the horizon of the task. Their `history` has at
                least `window_days` days: more where another candidate needs them, so count from the end.
            series: each row's position on the first axis of the fields; shape (n,).
        """

    def predict_block(self, block: InputBlock) -> Floats:
        """The same forecasts of every series, cutoff and step; shape (S, C, horizon), NaN where a cutoff has no row."""
        forecasts = np.full(block.shape, np.nan)
        for step in range(block.shape[2]):
            rows, series, cutoff = block.rows(step)
            forecasts[series, cutoff, step] = self.predict(rows, series)
        return forecasts

    def parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """What the forecast adds to `LEVEL` for reasons that have a name; shape (n, len(NAMED_PARTS)).

        By default none has: all of it stands under the newest days.
        """
        return named_parts(inputs)

    def exogenous_parts(self, inputs: ModelInputs, series: Positions) -> Floats:
        """What each exogenous column adds to the part `exogenous`; shape (n, E). By default none is told apart."""
        return np.zeros(inputs.exogenous_values.shape)

    def lacks_exogenous(self, inputs: ModelInputs, series: Positions) -> npt.NDArray[np.bool_]:
        """Whether an exogenous value that the forecast depends on is not known; shape (n,)."""
        return np.zeros(len(inputs), dtype=bool)

    def remarks(self, unique_ids: Sequence[str]) -> list[str]:
        """Sentences about the fit that a person should read; by default none.

        Args:
            unique_ids: the names of the series, in their order.
        """
        return []

    @classmethod
    def fits_for_few_days(cls) -> Sequence[Self]:
        """Fits of one series from which the best is chosen for series of a few days; none if it needs more days.

        They forecast from values alone: the calendar of their rows is made up.
        """
        return ()

    def unfitted(self, count: int) -> Self:
        """The fields for some series of which nothing was learnt: zeros. Its forecasts must be finite."""
        return type(self)(**{name: np.zeros((count, *of.shape[1:]), of.dtype) for name, of in self.to_arrays().items()})

    def take(self, series: Positions) -> Self:
        """The fields of some series, in their order."""
        return type(self)(**{name: values[series] for name, values in self.to_arrays().items()})

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The inverse of `to_arrays`; other names are ignored.

        Raises:
            KeyError: an array is missing.
        """
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """One fit of the series of several, one after the other; at least one."""
        arrays = [part.to_arrays() for part in parts]
        return cls(**{field.name: np.concatenate([of[field.name] for of in arrays]) for field in fields(cls)})

    @classmethod
    def average(cls, parts: Sequence[Self]) -> Self:
        """One fit that stands for several of as many series: means, and of whole numbers the middle one."""
        every = [part.to_arrays() for part in parts]
        return cls.from_arrays({name: average_arrays([arrays[name] for arrays in every]) for name in every[0]})


@dataclass(frozen=True, slots=True)
class Candidate(ABC):
    """How a candidate is fitted. The fields are its options, JSON-ready, each with a default.

    Attributes:
        pools_series: whether a series changes the fit of others; `PooledCandidate` does.
        prior_weight: how much of a forecast it is trusted with before there is evidence, relative to the others.
    """

    fitted: ClassVar[type[FittedCandidate]]
    pools_series: ClassVar[bool] = False
    prior_weight: float = 0.0

    @property
    def name(self) -> str:
        """The name of what it fits."""
        return self.fitted.name

    @property
    def window_days(self) -> int:
        """Days of history that its forecasts need."""
        return self.fitted.window_days

    @abstractmethod
    def fit(self, panel: Panel, task: Task) -> FittedCandidate:
        """Fit all series of a panel at once.

        Args:
            panel: all that is known at the cutoff, which is its last day; with the task's exogenous columns. A series
                may be constant, short, or without any value; it must not change the fit of another one, unless the
                candidate declares `pools_series`. What is learned from are its `targets` and `actuals`, which lack
                the days that are not normal; `y` and the features are what was known.
        """


def average_arrays(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The mean of arrays of one shape; of whole numbers the middle one.

    >>> [average_arrays([np.array([low]), np.array([high])]).item() for low, high in ((1, 2), (1.0, 2.0))]
    [2, 1.5]
    """
    is_whole = np.issubdtype(arrays[0].dtype, np.integer)
    return np.sort(arrays, axis=0)[len(arrays) // 2] if is_whole else np.mean(arrays, axis=0)


def named_parts(inputs: ModelInputs, **parts: Floats) -> Floats:
    """Some of `NAMED_PARTS` as `FittedCandidate.parts` gives them; the others are 0."""
    return np.column_stack([parts.get(name, np.zeros(len(inputs))) for name in NAMED_PARTS])


def weekday_effects(inputs: ModelInputs) -> Floats:
    """The effect of the weekday of each row's day; shape (n,)."""
    effects: Floats = inputs.columns(EFFECTS)[np.arange(len(inputs)), (inputs.step - 1) % 7]
    return effects
