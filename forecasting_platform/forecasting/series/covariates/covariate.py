"""Exogenous columns under the names that people use: the covariate, and the day of its value.

The columns of a plan or of a weather forecast are one for each day ahead; for a person they are one: "promotion on the
day". Explanation, what-if, the page and the model card use these names.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.covariates.exogenous import (
    STEP,
    Exogenous,
    KnownAtCutoff,
    KnownByTargetDay,
    KnownInAdvance,
)

LAST_KNOWN_DAY = "on the last known day"


@dataclass(frozen=True, slots=True)
class Covariate:
    """One value of a row that has a name.

    Attributes:
        name: such as `promotion on the day`.
        short: the series alone, such as `promotion`, where that means this value and not another one of it.
        columns: which of the E exogenous columns it is at each step, -1 where it is none; shape (horizon,).
    """

    name: str
    short: str | None
    columns: tuple[int, ...]

    def columns_at(self, step: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The column of each row, -1 beyond the horizon and where it has none; shape (n,)."""
        own = np.array([*self.columns, -1], dtype=np.int64)
        return own[np.minimum(step, len(own)) - 1]

    def sum_of(self, values: Floats, step: npt.NDArray[np.int64]) -> Floats:
        """The value of its own column in each row, 0 where it has none; shape (n,), of values with shape (n, E)."""
        column = self.columns_at(step)
        return np.where(column >= 0, values[np.arange(len(values)), np.maximum(column, 0)], 0.0)


def covariates_of(declared: Sequence[Exogenous], horizon: int) -> tuple[Covariate, ...]:
    """The covariates of exogenous columns, in the order of what declares them.

    >>> [of.name for of in covariates_of([KnownAtCutoff("wind", 2), KnownByTargetDay("promotion")], 15)]
    ['wind 2 days before the last known day', 'promotion on the day', 'promotion on the last known day']
    """
    found: list[Covariate] = []
    first = 0
    for each in declared:
        count = len(each.columns(horizon))
        found += _covariates(each, first, horizon)
        first += count
    return tuple(found)


def _covariates(declared: Exogenous, first: int, horizon: int) -> list[Covariate]:
    name, same = name_of(declared), (first,) * horizon
    if isinstance(declared, KnownAtCutoff):
        return [Covariate(f"{name} {_day_of(declared.delay_days)}", name, same)]
    if isinstance(declared, KnownInAdvance):
        return [Covariate(f"{name} forecast for the day", name, tuple(range(first, first + horizon)))]
    ahead = len(declared.columns(horizon)) - 1
    on_the_day = tuple(first + step if step <= ahead else -1 for step in range(1, horizon + 1))
    return [Covariate(f"{name} on the day", name, on_the_day), Covariate(f"{name} {LAST_KNOWN_DAY}", None, same)]


def name_of(declared: Exogenous) -> str:
    """The name of what is declared, without the places of steps and series.

    >>> name_of(KnownInAdvance("Temperature +{step}"))
    'Temperature'
    """
    return " ".join(declared.columns(1)[0].split()) if STEP not in declared.unique_id else _without_step(declared)


def _without_step(declared: Exogenous) -> str:
    # As the column of a step, without its number and what leads to it.
    before, _, after = declared.unique_id.partition(STEP)
    return type(declared)(f"{before.rstrip(' +_-:')}{after}{STEP}").columns(1)[0][:-1].strip() or declared.unique_id


def _day_of(delay_days: int) -> str:
    if not delay_days:
        return LAST_KNOWN_DAY
    return f"{delay_days} day{'s' if delay_days > 1 else ''} before the last known day"


def describe_columns(declared: Sequence[Exogenous], horizon: int) -> list[str]:
    """Each exogenous column in words, in their order.

    >>> describe_columns([KnownByTargetDay("promotion", days_ahead=2)], 15)
    ['promotion on the last known day', 'promotion 1 day ahead', 'promotion 2 days ahead']
    """
    found = []
    for each in declared:
        name, columns = name_of(each), each.columns(horizon)
        if isinstance(each, KnownAtCutoff):
            found.append(f"{name} {_day_of(each.delay_days)}")
            continue
        is_plan = isinstance(each, KnownByTargetDay)
        found += [f"{name} {LAST_KNOWN_DAY}"] if is_plan else []
        ahead = range(1, len(columns) + (0 if is_plan else 1))
        found += [f"{name} {'' if is_plan else 'forecast '}{step} day{'s' if step > 1 else ''} ahead" for step in ahead]
    return found
