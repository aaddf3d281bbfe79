"""A scenario: the champion's own inputs, some columns changed, beside what they give unchanged. No HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np

from forecasting_platform.errors import UnavailableError, examples
from forecasting_platform.forecasting.calendar import Floats
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.forecasting.exogenous import exogenous_values
from forecasting_platform.forecasting.frames import FEATURE_NAMES, FEATURE_TABLE
from forecasting_platform.forecasting.inputs import INPUT_NAMES, InvalidInputsError, ModelInputs
from forecasting_platform.ports.table_store import TableStore

Operation = Literal["set", "add", "multiply"]
Ranges = dict[tuple[str, str], tuple[float, float]]
"""Lowest and highest value, by series and column."""
BEFORE_ALL = date(1900, 1, 1)
RANGE_UNKNOWN = "the range the champion was trained on is not known now, so nothing was compared with it"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a column: set to a number, or the number added, or multiplied by it."""

    operation: Operation
    number: float

    def of(self, values: Floats) -> Floats:
        """The changed values; shape (n,).

        >>> Change("add", 2.0).of(np.array([1.0, 3.0])).tolist()
        [3.0, 5.0]
        """
        if self.operation == "set":
            return np.full_like(values, self.number)
        return values + self.number if self.operation == "add" else values * self.number


def changed(inputs: ModelInputs, changes: Mapping[str, Change], exogenous: Mapping[str, Change]) -> ModelInputs:
    """The rows with some columns changed.

    Args:
        changes: by column of `INPUT_NAMES`.
        exogenous: by exogenous column; a value that is not known stays so, unless it is set.

    Raises:
        InvalidInputsError: a changed value is not finite, or the champion has no such exogenous column.
    """
    if unknown := sorted(exogenous.keys() - set(inputs.exogenous)):
        known = examples(inputs.exogenous) if inputs.exogenous else "none"
        raise InvalidInputsError(f"{examples(unknown)} is no exogenous column of the champion; it has {known}")
    values, names = inputs.values.copy(), [*INPUT_NAMES, *inputs.exogenous]
    for name, change in {**changes, **exogenous}.items():
        position = names.index(name)
        values[:, position] = change.of(values[:, position])
    return replace(inputs, values=values)


def warnings_of(
    scenario: ModelInputs, columns: Sequence[str], trained_until: date, store: TableStore | None
) -> list[dict[str, Any]]:
    """One warning for each series and column that lies outside what the champion was trained on.

    Args:
        columns: those that were changed, of the exogenous ones too; a column of the calendar has no range.
        trained_until: last day the champion has seen, inclusive.
        store: where the features it was trained on are.
    """
    names = [name for name in columns if name in {*FEATURE_NAMES, *scenario.exogenous}]
    try:
        known = _ranges(names, sorted(set(scenario.unique_id.tolist())), trained_until, store) if names else {}
    except UnavailableError:
        known = None
    if known is None:
        return [{"message": RANGE_UNKNOWN}]
    found = [_outside(scenario, unique_id, name, bounds) for (unique_id, name), bounds in known.items()]
    return [warning for warning in found if warning is not None]


def _ranges(names: list[str], unique_ids: list[str], trained_until: date, store: TableStore | None) -> Ranges | None:
    if store is None:
        return None
    trained_on = store.read(FEATURE_TABLE, DateRange(BEFORE_ALL, trained_until), unique_ids=unique_ids)
    exogenous = [name for name in names if name not in FEATURE_NAMES]
    known = exogenous_values(trained_on["exogenous"], exogenous)
    trained_on = trained_on.assign(**dict(zip(exogenous, known.T, strict=True)))
    lowest, highest = (getattr(trained_on.groupby("unique_id")[names], side)() for side in ("min", "max"))
    return {
        (unique_id, name): (float(low), float(high))
        for name in names
        for unique_id, low, high in zip(lowest.index, lowest[name], highest[name], strict=True)
    }


def _outside(scenario: ModelInputs, unique_id: str, name: str, bounds: tuple[float, float]) -> dict[str, Any] | None:
    lowest, highest = bounds
    values = scenario.column(name)[scenario.unique_id == unique_id]
    outside = values[(values < lowest) | (values > highest)]
    if not len(outside):
        return None
    value = float(outside[0])
    return {
        "unique_id": unique_id,
        "column": name,
        "value": value,
        "lowest": lowest,
        "highest": highest,
        "message": f"{name} of {unique_id!r} is {value:g}; the champion was trained on {lowest:g} to {highest:g}, "
        "so this forecast is an extrapolation",
    }
